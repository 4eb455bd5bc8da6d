"""Scales: what makes the losses of tasks comparable in the total loss of a grouping.

A task may be scaled by its own single-task loss (`Scale.SINGLE`): its part of the total loss is then its
weight where it does as well as alone. That loss is measured by the search itself, so the scale is a number
only once the task's full-size single-task network is trained; until then it counts as 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from grouping.domain.constraints import Constraints
from grouping.domain.networks import Network
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tasks import Scale, Task
from grouping.domain.verdicts.gains import mean_losses_alone

TableT = TypeVar("TableT", bound=LossTable)


def scaled(table: TableT, measured: LossTable | None = None) -> TableT:
    """Return the table with the measured number for each task that is scaled by its single-task loss.

    Args:
        table: losses of any kind, such as those of fresh seeds.
        measured: search scores, in which the single-task losses stand; the table itself unless given.
    """
    if not awaits_scale(table.tasks):
        return table
    alone = dict(
        zip((measured or table).task_names, mean_losses_alone(measured or table).tolist(), strict=True)
    )
    return replace(
        table, tasks=tuple(_measured(task, alone.get(task.name, math.nan)) for task in table.tasks)
    )


def awaits_scale(tasks: Iterable[Task]) -> bool:
    """Tell whether the scale of a task is its single-task loss, and no number yet."""
    return any(task.scale is Scale.SINGLE for task in tasks)


def _measured(task: Task, alone: float) -> Task:
    is_known = task.scale is Scale.SINGLE and math.isfinite(alone) and alone != 0
    return replace(task, scale=abs(alone)) if is_known else task


def networks_first(tasks: tuple[Task, ...], constraints: Constraints) -> tuple[Network, ...]:
    """Return the networks that a search trains first, for the scales of tasks and what is demanded.

    These are full-size single-task networks, and after them the networks that have to be chosen.
    """
    alone = tuple(
        Network.of(task.name)
        for task in tasks
        if task.scale is Scale.SINGLE or task.must_not_worsen or task.name in constraints.ceilings_alone
    )
    there = {network.key for network in alone}
    return (*alone, *(network for network in constraints.forced if network.key not in there))
