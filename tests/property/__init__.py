"""Random contracts against independent results."""
