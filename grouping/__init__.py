"""Task-grouping search for multi-task learning: which tasks should share a network, within a budget."""
