"""Encoders: one architecture per file."""
