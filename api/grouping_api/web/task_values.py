"""Values of the tasks that a job defines, in their own units: alone, and in each recommended grouping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grouping.domain.gains import mean_losses_alone
from grouping.domain.groupings import Grouping
from grouping.domain.scores import ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import Recommendation


@dataclass(frozen=True, slots=True)
class TaskValues:
    """Row of the table of values.

    Attributes:
        task: the task, with metric and reference.
        alone: mean value in its own full-size network; None where it is not trained.
        by_budget: mean value in the grouping of each budget; None where there is none.
    """

    task: Task
    alone: float | None
    by_budget: tuple[float | None, ...]


def task_values(table: ScoreTable, recommendations: Sequence[Recommendation]) -> tuple[TaskValues, ...]:
    """Compute mean values over the search seeds, of the tasks whose losses are values of a metric."""
    if not any(task.has_values for task in table.tasks):
        return ()
    common = table.on_common_seeds()
    alone = dict(zip(table.task_names, mean_losses_alone(common).tolist(), strict=True))
    chosen = [item.solution.grouping for item in recommendations]
    served = [{} if one is None else _losses_of(one, common) for one in chosen]
    return tuple(
        TaskValues(
            task,
            _value(task, alone[task.name]),
            tuple(_value(task, losses.get(task.name, math.nan)) for losses in served),
        )
        for task in table.tasks
        if task.has_values
    )


def _losses_of(grouping: Grouping, table: ScoreTable) -> dict[str, float]:
    losses = grouping.task_losses(table, table.validation).tolist()
    return dict(zip(grouping.tasks, losses, strict=True))


def _value(task: Task, loss: float) -> float | None:
    return None if math.isnan(loss) else task.value_of(loss)
