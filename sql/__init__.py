"""All SQL text of riskray, loaded by name from the files beside this module."""
