"""The best groupings of draws of the losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray
from grouping.strategies.evidence import Choose

FEW_TASKS = 10
"""Up to as many tasks the solver serves all draws and budgets by one dynamic programme."""
BUDGETS_PER_DRAW = 2
N_PROMISING = 800
"""Networks of a draw that the solver is given where there are many."""


class Optimum(NamedTuple):
    """The best grouping of a draw at a budget.

    Attributes:
        draw: index of the draw.
        budget: index of the budget.
        rows: its networks; none where nothing covers every task.
    """

    draw: int
    budget: int
    rows: tuple[int, ...]


def optima_of_draws(
    choose: Choose, table: LossTable, draws: FloatArray, budgets: Sequence[float]
) -> list[Optimum]:
    """Find the best groupings: for every draw and budget, or with many tasks for two budgets per draw.

    Args:
        choose: the solver.
        table: the networks, with weights and costs.
        draws: ``[D, N, T]`` losses, NaN outside the groups.
        budgets: inference budgets.
    """
    if len(table.tasks) <= FEW_TASKS:
        chosen = choose.in_draws(table, draws, budgets)
        return [Optimum(d, b, one) for d, each in enumerate(chosen) for b, one in enumerate(each)]
    found = []
    for d in range(len(draws)):
        some = sorted({(d + i) % len(budgets) for i in range(BUDGETS_PER_DRAW)})
        kept = promising(draws[d] * table.weights)
        (each,) = choose.in_draws(table.select(kept), draws[d : d + 1, kept], [budgets[b] for b in some])
        found += [Optimum(d, b, tuple(kept[n] for n in one)) for b, one in zip(some, each, strict=True)]
    return found


def promising(losses: FloatArray) -> list[int]:
    """Return rows that an optimum is likely to use: the best per task, and those good for many tasks.

    Args:
        losses: ``[N, T]`` weighted losses, NaN outside the groups.
    """
    n_tasks = losses.shape[1]
    usual = np.nanmedian(losses, axis=0)
    good_for_many = np.argsort(-np.nansum(np.maximum(usual - losses, 0.0), axis=1), kind="stable")
    best = np.argsort(np.where(np.isnan(losses), np.inf, losses), axis=0, kind="stable")
    most_tasks = np.argsort(np.isnan(losses).sum(axis=1), kind="stable")
    parts = (
        good_for_many[: N_PROMISING // 2],
        best[: N_PROMISING // (2 * n_tasks)].ravel(),
        most_tasks[:n_tasks],
    )
    rows: list[int] = np.unique(np.concatenate(parts)).tolist()
    return rows
