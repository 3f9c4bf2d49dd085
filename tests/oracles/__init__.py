"""Independent answers to hold riskray's own against."""
