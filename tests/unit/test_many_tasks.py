"""Tables of hundreds of tasks, of which a network has a few: what is kept, solved and shown."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.affinities.status import CellStatus
from grouping.domain.constraints import Constraints
from grouping.domain.groupings import SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.tables.cells import TableCells
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError
from grouping.formats import TableFormat, read_table, write_table
from grouping.plots.affinity_graph import strongest_effects
from grouping.solver import (
    assess_confidence,
    best_groupings,
    cheapest_cover,
    default_budgets,
    explain,
    solve,
    solve_curve,
)
from grouping.solver.curve import MOST_BUDGETS
from grouping.solver.exact.block_losses import BlockLosses
from grouping.solver.exact.cover import find_cover
from grouping.solver.exact.instance import build_instance
from grouping.strategies.affinity.graph import CLOSEST, MOST_JOINED, communities
from grouping_api.web.affinity_view import MOST_SHOWN, SHOWN_AT_FIRST, view_affinity
from grouping_api.web.scores_view import LOSS_OF, MOST_LOSSES, ScoresFields, view_scores

N_TASKS, N_NETWORKS = 300, 1_200
ARRAYS = ("membership", "validation", "test", "validation_losses", "test_losses")


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    """All single tasks and random groups of two to six, from the text of a long CSV."""
    generator = np.random.default_rng(1)
    groups = {frozenset({t}) for t in range(N_TASKS)}
    while len(groups) < N_NETWORKS:
        groups.add(frozenset(generator.choice(N_TASKS, generator.integers(2, 7), replace=False).tolist()))
    alone = generator.uniform(0.5, 1.0, N_TASKS)
    rows = ["network,task,validation_loss"]
    for group in sorted(groups, key=lambda group: (len(group), sorted(group))):
        label = "+".join(f"t{t:03d}" for t in sorted(group))
        for t in sorted(group):
            effect = 0.0 if len(group) == 1 else generator.normal(0.02, 0.1)
            rows.append(f"{label},t{t:03d},{alone[t] * (1.0 + effect):.6g}")
    return read_table("\n".join(rows).encode()).table


@pytest.fixture
def unspread(table: ScoreTable) -> ScoreTable:
    """The same, before anybody has read an array of all places."""
    fresh: ScoreTable = pickle.loads(pickle.dumps(table))
    assert fresh == table
    return fresh


def test_a_table_is_read_solved_explained_and_written_without_an_array_of_all_places(
    unspread: ScoreTable,
) -> None:
    table, budget = unspread, 200.0
    solution = solve(table, budget, time_limit_s=1.0)
    assert solution.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE)
    assert solution.loss is not None
    assert solution.bound is not None
    assert solution.bound <= solution.loss <= 1.05 * solution.bound
    told = explain(table, solution, time_limit_s=0.1)
    assert len(told.tasks) == N_TASKS
    ranked = best_groupings(table, budget, 3, time_limit_s=1.0)
    assert list(ranked.losses) == sorted(ranked.losses)
    again = read_table(write_table(table, TableFormat.LONG_CSV), format=TableFormat.LONG_CSV).table
    assert again == table
    assert not [name for name in ARRAYS if name in table.__dict__]


def test_draws_of_many_tasks_are_searched_and_that_is_said(table: ScoreTable) -> None:
    told = assess_confidence(table, 200.0, noise=0.01, n_resamples=3, time_limit_s=3.0)
    assert not told.is_exact
    assert any("solved by local search" in sentence for sentence in told.sentences())
    assert 1 <= told.n_resamples <= 3
    assert told.mean_regret >= 0.0


def test_a_curve_keeps_what_it_has_when_its_time_is_up(table: ScoreTable) -> None:
    curve = solve_curve(table, (200.0, 250.0, 300.0), time_limit_s=0.001, n_random=1)
    losses = [point.solution.loss for point in curve.points if point.solution.loss is not None]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)


def test_a_curve_has_few_budgets_however_many_the_tasks(table: ScoreTable) -> None:
    budgets = default_budgets(table)
    assert len(budgets) <= MOST_BUDGETS + 2
    assert budgets[-1] == N_TASKS
    assert list(budgets) == sorted(set(budgets))


def test_a_budget_that_no_networks_can_cover_is_known_to_be_too_small_at_once(table: ScoreTable) -> None:
    most = max(len(network.group) for network in table.networks)
    instance = build_instance(table, Constraints())
    too_few = np.array([N_TASKS / most - 1.0, np.inf])
    assert find_cover(instance, too_few, time_limit_s=0.0) == (None, True)
    found, _ = find_cover(instance, instance.limits, time_limit_s=0.0)
    assert found is not None  # by greedy choice, without any time
    assert np.isfinite(instance.losses[list(found)].min(axis=0)).all()
    assert cheapest_cover(table, time_limit_s=0.5) <= len(found)  # type: ignore[operator]


def test_losses_by_cell_are_those_of_the_array() -> None:
    generator = np.random.default_rng(0)
    whole = np.where(generator.random((40, 30)) < 0.1, generator.random((40, 30)), np.inf)
    losses = BlockLosses.of(whole)
    sparse = BlockLosses(losses.cells, losses.values)
    sparse.__dict__["whole"] = None  # as where the array would be large
    rows = np.array([7, 3, 3, 39])
    for kept in (losses, sparse):
        assert np.array_equal(kept[rows], whole[rows])
        assert np.array_equal(kept[5], whole[5])
        assert np.array_equal(kept[:], whole)
        assert np.array_equal(kept.at(rows, 4), whole[rows, 4])
        assert np.array_equal(kept.n_served, np.isfinite(whole).sum(axis=1))
        served, values = kept.served_from(4)
        assert np.array_equal(served, np.flatnonzero(np.isfinite(whole[:, 4])))
        assert np.array_equal(values, whole[served, 4])
        assert np.array_equal(kept.select(rows)[:], whole[rows])
        fewer = kept.where(kept.values < 0.5)
        assert np.array_equal(fewer[:], np.where(whole < 0.5, whole, np.inf))


def test_cells_are_spread_and_gathered() -> None:
    networks = (Network.of("b", "a"), Network.of("c"), Network.of("c", "a"))
    cells = TableCells.of(("a", "b", "c"), networks)
    assert list(zip(cells.rows.tolist(), cells.columns.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 2),
        (2, 0),
        (2, 2),
    ]
    values = np.arange(5.0)
    assert np.array_equal(cells.gather(cells.spread(values)), values)
    assert cells.places(np.array([0, 0, 2]), np.array([1, 2, 2])).tolist() == [1, -1, 4]
    assert cells.select(np.array([2, 0])).columns.tolist() == [0, 2, 0, 1]
    with pytest.raises(InvalidInputError, match="unknown tasks: c"):
        TableCells.of(("a", "b"), networks)


def test_a_loss_outside_the_group_is_refused() -> None:
    losses = np.array([[[0.5], [0.5]]])
    with pytest.raises(InvalidInputError, match="outside the network's group"):
        ScoreTable.from_arrays((Task("a"), Task("b")), (Network.of("a"),), (0,), losses)


def test_of_very_many_tasks_a_matrix_shows_the_strongest_or_those_that_are_named() -> None:
    n = MOST_SHOWN + 40
    values = np.random.default_rng(0).normal(0.0, 0.01, (n, n))
    values[n - 1, n - 2] = 0.9
    np.fill_diagonal(values, np.nan)
    names = tuple(f"t{i:03d}" for i in range(n))
    matrix = AffinityMatrix(
        names, "pairwise", "", values, np.full((n, n), np.nan), np.ones((n, n), dtype=int)
    )
    view = view_affinity(matrix, "input")
    assert len(view.tasks) == SHOWN_AT_FIRST
    assert {names[n - 1], names[n - 2]} <= set(view.tasks)
    assert view.whole is matrix
    assert view_affinity(matrix, "input", "T00 t099").tasks == (*names[:10], names[99])


@pytest.mark.parametrize("seed", range(6))
def test_the_strongest_effects_are_those_of_the_list_of_all(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = np.round(generator.normal(0.0, 1.0, (12, 12)), 1)  # so that some are the same
    values[generator.random((12, 12)) < 0.2] = np.nan
    np.fill_diagonal(values, np.nan)
    matrix = AffinityMatrix(
        tuple(f"t{i}" for i in range(12)),
        "pairwise",
        "",
        values,
        np.where(generator.random((12, 12)) < 0.3, 1.0, 0.01),
        np.ones((12, 12), dtype=int),
    )
    listed = matrix.effects()
    clear = [effect for effect in listed if not effect.is_within_noise]
    assert matrix.ends() == (listed[0], listed[-1])
    assert matrix.ends(~matrix.is_within_noise) == (clear[0], clear[-1])
    assert matrix.ends(np.zeros((12, 12), dtype=bool)) is None
    drawn = sorted(
        (effect for effect in clear if effect.value),
        key=lambda effect: (-abs(effect.value), effect.source, effect.target),
    )
    for most in (0, 1, 7, 200):
        assert strongest_effects(matrix, most) == tuple(drawn[:most])
    assert sum(matrix.counts().values()) == 12 * 11
    assert matrix.counts()[CellStatus.MEASURED] == len(listed)


def test_communities_of_very_many_tasks_are_found_in_the_graph_of_the_closest() -> None:
    n, generator = 3 * CLOSEST + MOST_JOINED, np.random.default_rng(0)
    block = np.arange(n) % 4
    values = generator.normal(0.02, 0.01, (n, n)) + 0.2 * (block[:, None] == block[None, :])
    np.fill_diagonal(values, np.nan)
    names = tuple(f"t{i:03d}" for i in range(n))
    matrix = AffinityMatrix(
        names, "pairwise", "", values, np.full((n, n), np.nan), np.ones((n, n), dtype=int)
    )
    found = communities(matrix)
    assert sorted(task for group in found for task in group) == list(names)
    assert all(len({block[names.index(task)] for task in group}) == 1 for group in found)


def test_of_a_wide_network_the_losses_that_tell_most_are_shown() -> None:
    names = [f"t{t:03d}" for t in range(MOST_LOSSES + 40)]
    losses = np.full((len(names) + 1, len(names)), np.nan)
    np.fill_diagonal(losses, 1.0)
    losses[-1] = 1.0 + 0.001 * np.arange(len(names))
    networks = [*(Network.of(name) for name in names), Network.of(*names)]
    table = ScoreTable.from_arrays(tuple(map(Task, names)), networks, (0,), losses[:, :, None])
    fields = ScoresFields(sort="tasks", down="yes")
    wide = view_scores(table, fields).rows[0]
    assert [loss.task for loss in wide.known] == names[-MOST_LOSSES:]
    assert wide.n_more == 40
    named = view_scores(table, fields.model_copy(update={"q": "t007"}))
    assert [loss.task for loss in named.rows[0].known] == ["t007", *names[1 - MOST_LOSSES :]]
    assert LOSS_OF + "t007" in named.orders
    assert len(named.orders) < len(names)
