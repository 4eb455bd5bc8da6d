"""Groups that are generated against groups that are listed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints
from grouping.domain.costs import fits
from grouping.domain.groupings import SolutionStatus
from grouping.domain.networks import Network, list_candidates
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError, SolverError
from grouping.solver import PairwiseEstimate, solve, solve_pairwise
from grouping.solver.pairwise.group_search import GroupSearch
from grouping.strategies.paper.hoa import predict_higher_orders
from tests.effort import examples
from tests.tables import make_table


@st.composite
def estimates(draw: st.DrawFn, most: int = 7) -> tuple[ScoreTable, PairwiseEstimate]:
    """A table of singles at two sizes and pairs, with the estimate it gives."""
    names = [f"t{i}" for i in range(draw(st.integers(2, most)))]
    networks = list_candidates(names, max_group_size=2, single_sizes=(0.5,))
    seed = draw(st.integers(0, 10_000))
    spread = draw(st.sampled_from([0.01, 0.3]))
    losses = 1 + np.random.default_rng(seed).normal(0, spread, (len(networks), len(names)))
    tasks = tuple(Task(name, weight=draw(st.sampled_from([1.0, 2.0]))) for name in names)
    table = make_table(networks, tasks, losses)
    return table, PairwiseEstimate.from_table(table)


def all_groups_listed(table: ScoreTable) -> LossTable:
    names = table.task_names
    return predict_higher_orders(
        table, list_candidates(names, max_group_size=len(names), single_sizes=(0.5,))
    )


@settings(max_examples=examples(150), deadline=None)
@given(estimates(), st.sampled_from([1.0, 1.5, 2.0, 3.0, 4.5]), st.sampled_from([None, 2, 3]))
def test_generated_groups_give_the_grouping_of_listed_ones(
    made: tuple[ScoreTable, PairwiseEstimate], budget: float, max_group_size: int | None
) -> None:
    table, estimate = made
    constraints = Constraints(max_group_size=max_group_size)
    expected = solve(all_groups_listed(table), budget, constraints=constraints)
    solution = solve_pairwise(estimate, budget, constraints=constraints)
    assert solution.status is expected.status
    if expected.loss is not None:
        assert solution.loss == pytest.approx(expected.loss, rel=1e-9)
        assert fits(solution.cost_snt or 99.0, budget)


@settings(max_examples=examples(60), deadline=None)
@given(estimates(), st.sampled_from([1.0, 2.0]), st.integers(2, 4))
def test_small_groups_that_no_pair_leads_to_are_found_or_shown_not_to_do(
    made: tuple[ScoreTable, PairwiseEstimate], budget: float, max_group_size: int
) -> None:
    table, estimate = made
    groups_only = PairwiseEstimate(estimate.tasks, (), estimate.pairs, estimate.weights)
    constraints = Constraints(max_group_size=max_group_size)
    listed = all_groups_listed(table)
    several = [n for n, network in enumerate(listed.networks) if len(network.group) > 1]
    expected = solve(listed.select(several), budget, constraints=constraints)
    solution = solve_pairwise(groups_only, budget, constraints=constraints)
    assert solution.status is expected.status
    assert solution.loss == (None if expected.loss is None else pytest.approx(expected.loss, rel=1e-9))


@settings(max_examples=examples(40), deadline=None)
@given(estimates(), st.sampled_from([2.0, 3.0]), st.data())
def test_tasks_held_apart_share_no_group(
    made: tuple[ScoreTable, PairwiseEstimate], budget: float, data: st.DataObject
) -> None:
    table, estimate = made
    pair = frozenset(data.draw(st.permutations(table.task_names))[:2])
    constraints = Constraints(apart=(pair,), max_networks=data.draw(st.sampled_from([None, 2, 3])))
    expected = solve(all_groups_listed(table), budget, constraints=constraints)
    solution = solve_pairwise(estimate, budget, constraints=constraints)
    assert solution.loss == (None if expected.loss is None else pytest.approx(expected.loss, rel=1e-9))


@settings(max_examples=examples(30), deadline=None)
@given(estimates(), st.sampled_from([2.0, 3.0]))
def test_a_bound_given_up_early_is_still_below_the_optimum(
    made: tuple[ScoreTable, PairwiseEstimate], budget: float
) -> None:
    table, estimate = made
    expected = solve(all_groups_listed(table), budget)
    solution = solve_pairwise(estimate, budget, time_limit_s=0.0)
    assert solution.loss is not None
    assert solution.bound is not None
    assert expected.loss is not None
    assert solution.bound <= expected.loss * (1 + 1e-9)
    assert solution.loss >= expected.loss * (1 - 1e-9)


def test_what_was_not_found_in_time_is_not_called_infeasible() -> None:
    names = tuple(f"t{i}" for i in range(16))
    pairs = 1 + np.random.default_rng(0).normal(0, 0.1, (16, 16))
    estimate = PairwiseEstimate(names, (), pairs, np.ones(16))
    constraints = Constraints(max_group_size=8)
    assert solve_pairwise(estimate, 2.0, constraints=constraints).status is SolutionStatus.OPTIMAL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GroupSearch, "improve", lambda self, members, duals, rounds=4: members)
        with pytest.raises(SolverError, match="within the time limit"):
            solve_pairwise(estimate, 2.0, constraints=constraints, time_limit_s=0.0)


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(3, 12), st.integers(0, 10_000), st.sampled_from([None, 4]), st.integers(1, 60))
def test_the_search_finds_every_group_above_the_threshold(
    n_tasks: int, seed: int, max_size: int | None, n_wanted: int
) -> None:
    generator = np.random.default_rng(seed)
    pairs, duals = generator.uniform(0, 1, (n_tasks, n_tasks)), generator.uniform(0.2, 1, n_tasks)
    search = GroupSearch(pairs, max_size)
    masks = np.arange(1, 1 << n_tasks)
    members = ((masks[:, None] >> np.arange(n_tasks)) & 1) > 0
    members = members[search.is_allowed(members)]
    values = search.values(members, duals)
    threshold = float(np.sort(values)[-min(n_wanted, len(values))]) - 1e-9
    found = search.above(threshold, duals)
    assert found.is_complete
    assert np.allclose(found.values, np.sort(values[values > threshold])[::-1])
    narrow = search.above(threshold, duals, max_states=3)
    assert narrow.bound >= values.max() - 1e-9, "what was let go counts in the bound"


def test_twenty_tasks_are_proven() -> None:
    generator = np.random.default_rng(3)
    names = tuple(f"t{i}" for i in range(20))
    singles = tuple((Network.of(name), 1.0) for name in names)
    estimate = PairwiseEstimate(names, singles, 1 + generator.normal(0, 0.1, (20, 20)), np.ones(20))
    solution = solve_pairwise(estimate, 4.0)
    assert solution.status is SolutionStatus.OPTIMAL
    assert solution.gap == 0


def test_what_needs_listed_candidates_is_refused() -> None:
    estimate = PairwiseEstimate(("a", "b"), ((Network.of("a"), 1.0),), np.ones((2, 2)), np.ones(2))
    with pytest.raises(InvalidInputError, match="every task is trained in one network only"):
        solve_pairwise(estimate, 2.0, constraints=Constraints(is_partition=True))
    with pytest.raises(InvalidInputError, match="2 to"):
        PairwiseEstimate(("a",), (), np.ones((1, 1)), np.ones(1))
