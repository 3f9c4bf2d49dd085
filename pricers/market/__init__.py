"""Market data of one date as arrays, and interpolation on its curves."""
