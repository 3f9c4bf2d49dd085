"""The terms of a contract: its columns, and the calendars and dates that they name."""
