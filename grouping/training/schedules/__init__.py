"""Schedules: one method per file."""
