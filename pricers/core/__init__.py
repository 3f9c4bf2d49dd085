"""Compiled batches, and one market at their nodes."""
