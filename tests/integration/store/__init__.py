"""Tests of riskray.store against a real Postgres."""
