"""Numbers: contracts to cashflows to values, from arrays alone."""
