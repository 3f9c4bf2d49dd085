"""Whether a change of the code leaves every number where it was: figures under canonical keys, kept in a file and compared bit by bit."""
