"""Solved draws and explanations against lists of every set of networks, on random tables and demands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints, Objective
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.solver import assess_confidence, explain, solve
from grouping.solver.confidence import draw_programme, draw_solver
from grouping.solver.exact.instance import build_instance, by_block
from tests.effort import examples
from tests.property.test_constraint_laws import BUDGETS, demands, tables
from tests.tables import every_grouping


def _with_losses(table: ScoreTable, losses: FloatArray) -> ScoreTable:
    """The table with other mean losses, ``[N, T]``."""
    cube = np.where(table.membership, losses, np.nan)[:, :, None]
    return table.with_arrays(cube, cube)


@settings(max_examples=examples(300), deadline=None)
@given(st.data(), tables(), BUDGETS, st.booleans())
def test_the_optimum_of_every_draw_is_that_of_the_drawn_table(
    data: st.DataObject, table: ScoreTable, budget: float, is_one_by_one: bool
) -> None:
    constraints = replace(data.draw(demands(table)), ceilings={}, ceilings_alone={})
    instance = build_instance(table, constraints)
    noise = np.random.default_rng(0).normal(1.0, 0.3, (4, *table.validation.shape))
    losses = np.nan_to_num(table.validation) * noise
    drawn_cells = losses[:, table.cells.rows, table.cells.columns]
    with pytest.MonkeyPatch.context() as patch:
        if is_one_by_one:
            patch.setattr(draw_programme, "MAX_BLOCKS", 0)
        solved = draw_solver.solve_draws(
            instance, instance.limits_for(budget), by_block(table, constraints, instance, drawn_cells)
        )
    for drawn, value, chosen in zip(losses, solved.values, solved.chosen, strict=True):
        expected = every_grouping(_with_losses(table, drawn), budget, constraints)
        if not expected:
            assert (value, chosen) == (np.inf, ())
            continue
        assert value == pytest.approx(expected[0][0], rel=1e-9)
        rows = {int(instance.rows[n]) for n in chosen}
        assert any(needed <= rows for loss, needed in expected if loss <= value * (1 + 1e-9))
        assert (instance.costs[list(chosen)].sum(axis=0) <= instance.limits_for(budget)).all()


@settings(max_examples=examples(100), deadline=None)
@given(st.data(), tables(), BUDGETS, st.sampled_from(Objective))
def test_without_noise_nothing_is_in_doubt(
    data: st.DataObject, table: ScoreTable, budget: float, objective: Objective
) -> None:
    constraints = data.draw(demands(table))
    assume(every_grouping(table, budget, constraints))
    sure = assess_confidence(
        table, budget, constraints=constraints, objective=objective, noise=0.0, n_resamples=3
    )
    assert (sure.frequency_unchanged, sure.frequency_optimal, sure.frequency_within_tolerance) == (1, 1, 1)
    assert (sure.mean_regret, sure.regret_95) == (0.0, 0.0)
    assert not sure.alternatives
    assert not sure.doubt
    assert sure.loss_interval == pytest.approx((sure.solution.loss, sure.solution.loss))
    assert not sure.ceilings_broken


@settings(max_examples=examples(100), deadline=None)
@given(st.data(), tables(), BUDGETS)
def test_every_alternative_meets_the_demands_and_frequencies_add_up(
    data: st.DataObject, table: ScoreTable, budget: float
) -> None:
    constraints = data.draw(demands(table))
    allowed = {rows: loss for loss, rows in every_grouping(table, budget, constraints)}
    assume(allowed)
    doubtful = assess_confidence(table, budget, constraints=constraints, noise=0.3, n_resamples=40)
    everything = every_grouping(table, budget, replace(constraints, ceilings={}, ceilings_alone={}))
    possible = {rows for _, rows in everything}
    for alternative in doubtful.alternatives:
        rows = frozenset(table.position(network) for network in alternative.grouping.networks)
        assert rows in allowed or rows not in possible  # minimal on the draw, if not on the means
        assert alternative.loss_difference >= -1e-9
        assert alternative.margin > 0
    assert doubtful.frequency_optimal + sum(a.frequency for a in doubtful.alternatives) <= 1 + 1e-9
    assert doubtful.frequency_unchanged <= doubtful.frequency_optimal
    assert doubtful.frequency_unchanged <= doubtful.frequency_within_tolerance
    assert max(doubtful.server_changes.values()) <= 1 - doubtful.frequency_unchanged + 1e-9
    assert doubtful.regret_95_part is not None
    is_mostly_within = doubtful.frequency_within_tolerance >= 0.95
    assert is_mostly_within == (doubtful.regret_95_part <= doubtful.tolerance)
    assert (doubtful.mean_regret == 0) == (doubtful.frequency_unchanged == 1)
    assert all(trial.value <= doubtful.mean_regret * 1.01 for trial in doubtful.doubt)
    assert all(trial.value > 0 for trial in doubtful.doubt)


def _least(table: ScoreTable, budget: float, constraints: Constraints, objective: Objective) -> float | None:
    found = every_grouping(table, budget, constraints, objective)
    return found[0][0] if found else None


def _merged(parts: list[Constraints]) -> Constraints:
    merged = Constraints()
    for part in parts:
        merged = merged.merge(part)
    return merged


@settings(max_examples=examples(200), deadline=None)
@given(st.data(), tables(), BUDGETS, st.sampled_from(Objective))
def test_what_would_change_is_what_solving_everything_again_gives(
    data: st.DataObject, table: ScoreTable, budget: float, objective: Objective
) -> None:
    constraints = data.draw(demands(table))
    loss = _least(table, budget, constraints, objective)
    assume(loss is not None)
    assert loss is not None
    solution = solve(table, budget, constraints=constraints, objective=objective)
    explained = explain(table, solution, constraints=constraints, objective=objective, time_limit_s=60.0)
    assert not explained.skipped
    for other in (explained.half_more, explained.half_less):
        assert other is not None
        expected = _least(table, other.budget_snt, constraints, objective) if other.budget_snt > 0 else None
        assert (other.difference is None) == (expected is None)
        if expected is not None:
            assert other.difference == pytest.approx(expected - loss, abs=1e-8 * max(1.0, loss))
    improvements = {one.demand: one.improvement for one in explained.binding}
    parts = list(constraints.split())
    for left_out in parts:
        rest = _merged([part for part in parts if part is not left_out])
        expected = _least(table, budget, rest, objective)
        assert expected is not None
        told = improvements.get(next(left_out.sentences()), 0.0)
        assert told == pytest.approx(loss - expected, abs=1e-8 * max(1.0, loss))
    unlimited = _least(table, 1e6, constraints, objective)
    assert unlimited is not None
    told = improvements.get(f"the inference budget is {budget:.12g} SNT", 0.0)
    assert told == pytest.approx(loss - unlimited, abs=1e-8 * max(1.0, loss))


@settings(max_examples=examples(200), deadline=None)
@given(st.data(), tables(), BUDGETS)
def test_a_network_of_its_own_costs_what_solving_everything_again_gives(
    data: st.DataObject, table: ScoreTable, budget: float
) -> None:
    constraints = data.draw(demands(table))
    loss = _least(table, budget, constraints, Objective.SUM)
    assume(loss is not None)
    assert loss is not None
    solution = solve(table, budget, constraints=constraints)
    explained = explain(table, solution, constraints=constraints, time_limit_s=60.0)
    for t, one in enumerate(explained.tasks):
        is_own = np.array([network.group == frozenset({one.task}) for network in table.networks])
        # So poor elsewhere that a total without its own network is told at once.
        losses = table.validation.copy()
        losses[~is_own, t] = np.where(table.membership[~is_own, t], 1e7, np.nan)
        expected = _least(_with_losses(table, losses), budget, constraints, Objective.SUM)
        assert one.own_network is not None
        if expected is None or expected > 1e6:
            assert one.own_network.difference is None
        else:
            assert one.own_network.difference == pytest.approx(expected - loss, abs=1e-7 * max(1.0, loss))
            assert one.own_network.network is not None
            assert one.own_network.network.group == frozenset({one.task})
