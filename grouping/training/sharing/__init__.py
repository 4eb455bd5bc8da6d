"""Sharing: one method per file."""
