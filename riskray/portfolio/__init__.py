"""Portfolio snapshots: reading, checking, ordering and writing positions, all on Arrow columns."""
