"""The terms of a contract: its columns, and the calendars that they name."""
