"""Clustering as a strategy: what the baselines train."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grouping.domain.jobs.job import StopReason
from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.trainings.trials import TrialRequest
from grouping.search import Search
from grouping.strategies import get_strategy
from tests.clusterings import BLOCKS, METHODS, block_table
from tests.tables import random_table


def run(
    method: str,
    table: ScoreTable,
    budgets: tuple[float, ...],
    *,
    candidates: Candidates | None = None,
    diverges: Callable[[Network], bool] = lambda _: False,
) -> tuple[Search, list[tuple[TrialRequest, ...]]]:
    """Ask and tell until the strategy stops, with the table as an oracle."""
    space = candidates or Candidates.of(table.task_names, single_sizes=(0.5,))
    search = Search(get_strategy(method), table.tasks, space, budgets_snt=budgets)
    rounds = []
    while requests := search.ask():
        rounds.append(requests)
        for request in requests:
            losses = None
            if not diverges(request.network):
                row = table.position(request.network)
                losses = {
                    task: float(table.validation[row, t])
                    for t, task in enumerate(table.task_names)
                    if task in request.network.group
                }
            search.tell(request, losses)
    assert search.stop_reason is StopReason.SEARCH_COMPLETE
    return search, rounds


@pytest.mark.parametrize("method", METHODS)
def test_a_baseline_trains_singles_and_pairs_and_then_the_groups_of_its_partition(method: str) -> None:
    search, (first, second) = run(method, block_table(), (2.0,))
    sizes = [(len(request.network.group), request.network.size) for request in first]
    assert sorted(sizes) == [(1, 0.5)] * 6 + [(1, 1.0)] * 6 + [(2, 1.0)] * 15
    assert {request.network.group for request in second} == set(BLOCKS)
    grouping = search.recommend(2.0).require_grouping()
    assert {network.group for network in grouping.networks} == set(BLOCKS)
    assert "Within 2 SNT: a+c+e, b+d+f." in search.note
    assert set(search.estimate().table.networks) == set(search.scores().networks)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_budget_gets_networks_that_fit_it(method: str, seed: int) -> None:
    budgets = (1.0, 1.5, 2.0, 3.0)
    search, _ = run(method, random_table(seed, n_tasks=5), budgets)
    for budget in budgets:
        assert search.recommend(budget).require_grouping().cost_snt <= budget


@pytest.mark.parametrize("method", METHODS)
def test_groups_are_no_larger_than_the_candidates(method: str) -> None:
    table = random_table(4, n_tasks=7)
    for limit in (10_000, 1):
        space = Candidates.of(table.task_names, max_group_size=3, limit=limit)
        search, rounds = run(method, table, (3.0, 4.0), candidates=space)
        trained = {request.network for batch in rounds for request in batch}
        assert max(len(network.group) for network in trained) == 3
        assert search.recommend(3.0).grouping is not None


@pytest.mark.parametrize("method", METHODS)
def test_tasks_of_a_group_that_diverges_go_elsewhere(method: str) -> None:
    def diverges(network: Network) -> bool:
        return network.group in (BLOCKS[0], frozenset("ab"), frozenset("d"))

    search, rounds = run(method, block_table(), (2.0,), diverges=diverges)
    assert len(rounds) >= 3
    grouping = search.recommend(2.0).require_grouping()
    assert grouping.cost_snt == 2
    assert not any(diverges(network) for network in grouping.networks)


@pytest.mark.parametrize("method", METHODS)
def test_a_search_ends_when_nothing_can_be_trained(method: str) -> None:
    search, rounds = run(method, block_table(), (2.0,), diverges=lambda _: True)
    assert search.recommend(2.0).grouping is None
    trained = [request.network for batch in rounds for request in batch]
    assert len(trained) == len(set(trained))


@pytest.mark.parametrize("method", METHODS)
def test_one_task_is_trained_alone(method: str) -> None:
    search, (only,) = run(method, random_table(1, n_tasks=1), (0.5, 1.0))
    assert [request.network.size for request in only] == [1.0, 0.5]
    assert search.recommend(0.5).require_grouping().cost_snt == 0.5
    assert "Within 0.5 SNT: no partition into full-size networks." in search.note


@pytest.mark.parametrize("method", METHODS)
def test_the_same_evidence_gives_the_same_trials(method: str) -> None:
    table = random_table(9, n_tasks=6)
    first, again = (run(method, table, (1.0, 2.0, 3.0))[1] for _ in range(2))
    assert first == again
