"""Replaying published score tables: a table stands in for training."""
