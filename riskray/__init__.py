"""riskray: data models, planning, the Ray grid, Postgres, the client and the command line."""

__version__ = "0.2.0"
