"""Laws of the solver on random tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.costs import fits
from grouping.domain.groupings import SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import cheapest_cover, solve, solve_curve
from grouping.solver.exact.programme import CBC
from grouping.solver.exact.programme import DEFAULT_SOLVER as HIGHS
from tests.effort import examples
from tests.tables import brute_force, make_table

LOSSES = st.floats(0.001, 10.0) | st.sampled_from([0.25, 0.5, 1.0])  # the second kind makes ties
BUDGETS = st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])


@st.composite
def tables(draw: st.DrawFn) -> ScoreTable:
    names = [f"t{i}" for i in range(draw(st.integers(1, 4)))]
    tasks = tuple(Task(name, weight=draw(st.sampled_from([1.0, 1.0, 0.5, 3.0]))) for name in names)
    keys = st.tuples(st.frozensets(st.sampled_from(names), min_size=1), st.sampled_from([0.5, 1.0]))
    chosen = draw(st.lists(keys, min_size=1, max_size=9, unique=True))
    networks = tuple(
        Network(group, size, draw(st.sampled_from([size, 0.9 * size]))) for group, size in chosen
    )
    losses = draw(
        st.lists(
            st.lists(LOSSES, min_size=len(names), max_size=len(names)),
            min_size=len(networks),
            max_size=len(networks),
        )
    )
    return make_table(networks, tasks, np.array(losses))


@settings(max_examples=examples(150), deadline=None)
@given(tables(), BUDGETS)
def test_the_loss_is_that_of_brute_force_and_infeasible_agrees(table: ScoreTable, budget: float) -> None:
    expected = brute_force(table, budget)
    solution = solve(table, budget)
    if expected is None:
        assert solution.status is SolutionStatus.INFEASIBLE
        assert solution.infeasibility is not None
        assert solution.infeasibility.reason
    else:
        assert solution.status is SolutionStatus.OPTIMAL
        assert solution.loss == pytest.approx(expected, rel=1e-9)
        assert solution.gap == 0


@settings(max_examples=examples(40), deadline=None)
@given(tables(), BUDGETS, st.sampled_from([1e-12, 1e-7, 1e-3, 1e6, 1e25]))
def test_the_unit_of_the_losses_changes_nothing(table: ScoreTable, budget: float, unit: float) -> None:
    scaled = make_table(table.networks, table.tasks, table.validation * unit)
    expected, solution = brute_force(scaled, budget), solve(scaled, budget)
    assert solution.loss == (None if expected is None else pytest.approx(expected, rel=1e-8))


@settings(max_examples=examples(60), deadline=None)
@given(tables(), BUDGETS)
def test_a_grouping_fits_the_budget_and_serves_every_task_from_its_best_chosen_network(
    table: ScoreTable, budget: float
) -> None:
    solution = solve(table, budget)
    for grouping in filter(None, (solution.grouping, *solution.ties)):
        assert fits(grouping.cost_snt, budget)
        assert grouping.tasks == table.task_names
        for task in grouping.tasks:
            losses = [
                table.validation[table.position(network), table.task_names.index(task)]
                for network in grouping.networks
                if task in network.group
            ]
            served = grouping.network_for(task)
            assert table.validation[table.position(served), table.task_names.index(task)] == min(losses)


@settings(max_examples=examples(60), deadline=None)
@given(tables(), BUDGETS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(table: ScoreTable, budget: float, random: object) -> None:
    rows = list(range(len(table.networks)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert solve(table.select(rows), budget) == solve(table, budget)


@settings(max_examples=examples(40), deadline=None)
@given(tables(), BUDGETS)
def test_a_network_that_is_worse_and_dearer_changes_nothing(table: ScoreTable, budget: float) -> None:
    n = 0
    worse = Network(table.networks[n].group, 7.0, table.networks[n].cost_snt + 0.1)
    losses = np.vstack([table.validation, table.validation[n] + 0.5])
    larger = make_table((*table.networks, worse), table.tasks, losses)
    assert solve(larger, budget) == solve(table, budget)


@settings(max_examples=examples(40), deadline=None)
@given(tables())
def test_a_larger_budget_never_hurts(table: ScoreTable) -> None:
    losses = [point.solution.loss for point in solve_curve(table, [0.5, 1, 1.5, 2, 2.5, 3]).points]
    known = [loss for loss in losses if loss is not None]
    assert known == sorted(known, reverse=True)
    assert losses[len(losses) - len(known) :] == known, "once feasible, a larger budget stays feasible"


@settings(max_examples=examples(60), deadline=None)
@given(tables())
def test_the_cheapest_cover_is_the_least_feasible_budget(table: ScoreTable) -> None:
    cost = cheapest_cover(table)
    if cost is None:
        assert solve(table, 100).status is SolutionStatus.INFEASIBLE
    else:
        assert solve(table, cost).status is SolutionStatus.OPTIMAL
        assert solve(table, cost - 0.01).status is SolutionStatus.INFEASIBLE


@settings(max_examples=examples(40), deadline=None)
@given(st.sampled_from([HIGHS, CBC]), st.floats(1e-10, 2e-6))
def test_a_cost_just_beside_the_budget_is_judged_by_the_rule_and_not_by_a_solver_s_tolerance(
    solver: str, excess: float
) -> None:
    tasks = (Task("a"), Task("b"))
    networks = (Network.of("a", size=0.5), Network.of("b", cost_snt=0.5 + excess), Network.of("a", "b"))
    table = make_table(networks, tasks, np.array([[0.1, 0], [0, 0.1], [0.5, 0.5]]))
    solution = solve(table, 1.0, solver=solver)
    assert solution.loss == pytest.approx(0.2 if fits(1 + excess, 1.0) else 1.0)
    assert fits(solution.cost_snt or 9.0, 1.0)


@settings(max_examples=examples(15), deadline=None)
@given(tables(), BUDGETS)
def test_another_solver_gives_the_same_answer(table: ScoreTable, budget: float) -> None:
    ours, theirs = solve(table, budget), solve(table, budget, solver=CBC)
    assert (ours.grouping, ours.loss, ours.ties) == (theirs.grouping, theirs.loss, theirs.ties)
