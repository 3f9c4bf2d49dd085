"""The part of a run that lives on Ray: pricer actors, their pool and the coordinator."""
