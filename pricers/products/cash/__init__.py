"""Deposits, repos and positions in securities that are valued at a price."""
