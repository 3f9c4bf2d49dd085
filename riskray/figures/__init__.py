"""Figures from what runs have stored: rollups, VaR and ES, stress, hierarchies and comparisons. Nothing here prices or writes."""
