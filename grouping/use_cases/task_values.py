"""Values of the tasks of a job in their own units: alone, and in each recommended grouping."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Metric, Task
from grouping.domain.verdicts.gains import mean_losses_alone
from grouping.solver import Recommendation
from grouping.wire.groupings import TaskValueOut


@dataclass(frozen=True, slots=True)
class TaskValues:
    """Row of the table of values.

    Attributes:
        task: the task, with its reference.
        metric: what its values are of.
        alone: mean value in its own full-size network; None where it is not known.
        by_budget: mean value in the grouping of each budget; None where there is none.
    """

    task: Task
    metric: Metric
    alone: float | None
    by_budget: tuple[float | None, ...]


def task_values(
    losses: ScoreTable, metrics: ScoreTable, recommendations: Sequence[Recommendation]
) -> tuple[TaskValues, ...]:
    """Compute mean values on the validation rows over the search seeds, of the tasks that have any.

    Args:
        losses: losses of the search, some of which may be values of a metric, turned.
        metrics: values of the metrics in place of losses, of the same networks; see `Store.metric_table`.
        recommendations: what is recommended for each budget.
    """
    found = (
        _values(task, losses if task.has_values else metrics, recommendations)
        for task in losses.tasks
        if task.metric is not None
    )
    return tuple(row for row in found if row is not None)


def _values(task: Task, table: ScoreTable, recommendations: Sequence[Recommendation]) -> TaskValues | None:
    assert task.metric is not None
    common = table.on_common_seeds()
    value_of: Callable[[float], float] = task.value_of if task.has_values else float
    column = common.task_names.index(task.name)
    alone = float(mean_losses_alone(common)[column])
    served = [
        math.nan if item.solution.grouping is None
        else float(item.solution.grouping.task_losses(common, common.cell_losses)[column])
        for item in recommendations
    ]  # fmt: skip
    if all(map(math.isnan, (alone, *served))) and not task.has_values:
        return None
    by_budget = tuple(None if math.isnan(value) else value_of(value) for value in served)
    return TaskValues(task, task.metric, None if math.isnan(alone) else value_of(alone), by_budget)


def values_at(rows: Sequence[TaskValues], place: int) -> list[TaskValueOut]:
    """Return the values for one budget, by its place among those of the job."""
    return [
        TaskValueOut.read(row, task=row.task.name, reference=row.task.reference, value=row.by_budget[place])
        for row in rows
    ]
