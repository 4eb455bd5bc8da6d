"""Lists of the cells of a score table and of the tasks of a grouping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from grouping.domain.groupings import Grouping
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.wire.scores import CellOut, LossOut, ValuesOut
from grouping.wire.stored_groupings import TaskLossOut

Out = TypeVar("Out", bound=LossOut)


def cells_of(table: ScoreTable, metrics: ScoreTable) -> Iterator[CellOut]:
    """Yield every cell: one per network and task of its group, both in the order of the table.

    Args:
        table: the losses.
        metrics: values of the metrics in place of losses, of the same tasks; see `Store.metric_table`.
    """
    order, cells = table.task_names, table.cells
    for n, network in enumerate(table.networks):
        own = cells.of_row(n)
        group = [order[t] for t in cells.columns[own].tolist()]
        row = metrics.find_position(*network.key)
        measured = None if row is None else metrics.cells.of_row(row).start
        for i, task in enumerate(group):
            values = (None, None) if measured is None else _of_cell(metrics, measured + i, ValuesOut)
            validation, test = _of_cell(table, own.start + i, LossOut)
            yield CellOut(
                network=network.name(group),
                group=group,
                size=network.size,
                cost_snt=network.cost_snt,
                task=task,
                validation=validation,
                test=test,
                validation_metric=values[0] if values[0] is not None and values[0].n else None,
                test_metric=values[1] if values[1] is not None and values[1].n else None,
            )


def _of_cell(table: ScoreTable, at: int, out: type[Out]) -> tuple[Out, Out]:
    """Return the numbers of a cell on the validation and on the test rows."""
    validation = table.validation_scores[at], table.cell_losses[at], table.cell_standard_errors[at]
    test = table.test_scores[at], table.cell_test_losses[at], table.cell_test_standard_errors[at]
    return _over_seeds(table, out, *validation), _over_seeds(table, out, *test)


def _over_seeds(table: ScoreTable, out: type[Out], by_seed: FloatArray, mean: float, error: float) -> Out:
    return out(
        mean=mean,
        standard_error=error,
        n=int(np.sum(~np.isnan(by_seed))),
        by_seed={str(seed): value for seed, value in zip(table.seeds, by_seed.tolist(), strict=True)},
    )


def served_tasks(grouping: Grouping, table: ScoreTable) -> list[TaskLossOut]:
    """List each task with its losses in the network that serves it, in display order."""
    validation, errors, test = (
        grouping.task_losses(table, losses).tolist()
        for losses in (table.cell_losses, table.cell_standard_errors, table.cell_test_losses)
    )
    return [
        TaskLossOut(
            task=task,
            network=name,
            validation_loss=validation[t],
            standard_error=errors[t],
            test_loss=test[t],
        )
        for t, (task, name) in enumerate(grouping.serving_names.items())
    ]
