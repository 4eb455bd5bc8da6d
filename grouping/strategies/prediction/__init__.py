"""Strategies that predict full losses, from other groups or from short trainings."""
