"""Comparison of two stored groupings."""

from __future__ import annotations

from grouping.solver import is_same_cost, plain_number
from grouping.store import StoredGrouping
from grouping.wire.stored_groupings import (
    GroupingComparison,
    GroupingSummary,
    StoredGroupingOut,
    TaskChangeOut,
    TaskLossOut,
)


def compare(first: StoredGrouping, second: StoredGrouping) -> GroupingComparison:
    """Compare two groupings of one score table or of two; changes are the second minus the first."""
    a, b = StoredGroupingOut.read(first), StoredGroupingOut.read(second)
    short_a, short_b = GroupingSummary.read(first), GroupingSummary.read(second)
    same_loss = (a.request.weights, a.request.objective) == (b.request.weights, b.request.objective)
    rows_a, rows_b = ({row.task: row for row in item.task_losses} for item in (a, b))
    tasks = [_change(task, rows_a.get(task), rows_b.get(task)) for task in dict.fromkeys((*rows_a, *rows_b))]
    return GroupingComparison(
        a=short_a,
        b=short_b,
        loss_change=_difference(a.loss, b.loss) if same_loss and set(rows_a) == set(rows_b) else None,
        cost_change=_difference(a.cost_snt, b.cost_snt) if a.request.cost == b.request.cost else None,
        in_both=[name for name in short_a.networks if name in short_b.networks],
        only_a=[name for name in short_a.networks if name not in short_b.networks],
        only_b=[name for name in short_b.networks if name not in short_a.networks],
        tasks=tasks,
        notes=_notes(a, b),
    )


def _change(task: str, a: TaskLossOut | None, b: TaskLossOut | None) -> TaskChangeOut:
    loss_a, loss_b = (None if row is None else row.validation_loss for row in (a, b))
    return TaskChangeOut(
        task=task,
        a_network=None if a is None else a.network,
        b_network=None if b is None else b.network,
        a_loss=loss_a,
        b_loss=loss_b,
        change=_difference(loss_a, loss_b),
    )


def _notes(a: StoredGroupingOut, b: StoredGroupingOut) -> list[str]:
    notes = []
    if a.score_table_id != b.score_table_id:
        notes.append(
            "The groupings are of two score tables: losses compare only if they were measured alike."
        )
    elif a.revision != b.revision:
        notes.append("The score table changed between the two solves.")
    if (a.request.weights, a.request.objective) != (b.request.weights, b.request.objective):
        notes.append("Weights or objective differ, so the total losses are different things.")
    if a.request.cost != b.request.cost:
        notes.append("The costs are in different units.")
    elif a.cost_snt is not None and b.cost_snt is not None and not is_same_cost(a.cost_snt, b.cost_snt):
        unit = a.request.cost or "SNT"
        notes.append(
            f"Not at equal cost: the first costs {plain_number(a.cost_snt)} {unit}, the second "
            f"{plain_number(b.cost_snt)} {unit}."
        )
    notes += [
        f"There is no {name} grouping: it is infeasible."
        for name, item in (("first", a), ("second", b))
        if item.grouping is None
    ]
    return notes


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else b - a
