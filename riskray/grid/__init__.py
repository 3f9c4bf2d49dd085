"""The part of a run that lives on Ray: pricer actors, their pool, the coordinator and what they send each other."""
