"""Expected improvement: how much training a network may improve the best grouping of measured networks.

Improvements are shares of the loss of that grouping; where there is none yet, covering every task counts 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grouping.domain.costs import fits
from grouping.domain.tables.score_table import FloatArray


def improvement_alone(
    draws: FloatArray, costs: FloatArray, chosen: Sequence[int], best: float, budget_snt: float
) -> FloatArray:
    """Compute ``[N]`` expected improvement by one network, added or exchanged for a chosen one.

    Args:
        draws: ``[D, N, T]`` weighted losses, infinite outside the groups; those of the chosen are known.
        costs: ``[N]``, in SNT.
        chosen: rows of the best measured grouping; may be empty where nothing measured covers every task.
        best: its total loss; infinite where there is none.
        budget_snt: inference budget.
    """
    least = np.full(draws.shape[:2], np.inf)
    prices, price = np.unique(costs, return_inverse=True)
    for left_out in (None, *chosen):
        kept = [n for n in chosen if n != left_out]
        spent = float(costs[kept].sum())
        affordable = np.array([fits(spent + cost, budget_snt) for cost in prices.tolist()])[price]
        served = draws[0, kept].min(axis=0, initial=np.inf)
        with_one = np.minimum(draws[:, affordable], served).sum(axis=2)
        least[:, affordable] = np.minimum(least[:, affordable], with_one)
    expected: FloatArray = improvement(best, least).mean(axis=0)
    return expected


def improvement_together(
    draws: FloatArray,
    choices: Sequence[tuple[int, tuple[int, ...]]],
    best: float,
    is_measured: NDArray[np.bool_],
) -> FloatArray:
    """Compute ``[N]`` improvement by the optima of draws, shared by the unmeasured networks in each.

    Args:
        draws: as in `improvement_alone`.
        choices: some draws, each with the rows of its optimum, none where nothing covers every task.
        best: as in `improvement_alone`.
        is_measured: ``[N]``, whether a network was measured.
    """
    shares = np.zeros(draws.shape[1])
    for d, rows in choices:
        new = [n for n in rows if not is_measured[n]]
        if new:
            loss = draws[d, list(rows)].min(axis=0).sum()
            shares[new] += float(improvement(best, loss)) / len(new)
    return shares / max(len(choices), 1)


def improvement(best: float, loss: FloatArray) -> FloatArray:
    """Return the share by which a loss is below the best; 0 if it is not, 1 if there is no best yet."""
    if not np.isfinite(best):
        return np.where(np.isfinite(loss), 1.0, 0.0)
    gained: FloatArray = np.maximum(best - np.where(np.isfinite(loss), loss, np.inf), 0.0)
    return gained / max(abs(best), 1e-300)
