"""Contracts lowered to columns of cash flows."""
