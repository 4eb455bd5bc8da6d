"""Domain types: tasks, networks, score tables, groupings, jobs; immutable, on NumPy only."""
