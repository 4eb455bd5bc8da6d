"""Data sets of users: stored tables, and the problems that are made of them by naming targets and a split."""
