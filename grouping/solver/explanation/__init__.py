"""Explanations: why a grouping is as it is, what would change it, how it compares with baselines."""
