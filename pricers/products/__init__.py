"""One file a product."""
