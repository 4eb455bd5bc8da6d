"""Baselines that cluster the tasks by their pairwise affinities."""
