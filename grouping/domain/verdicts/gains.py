"""Losses of the tasks alone, which gains are measured against."""

from __future__ import annotations

import numpy as np

from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.verdicts.gain_formula import GainFormula as GainFormula


def losses_alone(table: ScoreTable) -> FloatArray:
    """Return each task's validation loss in its own full-size network, ``[T, S]``; NaN if unknown."""
    alone = np.full((len(table.tasks), len(table.seeds)), np.nan)
    for t, name in enumerate(table.task_names):
        row = table.find_position(frozenset({name}))
        if row is not None:
            alone[t] = table.validation_scores[table.cells.starts[row]]
    return alone


def find_own_network(table: ScoreTable, task: str) -> int | None:
    """Find the row of the task's own network, of full size or else of the size nearest to it.

    Of two sizes as near the larger one is taken. None if the task was never measured alone.
    """
    own = [
        (abs(table.networks[row].size - 1), -table.networks[row].size, row)
        for row in table.rows_of(frozenset({task}))
        if table.is_complete[row]
    ]
    return min(own)[-1] if own else None


def mean_losses_alone(table: LossTable) -> FloatArray:
    """Return each task's mean validation loss in its own full-size network, ``[T]``; NaN if unknown."""
    rows = [table.find_position(frozenset({name})) for name in table.task_names]
    starts, losses = table.cells.starts, table.cell_losses  # a single task has one cell
    return np.array([np.nan if row is None else losses[starts[row]] for row in rows], dtype=np.float64)
