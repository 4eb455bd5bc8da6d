"""Laws of ties: which of the groupings of equal loss is recommended, and whether there are more than told."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints
from grouping.domain.networks import list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import solve
from tests.effort import examples
from tests.tables import every_grouping, make_table

NAMES = ("a", "b", "c")
NETWORKS = list_candidates(NAMES, max_group_size=3, single_sizes=(0.5,))
LOSSES = st.lists(st.sampled_from([0.25, 0.5]), min_size=3 * len(NETWORKS), max_size=3 * len(NETWORKS))
BUDGETS = st.sampled_from([1.5, 2.0, 3.0])


def table_of(losses: list[float]) -> ScoreTable:
    """Three tasks in ten networks, with few different losses, so that most optima are tied."""
    return make_table(NETWORKS, tuple(map(Task, NAMES)), np.reshape(losses, (len(NETWORKS), 3)))


def tied_groupings(table: ScoreTable, budget: float) -> list[frozenset[int]]:
    """Rows of every grouping of the least loss."""
    found = every_grouping(table, budget, Constraints())
    return [rows for loss, rows in found if loss <= found[0][0] + 1e-6]


@settings(max_examples=examples(60))
@given(LOSSES, BUDGETS)
def test_of_equal_losses_the_cheapest_grouping_is_recommended_then_that_of_fewest_networks(
    losses: list[float], budget: float
) -> None:
    table = table_of(losses)
    tied = tied_groupings(table, budget)
    chosen = solve(table, budget, max_ties=100).require_grouping()
    costs = [(round(sum(NETWORKS[n].cost_snt for n in rows), 9), len(rows)) for rows in tied]
    assert (round(chosen.cost_snt, 9), len(chosen.networks)) == min(costs)


@settings(max_examples=examples(60))
@given(LOSSES, BUDGETS, st.integers(1, 4))
def test_ties_beyond_those_that_are_told_are_owned_up_to(
    losses: list[float], budget: float, max_ties: int
) -> None:
    table = table_of(losses)
    tied = tied_groupings(table, budget)
    assume(len(tied) > 1)
    solution = solve(table, budget, max_ties=max_ties)
    assert solution.grouping is not None
    told = {grouping.networks for grouping in (solution.grouping, *solution.ties)}
    assert len(told) == 1 + len(solution.ties) <= max_ties
    assert solution.has_more_ties == (len(tied) > len(told))
