"""Foreign exchange."""
