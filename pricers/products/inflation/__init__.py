"""Inflation-linked products."""
