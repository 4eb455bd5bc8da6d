"""Comparison of a grouping with choices that need no search, in sentences that name the costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from grouping.domain.groupings import Solution
from grouping.domain.percentages import percent
from grouping.solver.curve import Curve

SAME_COST = 1e-3
"""Relative difference up to which two costs are the same."""


def comparison_sentences(solution: Solution, curve: Curve, unit: str = "SNT") -> Iterator[str]:
    """Compare the total validation loss of a solution with baselines and random groupings.

    Args:
        solution: the answer for a budget; nothing is said without a grouping.
        curve: of the same table, objective and weights, for that budget alone.
        unit: unit of the costs.
    """
    loss, cost = solution.loss, solution.cost_snt
    if loss is None or cost is None:
        return
    for baseline in curve.baselines:
        if not baseline.loss:
            continue
        against = f"{_change(loss, baseline.loss)} the {plain_number(baseline.loss)} of {baseline.name}"
        if is_same_cost(cost, baseline.cost_snt):
            yield f"At the same cost of {plain_number(cost)} {unit} the loss is {against}."
        else:
            yield (
                f"Not at equal cost: the loss at {plain_number(cost)} {unit} is {against}, which costs "
                f"{plain_number(baseline.cost_snt)} {unit}."
            )
    for random in (point.random for point in curve.points):
        if random is not None and random.mean:
            yield (
                f"The loss is {_change(loss, random.mean)} the {plain_number(random.mean)} that random "
                "groupings within the same budget have on average."
            )


def is_same_cost(a: float, b: float) -> bool:
    """Return whether two costs in the same unit may be called equal."""
    return math.isclose(a, b, rel_tol=SAME_COST)


def relative_change(loss: float, reference: float) -> float:
    """Compute ``(loss - reference) / abs(reference)``; below 0 is better, whatever the signs.

    Args:
        loss: the new loss.
        reference: the loss it is compared with; not 0.
    """
    return (loss - reference) / abs(reference)


def plain_number(value: float) -> str:
    """Format a cost or a loss with five significant digits, such as ``1,234,500`` or ``0.00003``.

    Two costs that are not the same by `is_same_cost` are written differently. Only below 1e-9 and from 1e15
    on there is an exponent.
    """
    digits = f"{value:.5g}"
    return f"{Decimal(digits):,f}" if 1e-9 <= abs(value) < 1e15 else digits


def _change(loss: float, baseline: float) -> str:
    change = relative_change(loss, baseline)
    if abs(change) < 1e-9:
        return "the same as"
    return f"{percent(abs(change), 1)} {'lower' if change < 0 else 'higher'} than"
