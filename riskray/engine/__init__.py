"""The pure part of a run, without input or output: plan, value a shard, aggregate, and the states of runs and shards."""
