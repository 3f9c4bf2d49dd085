"""Credit derivatives."""
