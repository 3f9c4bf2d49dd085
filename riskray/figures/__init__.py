"""Figures computed from stored runs: rollups, VaR and ES, stress, hierarchies and comparisons. This package neither prices nor writes."""
