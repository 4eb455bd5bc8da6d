"""Scales and ceilings by the losses alone, on random tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints, Objective
from grouping.domain.groupings import SolutionStatus
from grouping.domain.scales import scaled
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Direction, Metric, Scale, Task
from grouping.domain.verdicts.gains import mean_losses_alone
from grouping.solver import explain, solve, solve_budgets, solve_curve
from tests.effort import examples
from tests.tables import random_table

SEEDS = st.integers(0, 10**6)
BUDGETS = st.sampled_from([0.5, 1.0, 2.0, 3.0])


def with_tasks(table: ScoreTable, **changes: object) -> ScoreTable:
    return replace(table, tasks=tuple(replace(task, **changes) for task in table.tasks))  # type: ignore[arg-type]


@settings(max_examples=examples(60), deadline=None)
@given(SEEDS, BUDGETS, st.lists(st.floats(0.01, 100), min_size=4, max_size=4))
def test_the_unit_of_a_task_changes_no_choice_where_its_own_loss_is_the_scale(
    seed: int, budget: float, factors: list[float]
) -> None:
    table = with_tasks(random_table(seed), scale=Scale.SINGLE)
    other = table.with_arrays(table.validation_losses * np.array(factors)[None, :, None])
    one, two = solve(scaled(table), budget), solve(scaled(other), budget)
    assert one.status is two.status
    if one.loss is not None:
        assert one.loss == pytest.approx(two.loss, rel=1e-9)


@settings(max_examples=examples(60), deadline=None)
@given(SEEDS, BUDGETS)
def test_scaling_every_task_by_its_own_loss_is_the_relative_objective(seed: int, budget: float) -> None:
    table = random_table(seed)
    own = solve(scaled(with_tasks(table, scale=Scale.SINGLE)), budget)
    assert own == solve(table, budget, objective=Objective.RELATIVE)


@given(SEEDS)
def test_a_task_alone_counts_its_weight(seed: int) -> None:
    table = scaled(with_tasks(random_table(seed), scale=Scale.SINGLE, weight=3.0))
    assert mean_losses_alone(table) * table.weights == pytest.approx(np.full(4, 3.0))


@given(SEEDS)
def test_a_scale_that_is_not_measured_counts_as_one(seed: int) -> None:
    table = with_tasks(random_table(seed), scale=Scale.SINGLE)
    pairs = [n for n, network in enumerate(table.networks) if len(network.group) > 1]
    assert scaled(table.select(pairs)).weights == pytest.approx(np.ones(4))
    assert scaled(table.select(pairs), table).weights == pytest.approx(1 / mean_losses_alone(table))


@settings(max_examples=examples(60), deadline=None)
@given(SEEDS, BUDGETS, st.booleans())
def test_a_task_that_must_not_worsen_is_served_no_worse_than_alone_everywhere(
    seed: int, budget: float, is_negative: bool
) -> None:
    table = random_table(seed)
    if is_negative:
        table = table.with_arrays(table.validation_losses - 2.0)
    demanding = replace(table, tasks=(replace(table.tasks[0], must_not_worsen=True), *table.tasks[1:]))
    found = solve(demanding, budget)
    assert found == solve(table, budget, constraints=Constraints(ceilings_alone={table.task_names[0]: 1.0}))
    assert solve_budgets(demanding, [budget])[0].loss == pytest.approx(found.loss)
    assert solve_curve(demanding, [budget]).points[0].solution.loss == pytest.approx(found.loss)
    (chosen,) = solve_budgets.in_draws(demanding, demanding.validation[None], [budget])[0]
    if found.status is SolutionStatus.INFEASIBLE:
        assert chosen == ()
        return
    assert found.grouping is not None
    losses = found.grouping.task_losses(demanding, demanding.cell_losses)
    assert losses[0] <= mean_losses_alone(demanding)[0]
    assert explain(demanding, found).solution == found
    assert np.nanmin(demanding.validation[list(chosen), 0]) <= losses[0] + 1e-9


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from(Direction))
def test_the_better_value_is_the_lower_loss(
    one: float, two: float, best: float, direction: Direction
) -> None:
    task = Task("a", metric=Metric("m", direction), best=best)
    is_better = one > two if direction is Direction.HIGHER_IS_BETTER else one < two
    if task.loss_of(one) != task.loss_of(two):
        assert (task.loss_of(one) < task.loss_of(two)) is is_better
    assert task.value_of(task.loss_of(one)) == pytest.approx(one, abs=1e-3)
