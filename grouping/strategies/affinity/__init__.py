"""Affinity matrices computed from a score table, and their graph."""
