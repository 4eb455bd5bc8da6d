"""Laws of groups that are not listed, of more tasks than can be proven."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints
from grouping.domain.costs import fits
from grouping.domain.groupings import SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import InvalidInputError, SolverError
from grouping.solver import PairwiseEstimate, solve, solve_pairwise
from grouping.solver.pairwise import unlisted_groups
from tests.effort import examples
from tests.property.test_pairwise_laws import all_groups_listed, estimates


@pytest.fixture
def way_of_many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few tasks are solved as if they were too many for a proof."""
    monkeypatch.setattr(unlisted_groups, "MAX_PROVEN_TASKS", 0)


@pytest.mark.usefixtures("way_of_many_tasks")
@settings(
    max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    estimates(),
    st.sampled_from([1.0, 1.5, 2.0, 3.0, 4.5]),
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([None, 1, 2, 3]),
)
def test_the_bound_is_below_the_optimum_and_the_grouping_meets_every_demand(
    made: tuple[ScoreTable, PairwiseEstimate], budget: float, largest: int | None, most: int | None
) -> None:
    table, estimate = made
    constraints = Constraints(max_group_size=largest, max_networks=most)
    expected = solve(all_groups_listed(table), budget, constraints=constraints)
    if expected.loss is None:
        try:
            found = solve_pairwise(estimate, budget, constraints=constraints)
        except SolverError:
            return  # neither found nor shown not to be there
        assert found.status is SolutionStatus.INFEASIBLE
        return
    solution = solve_pairwise(estimate, budget, constraints=constraints)
    assert solution.grouping is not None
    assert solution.loss is not None
    assert solution.bound is not None
    assert solution.bound <= expected.loss * (1 + 1e-9)
    assert expected.loss * (1 - 1e-9) <= solution.loss <= expected.loss * 1.25
    assert fits(solution.cost_snt or 99.0, budget)
    assert len(solution.grouping.networks) <= (most or 99)
    assert all(len(network.group) <= (largest or 99) for network in solution.grouping.networks)


def planted(n_tasks: int) -> PairwiseEstimate:
    """Tasks of clusters of ten help each other and harm all others."""
    names = tuple(f"t{i:03d}" for i in range(n_tasks))
    cluster = np.random.default_rng(1).permutation(n_tasks) // 10
    pairs = np.where(cluster[:, None] == cluster[None, :], 0.8, 1.2)
    singles = tuple((Network.of(name), 1.0) for name in names)
    return PairwiseEstimate(names, singles, pairs, np.ones(n_tasks))


def test_clusters_of_a_hundred_tasks_are_found_and_the_bound_says_how_good_they_are() -> None:
    estimate = planted(100)
    solution = solve_pairwise(estimate, 10.0, time_limit_s=60.0)
    assert solution.loss == pytest.approx(80.0)
    assert solution.status is SolutionStatus.OPTIMAL, "the bound meets it"
    fewer = solve_pairwise(estimate, 5.0, time_limit_s=60.0)
    assert fewer.loss is not None
    assert fewer.loss > 80.0


def test_without_time_many_tasks_have_an_answer_within_their_demands() -> None:
    estimate = planted(100)
    apart = frozenset(estimate.tasks[:4])
    solution = solve_pairwise(
        estimate, 12.0, constraints=Constraints(apart=(apart,), max_group_size=12), time_limit_s=0.0
    )
    assert solution.grouping is not None
    assert all(len(network.group & apart) <= 1 for network in solution.grouping.networks)
    assert all(len(network.group) <= 12 for network in solution.grouping.networks)


def test_more_tasks_than_a_table_may_have_are_refused() -> None:
    names = tuple(f"t{i}" for i in range(1_001))
    with pytest.raises(InvalidInputError, match=r"2 to 1,000 tasks; got 1,001\. Leave tasks out"):
        PairwiseEstimate(names, (), np.ones((1_001, 1_001)), np.ones(1_001))
