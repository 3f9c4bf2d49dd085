"""Scenario sets: from definitions, histories and files to a matrix of factor moves, and from there to the pricers' scenarios. Pure."""
