"""Why a grouping is as it is, what would change it, and how it compares with baselines."""
