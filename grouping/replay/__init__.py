"""Replay of searches on published score tables: a table stands in for training."""
