"""Lists of the cells of a score table and of the tasks of a grouping."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from grouping.domain.groupings import Grouping
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.wire.scores import CellOut, LossOut
from grouping.wire.stored_groupings import TaskLossOut


def cells_of(table: ScoreTable) -> Iterator[CellOut]:
    """Yield every cell: one per network and task of its group, both in the order of the table."""
    order = table.task_names
    for n, network in enumerate(table.networks):
        group = [task for task in order if task in network.group]
        for task in group:
            at = n, order.index(task)
            validation = (
                table.validation_losses[at],
                table.validation[at],
                table.validation_standard_error[at],
            )
            test = table.test_losses[at], table.test[at], table.test_standard_error[at]
            yield CellOut(
                network=network.name(order),
                group=group,
                size=network.size,
                cost_snt=network.cost_snt,
                task=task,
                validation=_loss(table, *validation),
                test=_loss(table, *test),
            )


def _loss(table: ScoreTable, by_seed: FloatArray, mean: float, error: float) -> LossOut:
    return LossOut(
        mean=mean,
        standard_error=error,
        n=int(np.sum(~np.isnan(by_seed))),
        by_seed={str(seed): value for seed, value in zip(table.seeds, by_seed.tolist(), strict=True)},
    )


def served_tasks(grouping: Grouping, table: ScoreTable) -> list[TaskLossOut]:
    """List each task with its losses in the network that serves it, in display order."""
    validation, errors, test = (
        grouping.task_losses(table, losses).tolist()
        for losses in (table.validation, table.validation_standard_error, table.test)
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
