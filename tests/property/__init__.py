"""Random contracts against independent answers."""
