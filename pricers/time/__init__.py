"""Dates, calendars, day counts and schedules."""
