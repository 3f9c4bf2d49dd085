"""Curves from quotes: instruments at par, solved for the zero rates of all curves, today and under scenarios."""
