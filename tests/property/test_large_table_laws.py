"""Laws of the way that large tables take, on tables small enough for brute force, and on large ones."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints
from grouping.domain.groupings import SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import BudgetSolver, TableSolver, assess_confidence, best_groupings, explain, solve
from grouping.solver.exact import bound_and_fix, cells, column_generation, core_programme, programme
from tests.effort import examples
from tests.property.test_constraint_laws import BUDGETS, demands, tables
from tests.tables import every_grouping, make_table


@pytest.fixture
def way_of_large_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables are solved as if they had very many tasks."""
    monkeypatch.setattr(column_generation, "MAX_GENERATED_BLOCKS", 0)


def large_table(seed: int, n_tasks: int = 60, n_groups: int = 600, noise: float = 0.1) -> ScoreTable:
    """Singles and random groups of 2 to 8 tasks; sizes cost 0.5, 1 or 2."""
    generator = np.random.default_rng(seed)
    names = [f"t{t:02d}" for t in range(n_tasks)]
    groups = {frozenset([name]) for name in names}
    while len(groups) < n_groups:
        groups.add(frozenset(generator.choice(names, generator.integers(2, 9), replace=False).tolist()))
    sizes = generator.choice([0.5, 1.0, 2.0], n_groups)
    networks = [
        Network(group, float(size), float(size))
        for group, size in zip(sorted(groups, key=sorted), sizes, strict=True)
    ]
    losses = generator.uniform(0.5, 1.5, n_tasks) * generator.normal(1.0, noise, (n_groups, n_tasks))
    return make_table(tuple(networks), tuple(map(Task, names)), losses)


@pytest.mark.usefixtures("way_of_large_tables")
@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), tables(), BUDGETS)
def test_the_way_of_large_tables_finds_the_optimum_under_any_demands(
    data: st.DataObject, table: ScoreTable, budget: float
) -> None:
    demanded = data.draw(demands(table))
    best = every_grouping(table, budget, demanded)
    solution = solve(table, budget, constraints=demanded)
    if not best:
        assert solution.status is SolutionStatus.INFEASIBLE
    else:
        assert solution.status is SolutionStatus.OPTIMAL
        assert solution.loss == pytest.approx(best[0][0], rel=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_both_ways_agree_on_any_costs_limits_and_steps_of_the_losses(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(seed)
    table = large_table(
        seed, n_tasks=int(generator.integers(8, 14)), n_groups=int(generator.integers(20, 60))
    )
    costs = (
        generator.choice([0.5, 1.0, 2.0], len(table.networks)) if seed % 3 else np.ones(len(table.networks))
    )
    costs = costs if seed % 3 < 2 else generator.uniform(0.2, 2.0, len(table.networks))
    networks = tuple(
        replace(network, cost_snt=float(cost)) for network, cost in zip(table.networks, costs, strict=True)
    )
    losses = np.round(table.validation, 1 + seed % 4) * 10.0 ** (seed % 7 - 3)
    latencies = {"ms": generator.integers(0, 5, len(networks)).astype(np.float64)}
    table = replace(make_table(networks, table.tasks, losses), other_costs=latencies)
    demanded = Constraints(limits={"ms": 8.0}) if seed % 2 else Constraints()
    budget = float(generator.uniform(0.15, 0.5) * len(table.tasks) * costs.mean())
    plain = solve(table, budget, constraints=demanded, max_ties=1)
    monkeypatch.setattr(column_generation, "MAX_GENERATED_BLOCKS", 0)
    other = solve(table, budget, constraints=demanded, max_ties=1)
    assert other.status is plain.status
    assert other.loss == (None if plain.loss is None else pytest.approx(plain.loss, rel=1e-9))


@pytest.mark.parametrize("seed", range(3))
def test_more_time_and_more_budget_never_give_a_worse_answer(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = large_table(seed)
    proven = [TableSolver(table).solve(b, max_ties=1).loss or np.inf for b in (20.0, 25.0, 30.0, 35.5)]
    assert proven == sorted(proven, reverse=True)
    losses = []
    for n_looks in (0, 1, 5, 20, 50, 100, 300, 10_000):
        clock = itertools.count()
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda clock=clock: float(next(clock)))
            found = TableSolver(table).solve(30.0, time_limit_s=n_looks, max_ties=1)
        assert found.loss is not None, "a cover exists, so one is found"
        assert found.bound is not None
        losses.append(found.loss)
        assert found.bound <= proven[2] + 1e-9
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == proven[2], "with all the time it is the optimum"


def test_draws_of_a_large_table_are_answered_within_three_per_cent_of_the_optimum() -> None:
    table, budgets = large_table(3, n_tasks=50, n_groups=300), (12.0, 16.0, 25.0)
    noise = np.random.default_rng(0).normal(1.0, 0.02, (3, *table.validation.shape))
    draws = table.validation * noise
    chosen = BudgetSolver().in_draws(table, draws, budgets)
    for draw, by_budget in zip(draws, chosen, strict=True):
        for budget, rows in zip(budgets, by_budget, strict=True):
            assert sum(table.networks[n].cost_snt for n in rows) <= budget
            optimum = solve(rescaled(table, draw), budget, max_ties=1).loss
            assert optimum is not None
            assert np.nanmin(draw[list(rows)], axis=0).sum() == pytest.approx(optimum, rel=0.03)


def test_a_grain_of_the_table_proves_nothing_of_its_draws() -> None:
    table = large_table(5, n_tasks=14, n_groups=120, noise=0.3)
    rounded = rescaled(table, np.round(2 * table.validation) + 1)  # values of choices are 1 apart or equal
    noise = np.random.default_rng(1).normal(1.0, 0.3, (20, *table.validation.shape))
    draws = rounded.validation * noise
    for draw, (rows,) in zip(draws, BudgetSolver().in_draws(rounded, draws, (5.0,)), strict=True):
        optimum = solve(rescaled(table, draw), 5.0, max_ties=1).loss
        assert np.nanmin(draw[list(rows)], axis=0).sum() == pytest.approx(optimum, rel=1e-9)


def test_a_start_among_few_of_very_many_candidates_leads_to_the_same_optimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = large_table(8, n_tasks=16, n_groups=400, noise=0.3)
    losses = [solve(table, budget, max_ties=1).loss for budget in (3.0, 5.0, 8.0)]
    monkeypatch.setattr(cells, "_FEW", 5)
    monkeypatch.setattr(cells, "_FEW_FOR_A_BLOCK", 2)
    assert [solve(table, budget, max_ties=1).loss for budget in (3.0, 5.0, 8.0)] == losses


@pytest.mark.parametrize("exponent", [-12, -3, 6, 12])
def test_a_power_of_ten_on_losses_or_costs_changes_no_choice(exponent: int) -> None:
    table, factor = large_table(7, n_tasks=50, n_groups=300), 10.0**exponent
    chosen = solve(table, 20.0, max_ties=1).grouping
    assert chosen is not None
    by_loss = solve(rescaled(table, factor * table.validation), 20.0, max_ties=1).grouping
    by_cost = solve(rescaled(table, table.validation, factor), 20.0 * factor, max_ties=1).grouping
    for other in (by_loss, by_cost):
        assert other is not None
        assert [n.group for n in other.networks] == [n.group for n in chosen.networks]


def test_a_small_loss_beside_a_giant_one_is_still_made_small() -> None:
    small, giant = Task("small"), Task("giant")
    groups = [Network.of("giant", "small"), Network(frozenset({"giant", "small"}), 0.5, 1.0)]
    losses = np.array([[1e9, 0.2], [1e9, 0.1]])
    table = make_table(tuple(groups), (giant, small), losses)
    chosen = solve(table, 1.0).grouping
    assert chosen is not None
    assert chosen.networks == (groups[1],)


def rescaled(table: ScoreTable, losses: FloatArray, cost: float = 1.0) -> ScoreTable:
    networks = tuple(Network(n.group, n.size, n.cost_snt * cost) for n in table.networks)
    return make_table(networks, table.tasks, losses)


def test_a_core_of_few_cells_is_decided_by_a_programme_that_starts_from_the_best_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"t{t:02d}" for t in range(42)]
    whole = tuple(Network(frozenset(names), 1.0 + n, 1.0) for n in range(30))
    losses = np.random.default_rng(0).uniform(0.0, 1.0, (30, 42))
    table = make_table(whole, tuple(map(Task, names)), losses)
    monkeypatch.setattr(bound_and_fix, "_MOST_CELLS_HANDED", 0)
    plain = solve(table, 4.0, max_ties=1)
    monkeypatch.undo()
    monkeypatch.setattr(bound_and_fix, "_NODES_BEFORE", 1)  # of a table that is small enough for a test
    starts: list[bool] = []

    def noting(*args: Any, **named: Any) -> Any:
        starts.append(named["start"] is not None)
        return programme.solve_programme(*args, **named)

    monkeypatch.setattr(core_programme, "solve_programme", noting)
    handed = solve(table, 4.0, max_ties=1)
    assert starts == [True], "few nodes do not close it, and the core has few cells"
    assert (handed.status, handed.loss) == (plain.status, plain.loss)


def test_networks_that_are_not_needed_are_left_out_whatever_their_number() -> None:
    names = tuple(f"t{t}" for t in range(6))
    pair, whole = Network.of("t0", "t1"), Network.of(*names)
    singles = tuple(Network(frozenset({name}), 1.0, 0.1) for name in names)
    losses = np.ones((8, 6))
    losses[7] = 0.5
    table = make_table((*singles, pair, whole), tuple(map(Task, names)), losses)
    chosen = TableSolver(table)._grouping(range(8))
    assert chosen.networks == (whole,)


@pytest.mark.parametrize("question", ["confidence", "explanation", "best"])
def test_every_question_about_a_large_table_ends_soon_after_its_time(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = large_table(2)
    found = solve(table, 30.0, time_limit_s=0.0)
    looks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(looks)))
    asked = {
        "confidence": lambda: assess_confidence(table, 30.0, noise=0.01, time_limit_s=20.0).n_resamples,
        "explanation": lambda: len(explain(table, found, time_limit_s=20.0).tasks),
        "best": lambda: len(best_groupings(table, 30.0, 5, time_limit_s=20.0).groupings),
    }
    assert asked[question]() >= 1
    assert next(looks) < 250, "the clock, which a look puts forward by a second, is hardly looked at any more"


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 10_000), st.integers(-12, 12), st.booleans())
def test_any_power_of_ten_on_losses_or_on_costs_and_budget_gives_the_same_networks(
    seed: int, exponent: int, is_cost: bool
) -> None:
    table = large_table(seed, n_tasks=9, n_groups=40)
    budget, factor = 3.5, 10.0**exponent
    plain = solve(table, budget)
    if is_cost:
        other = solve(rescaled(table, table.validation, factor), budget * factor)
    else:
        other = solve(rescaled(table, factor * table.validation), budget)
    assert other.status is plain.status
    assert (plain.grouping is None) == (other.grouping is None)
    if plain.grouping is not None and other.grouping is not None:
        assert [n.group for n in other.grouping.networks] == [n.group for n in plain.grouping.networks]
