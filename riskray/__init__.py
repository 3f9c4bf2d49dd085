"""Runs: shared contracts, planning, the Ray grid, Postgres, client and command line."""

__version__ = "0.1.0"
