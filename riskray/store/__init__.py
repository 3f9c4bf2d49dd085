"""Postgres: connections, migrations, the embedded server, Arrow in and out."""
