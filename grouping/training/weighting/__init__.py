"""Weighting of losses and gradients: one method per file."""
