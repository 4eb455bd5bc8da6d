"""Schedules: one per file."""
