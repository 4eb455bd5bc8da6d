"""Tasks that drown all others in the sum of the losses."""

from __future__ import annotations

import numpy as np

from grouping.domain.percentages import percent
from grouping.domain.tables.loss_table import LossTable

MOST_OF_THE_SUM = 0.9
"""Share of the sum from which one task decides almost alone."""


def dominance_sentence(table: LossTable) -> str:
    """Say that one task makes up most of the sum of the losses; empty if none does.

    The share of a task is that of its weighted mean loss, without its sign, over the networks that have a
    loss for each of their tasks.
    """
    cells, n_tasks = table.cells, len(table.tasks)
    is_counted = table.is_complete[cells.rows]
    columns, losses = cells.columns[is_counted], np.abs(table.cell_losses[is_counted])
    numbers = np.bincount(columns, minlength=n_tasks)
    if n_tasks < 2 or not numbers.all():
        return ""
    means = np.bincount(columns, weights=losses, minlength=n_tasks) / numbers * table.weights
    total = float(means.sum())
    t = int(means.argmax())
    if not total or means[t] / total < MOST_OF_THE_SUM:
        return ""
    share = percent(float(means[t] / total), 0)
    return (
        f"Task {table.task_names[t]} makes up {share} of the sum of the losses: the grouping is chosen for "
        "it almost alone. Weigh the tasks, or divide each loss by that alone (objective relative)."
    )
