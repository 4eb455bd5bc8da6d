"""Verdicts: baselines of equal cost, what is tuned for them, and whether the recommendation beats them."""
