"""Affinity matrices computed from a score table, and the graph that they make."""
