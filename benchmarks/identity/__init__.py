"""Checks that a change of the code changes no number: figures under canonical keys are stored in a file and compared bit by bit."""
