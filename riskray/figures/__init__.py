"""Questions to what runs have stored: tail risk, stress and comparisons, by query alone. Nothing here prices or writes."""
