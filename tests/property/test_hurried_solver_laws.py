"""Laws of a solver without time: what it claims of its answer holds all the same."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.groupings import Solution, SolutionStatus
from grouping.domain.networks import list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.solver.exact.table_solver import TableSolver
from tests.tables import make_table

NAMES = tuple("abcdefgh")
NETWORKS = list_candidates(NAMES, max_group_size=4, single_sizes=(0.5,))
BUDGETS = (2.0, 3.0, 4.0)
SEEDS = range(12)


def table_of(seed: int) -> ScoreTable:
    """Losses without structure and far from 0, so that bounds are loose and their offset counts."""
    generator = np.random.default_rng(seed)
    losses = generator.uniform(3.0, 4.0, (len(NETWORKS), len(NAMES)))
    return make_table(NETWORKS, tuple(map(Task, NAMES)), losses)


def hurried(table: ScoreTable, budget: float) -> tuple[TableSolver[ScoreTable], Solution]:
    """An answer in no time, from what was found for a smaller budget."""
    solver = TableSolver(table)
    solver.solve(1.0)
    return solver, solver.solve(budget, time_limit_s=0.0)


@pytest.mark.parametrize("budget", BUDGETS)
def test_without_time_the_bound_is_below_the_optimum_and_nothing_is_proven_that_is_not_so(
    budget: float,
) -> None:
    statuses = set()
    for seed in SEEDS:
        table = table_of(seed)
        _, found = hurried(table, budget)
        best = TableSolver(table).solve(budget)
        assert best.loss is not None
        assert found.loss is not None
        assert found.bound is not None
        assert found.bound <= best.loss + 1e-9
        assert found.bound <= found.loss
        assert found.bound > 0.5 * found.loss, (
            "every loss is above 3: a bound without their least says nothing"
        )
        assert found.status is not SolutionStatus.OPTIMAL or found.loss == pytest.approx(best.loss)
        statuses.add(found.status)
    assert SolutionStatus.FEASIBLE in statuses, "some of these tables need time"


@pytest.mark.parametrize("budget", BUDGETS)
def test_without_time_the_best_k_are_not_proven_unless_they_are(budget: float) -> None:
    proofs = set()
    for seed in SEEDS:
        table = table_of(seed)
        solver, _ = hurried(table, budget)
        found = solver.rank(budget, 3, time_limit_s=0.0)
        best = TableSolver(table).rank(budget, 3)
        assert not found.is_proven or found.losses == pytest.approx(best.losses)
        proofs.add(found.is_proven)
    assert False in proofs, "some of these tables need time"
