"""The pure part of a run, without input or output: plan, value a shard, add up, and what becomes of a shard that fails."""
