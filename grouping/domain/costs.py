"""Inference costs and budgets."""

from __future__ import annotations

BUDGET_TOLERANCE = 1e-9
"""A cost this much (relative) above the budget still fits: sums of SNT are rounded."""


def fits(cost_snt: float, budget_snt: float) -> bool:
    """Return whether a cost is within an inference budget, up to rounding."""
    return cost_snt <= most_within(budget_snt)


def most_within(budget: float) -> float:
    """Return the most that a cost may be within a budget in any unit, up to rounding."""
    return budget + BUDGET_TOLERANCE * abs(budget)
