"""Inference costs and budgets."""

from __future__ import annotations

BUDGET_TOLERANCE = 1e-9
"""A cost this much (relative) above the budget still fits: sums of SNT are rounded."""


def fits(cost_snt: float, budget_snt: float) -> bool:
    """Return whether a cost is within an inference budget, up to rounding."""
    return cost_snt <= budget_snt + BUDGET_TOLERANCE * max(1.0, abs(budget_snt))
