"""The solver against a list of every set of networks, on random tables under random demands."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints, Objective
from grouping.domain.groupings import SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import best_groupings, solve
from grouping.solver.exact import bound_and_fix
from tests.effort import examples
from tests.tables import every_grouping, make_table

T = TypeVar("T")
LOSSES = st.floats(0.001, 10.0) | st.sampled_from([0.25, 0.5, 1.0])  # the second kind makes ties
BUDGETS = st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])


@st.composite
def tables(draw: st.DrawFn) -> ScoreTable:
    """Up to six tasks, every task alone, and some further networks."""
    names = [f"t{i}" for i in range(draw(st.integers(1, 6)))]
    tasks = tuple(Task(name, weight=draw(st.sampled_from([1.0, 1.0, 0.5, 3.0]))) for name in names)
    keys = st.tuples(st.frozensets(st.sampled_from(names), min_size=1), st.sampled_from([0.5, 1.0]))
    alone = [(frozenset({name}), 1.0) for name in names]
    further = draw(st.lists(keys, max_size=6, unique=True))
    networks = tuple(
        Network(group, size, draw(st.sampled_from([size, 0.9 * size])))
        for group, size in dict.fromkeys([*alone, *further])
    )
    rows = st.lists(LOSSES, min_size=len(names), max_size=len(names))
    losses = draw(st.lists(rows, min_size=len(networks), max_size=len(networks)))
    latency = draw(st.lists(st.integers(0, 4), min_size=len(networks), max_size=len(networks)))
    table = make_table(networks, tasks, np.array(losses))
    return ScoreTable.from_arrays(
        table.tasks,
        networks,
        table.seeds,
        table.validation_losses,
        table.test_losses,
        other_costs={"latency_ms": np.array(latency, dtype=np.float64)},
    )


def seldom(strategy: st.SearchStrategy[T], empty: T) -> st.SearchStrategy[T]:
    return st.one_of(st.just(empty), st.just(empty), strategy)


@st.composite
def demands(draw: st.DrawFn, table: ScoreTable) -> Constraints:
    """None to a few demands of every kind."""
    names = list(table.task_names)
    some = st.sampled_from(names)
    several = (
        st.lists(st.frozensets(some, min_size=2), max_size=1).map(tuple) if len(names) > 1 else st.just(())
    )
    networks = st.lists(st.sampled_from(table.networks), max_size=2, unique=True).map(tuple)

    return Constraints(
        together=draw(seldom(several, ())),
        apart=draw(seldom(several, ())),
        max_networks=draw(seldom(st.integers(1, 4), None)),
        max_group_size=draw(seldom(st.integers(1, 4), None)),
        is_partition=draw(seldom(st.just(True), False)),
        ceilings=draw(seldom(st.dictionaries(some, st.floats(0.1, 8.0), max_size=2), {})),
        ceilings_alone=draw(
            seldom(st.dictionaries(some, st.sampled_from([0.8, 1.0, 1.05, 2.0]), max_size=2), {})
        ),
        forced=draw(seldom(networks, ())),
        forbidden=draw(seldom(networks, ())),
        limits=draw(seldom(st.just({"latency_ms": float(draw(st.integers(0, 9)))}), {})),
    )


@settings(max_examples=examples(2_500), deadline=None)
@given(st.data(), tables(), BUDGETS, st.sampled_from(Objective))
def test_under_any_demands_the_loss_is_that_of_the_best_of_all_sets(
    data: st.DataObject, table: ScoreTable, budget: float, objective: Objective
) -> None:
    constraints = data.draw(demands(table))
    expected = every_grouping(table, budget, constraints, objective)
    solution = solve(table, budget, constraints=constraints, objective=objective)
    if not expected:
        assert solution.status is SolutionStatus.INFEASIBLE
        assert solution.infeasibility is not None
        return
    assert solution.status is SolutionStatus.OPTIMAL
    assert solution.loss == pytest.approx(expected[0][0], rel=1e-9)
    for grouping in filter(None, (solution.grouping, *solution.ties)):
        rows = frozenset(table.position(network) for network in grouping.networks)
        tied = {others for loss, others in expected if loss <= expected[0][0] * (1 + 1e-8)}
        assert rows in tied


@settings(max_examples=examples(300), deadline=None)
@given(st.data(), tables(), BUDGETS, st.integers(1, 12))
def test_the_best_k_are_the_first_k_of_all_sets(
    data: st.DataObject, table: ScoreTable, budget: float, k: int
) -> None:
    constraints = data.draw(demands(table))
    expected = every_grouping(table, budget, constraints)[:k]
    ranked = best_groupings(table, budget, k, constraints=constraints)
    assert ranked.is_proven
    assert list(ranked.losses) == pytest.approx([loss for loss, _ in expected], rel=1e-9)
    found = [grouping.networks for grouping in ranked.groupings]
    assert len(set(found)) == len(found)


@settings(max_examples=examples(300), deadline=None)
@given(st.data(), tables(), BUDGETS)
def test_conflicting_demands_cannot_be_met_and_any_one_less_can(
    data: st.DataObject, table: ScoreTable, budget: float
) -> None:
    constraints = data.draw(demands(table))
    solution = solve(table, budget, constraints=constraints)
    if solution.infeasibility is None:
        return
    why = solution.infeasibility
    named = [part for part in constraints.split() if next(part.sentences()) in why.conflicts]
    is_budget_named = why.cheapest_cover_snt is not None
    assert len(named) == len(why.conflicts) - is_budget_named
    within = budget if is_budget_named else 1e6
    assert not every_grouping(table, within, _merged(named))
    for left_out in named:
        assert every_grouping(table, within, _merged([part for part in named if part is not left_out]))
    if why.cheapest_cover_snt is not None:
        assert every_grouping(table, why.cheapest_cover_snt, constraints)
        assert not every_grouping(table, why.cheapest_cover_snt - 0.01, constraints)


def _merged(parts: list[Constraints]) -> Constraints:
    merged = Constraints()
    for part in parts:
        merged = merged.merge(part)
    return merged


@settings(max_examples=examples(150), deadline=None)
@given(st.data(), tables(), BUDGETS)
def test_the_programme_in_pulp_and_the_search_agree(
    data: st.DataObject, table: ScoreTable, budget: float
) -> None:
    constraints = data.draw(demands(table))
    searched = solve(table, budget, constraints=constraints)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bound_and_fix, "_SEARCH_NODES", 0)  # every core goes to the programme
        assert solve(table, budget, constraints=constraints) == searched
