"""Trainings: single trials with what they hold, cost and suffer, and the budget that limits them."""
