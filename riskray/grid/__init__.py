"""The part of a run that uses Ray: pricer actors, their pool, the coordinator and their messages."""
