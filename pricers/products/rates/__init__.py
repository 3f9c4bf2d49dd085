"""Interest-rate swaps and what is traded beside them."""
