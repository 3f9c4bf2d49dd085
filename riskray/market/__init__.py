"""Market snapshots and scenario sets turned into the arrays that the pricers read."""
