"""Clusterings of the tasks: what the methods find, what the baselines train, and what clustering costs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import SpectralClustering

from grouping.clustering import CLUSTERINGS, MAX_TASKS, compare_clusterings, percent
from grouping.domain.affinity import AffinityMatrix, pairwise_affinity
from grouping.domain.jobs import StopReason
from grouping.domain.networks import Candidates, Network, list_candidates
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trials import TrialRequest
from grouping.search import Search
from grouping.solver import solve
from grouping.strategies import get_strategy
from grouping.strategies.affinity_graph import communities
from grouping.strategies.partitions import merged, mutual_affinity, ordered, partition_within, repaired
from grouping.strategies.spectral import similarity, spectral_groups
from tests.tables import make_table, random_table

METHODS = tuple(CLUSTERINGS)
BLOCKS = (frozenset("ace"), frozenset("bdf"))
SIX = tuple("abcdef")


def cluster(method: str, mutual: FloatArray, n_groups: int) -> tuple[tuple[int, ...], ...]:
    return CLUSTERINGS[method][1](mutual, n_groups)


def loss_in_blocks(group: frozenset[str], task: str) -> float:
    """Tasks of the same block help, those of the other harm; no two losses are equal."""
    (block,) = (block for block in BLOCKS if task in block)
    others = group - {task}
    return 1.0 - 0.1 * len(others & block) + 0.15 * len(others - block) + 0.001 * SIX.index(task)


def block_table() -> ScoreTable:
    networks = list_candidates(SIX, max_group_size=6, single_sizes=(0.5,))
    losses = np.full((len(networks), 6), np.nan)
    for n, network in enumerate(networks):
        for t, task in enumerate(SIX):
            if task in network.group:
                losses[n, t] = loss_in_blocks(network.group, task) * network.size**-0.5
    return make_table(networks, tuple(map(Task, SIX)), losses)


def affinity_of(values: FloatArray) -> AffinityMatrix:
    matrix = np.array(values, dtype=np.float64)
    np.fill_diagonal(matrix, np.nan)
    names = tuple(f"t{i}" for i in range(len(matrix)))
    return AffinityMatrix(
        names, "pairwise", "", matrix, np.full_like(matrix, np.nan), np.ones(matrix.shape, dtype=np.int64)
    )


def random_mutual(seed: int, n_tasks: int) -> FloatArray:
    values = np.random.default_rng(seed).normal(size=(n_tasks, n_tasks))
    return mutual_affinity(affinity_of(values))


# --- methods


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_two_planted_blocks_at_budget_two(method: str) -> None:
    groups = partition_within(CLUSTERINGS[method][1], pairwise_affinity(block_table()), 2.0)
    assert groups is not None
    assert set(groups) == set(BLOCKS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_groups", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("n_tasks", [1, 2, 5, 8])
def test_a_clustering_is_a_partition_into_no_more_groups_than_asked_for(
    method: str, n_groups: int, n_tasks: int
) -> None:
    for seed in range(5):
        groups = cluster(method, random_mutual(seed, n_tasks), n_groups)
        assert sorted(task for group in groups for task in group) == list(range(n_tasks))
        assert 1 <= len(groups) <= n_groups
        assert groups == ordered(groups)


@pytest.mark.parametrize("method", METHODS)
def test_a_graph_without_any_effect_is_still_partitioned(method: str) -> None:
    nothing = affinity_of(np.full((5, 5), np.nan))
    for budget in (1.0, 2.0, 5.0):
        groups = partition_within(CLUSTERINGS[method][1], nothing, budget)
        assert groups is not None
        assert frozenset().union(*groups) == frozenset(nothing.tasks)
        assert len(groups) <= budget


@pytest.mark.parametrize("method", METHODS)
def test_tasks_that_only_harm_one_another_stay_alone_where_the_budget_allows(method: str) -> None:
    harm = affinity_of(np.full((4, 4), -0.1))
    groups = partition_within(CLUSTERINGS[method][1], harm, 4.0)
    assert groups == tuple(frozenset({task}) for task in harm.tasks)


def test_modularity_uses_fewer_networks_than_the_budget_holds_where_there_are_fewer_communities() -> None:
    matrix = pairwise_affinity(block_table())
    assert set(map(frozenset, communities(matrix))) == set(BLOCKS)
    groups = partition_within(CLUSTERINGS["modularity"][1], matrix, 5.0)
    assert groups is not None
    assert set(groups) == set(BLOCKS)


def matchings(tasks: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """Every way to pair some of the tasks."""
    if not tasks:
        return [[]]
    first, rest = tasks[0], tasks[1:]
    found = matchings(rest)
    for partner in rest:
        left = tuple(task for task in rest if task != partner)
        found += [[(first, partner), *others] for others in matchings(left)]
    return found


def test_the_matching_is_the_one_of_the_largest_sum() -> None:
    for seed in range(10):
        mutual = random_mutual(seed, 6)
        best = max(matchings(tuple(range(6))), key=lambda pairs: sum(mutual[a, b] for a, b in pairs))
        groups = cluster("matching", mutual, 6)
        assert {group for group in groups if len(group) == 2} == set(best)
        assert max(len(group) for group in groups) <= 2


def test_a_smaller_budget_merges_the_pairs_that_harm_least() -> None:
    mutual = np.zeros((6, 6))
    for a, b, value in ((0, 1, 0.5), (2, 3, 0.5), (4, 5, 0.5), (0, 2, 0.1), (1, 3, 0.1), (0, 4, -0.1)):
        mutual[a, b] = mutual[b, a] = value
    assert cluster("matching", mutual, 3) == ((0, 1), (2, 3), (4, 5))
    assert cluster("matching", mutual, 2) == ((0, 1, 2, 3), (4, 5))


def test_spectral_groups_are_those_of_scikit_learn() -> None:
    for seed in range(12):
        mutual = random_mutual(seed, 9)
        for k in (2, 3, 4):
            theirs: Any = SpectralClustering(
                k, affinity="precomputed", assign_labels="cluster_qr", random_state=0
            )  # type: ignore[no-untyped-call]
            labels = theirs.fit_predict(similarity(mutual))
            expected = ordered(np.flatnonzero(labels == label).tolist() for label in range(k))
            assert spectral_groups(mutual, k) == expected


def symmetric(n_tasks: int, rest: float, **values: float) -> FloatArray:
    """Mutual affinities; ``t12=0.5`` is that of tasks 1 and 2."""
    mutual = np.full((n_tasks, n_tasks), rest)
    for name, value in values.items():
        a, b = int(name[1]), int(name[2])
        mutual[a, b] = mutual[b, a] = value
    np.fill_diagonal(mutual, 0.0)
    return mutual


def test_a_task_that_harms_all_others_most_is_a_group_of_its_own() -> None:
    mutual = symmetric(5, -0.1, t01=0.5, t23=0.5, t02=0.1, t03=0.1, t12=0.1, t13=0.1)
    assert spectral_groups(mutual, 2) == ((0, 1, 2, 3), (4,))


def test_communities_follow_the_strength_of_help() -> None:
    assert cluster("modularity", symmetric(4, 0.01, t02=0.5, t13=0.5), 4) == ((0, 2), (1, 3))


def test_harm_is_no_similarity_and_indifference_a_weak_one() -> None:
    mutual = np.array([[0, 0.3, -0.2], [0.3, 0, 0.0], [-0.2, 0.0, 0]])
    assert similarity(mutual) == pytest.approx(np.array([[0, 0.5, 0], [0.5, 0, 0.2], [0, 0.2, 0]]))
    assert similarity(np.abs(mutual)) == pytest.approx(np.abs(mutual))


def test_an_effect_measured_one_way_stands_for_both_and_an_unknown_one_is_indifference() -> None:
    nan = np.nan
    mutual = mutual_affinity(affinity_of(np.array([[0, 0.4, nan], [0.2, 0, -0.1], [nan, nan, 0]])))
    assert mutual == pytest.approx(np.array([[0, 0.3, 0], [0.3, 0, -0.1], [0, -0.1, 0]]))


PRINT_GROUPS = """
from tests.unit.test_clustering import CLUSTERINGS, random_mutual
print([f(random_mutual(s, 9).round(1), k) for _, f in CLUSTERINGS.values() for s in range(6) for k in (2, 4)])
"""


def test_groups_do_not_depend_on_the_hashes_of_a_process() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", PRINT_GROUPS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert "(0," in found.pop()


# --- partitions


def test_groups_with_the_highest_mean_affinity_are_merged_first() -> None:
    mutual = np.array([[0, 0.1, 0.3], [0.1, 0, -0.4], [0.3, -0.4, 0]])
    assert merged(((0,), (1,), (2,)), mutual, 2) == ((0, 2), (1,))
    assert merged(((0,), (1,), (2,)), mutual, 1) == ((0, 1, 2),)


@pytest.mark.parametrize(("n_tasks", "n_groups", "largest"), [(6, 2, 3), (7, 3, 3), (9, 3, 3), (5, 5, 1)])
def test_groups_that_are_too_large_give_tasks_away(n_tasks: int, n_groups: int, largest: int) -> None:
    for seed in range(6):
        mutual = random_mutual(seed, n_tasks)
        start = (tuple(range(n_tasks)),)
        found = repaired(start, mutual, n_groups, lambda group: len(group) <= largest)
        assert found is not None
        assert len(found) <= n_groups
        assert all(len(group) <= largest for group in found)
        assert sorted(task for group in found for task in group) == list(range(n_tasks))


def test_the_task_that_belongs_least_is_given_away() -> None:
    mutual = np.zeros((4, 4))
    mutual[0, 1] = mutual[1, 0] = 0.5
    mutual[2, 3] = mutual[3, 2] = 0.1
    mutual[0, 2] = mutual[2, 0] = 0.05
    assert repaired(((0, 1, 2), (3,)), mutual, 2, lambda group: len(group) < 3) == ((0, 1), (2, 3))


def test_that_no_partition_is_allowed_is_found_out() -> None:
    assert repaired(((0, 1, 2),), np.zeros((3, 3)), 3, lambda _: False) is None


@pytest.mark.parametrize("method", METHODS)
def test_dear_networks_make_fewer_groups(method: str) -> None:
    matrix = pairwise_affinity(block_table())
    groups = partition_within(CLUSTERINGS[method][1], matrix, 2.0, cost_of=lambda group: 0.5 * len(group))
    assert groups is None, "every partition costs 3"
    groups = partition_within(CLUSTERINGS[method][1], matrix, 2.9, cost_of=lambda _: 1.4)
    assert groups is not None
    assert len(groups) == 2
    assert partition_within(CLUSTERINGS[method][1], matrix, 0.9) is None


# --- strategies


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


# --- what clustering costs


def test_on_planted_blocks_clustering_costs_nothing() -> None:
    table = block_table()
    found = compare_clusterings(table, pairwise_affinity(table), solve(table, 2.0))
    for outcome in found.outcomes:
        assert {network.group for network in outcome.networks} == set(BLOCKS)
        assert (outcome.missing, outcome.cost_snt) == ((), 2.0)
        assert outcome.difference == pytest.approx(0, abs=1e-12)
    assert "as good as the exact one" in found.sentence()


@pytest.mark.parametrize("seed", range(6))
def test_no_clustering_beats_the_exact_grouping_and_its_price_is_read_from_the_table(seed: int) -> None:
    table = random_table(seed, n_tasks=5, n_seeds=2)
    for budget in (1.0, 2.5, 4.0):
        exact = solve(table, budget)
        assert exact.loss is not None
        found = compare_clusterings(table, pairwise_affinity(table), exact)
        for outcome in found.outcomes:
            assert outcome.loss is not None
            assert outcome.cost_snt is not None
            assert outcome.difference is not None
            assert outcome.relative_difference is not None
            rows = [table.position(network) for network in outcome.networks]
            assert outcome.loss == pytest.approx(np.nansum(table.validation[rows]))
            assert outcome.cost_snt == len(outcome.networks) <= budget
            assert outcome.difference == pytest.approx(outcome.loss - exact.loss)
            assert outcome.difference >= -1e-12
            assert outcome.relative_difference * exact.loss == pytest.approx(outcome.difference)
        best = min(outcome.relative_difference or 0.0 for outcome in found.outcomes)
        if best > 1e-9:
            assert f"at least {percent(best)} more loss" in found.sentence()


def test_networks_that_were_not_measured_are_named() -> None:
    table = block_table()
    pairs = table.select([n for n, network in enumerate(table.networks) if len(network.group) <= 2])
    found = compare_clusterings(pairs, pairwise_affinity(pairs), solve(pairs, 4.0))
    outcomes = {outcome.method: outcome for outcome in found.outcomes}
    modularity, matching = outcomes["modularity"], outcomes["matching"]
    assert set(modularity.missing) == {Network(block) for block in BLOCKS}
    assert (modularity.cost_snt, modularity.loss, modularity.difference) == (2.0, None, None)
    assert (matching.missing, matching.cost_snt) == ((), 4.0)
    assert matching.loss is not None
    assert found.best is not None
    assert found.best.loss == matching.loss
    found = compare_clusterings(pairs, pairwise_affinity(pairs), solve(pairs, 4.5))
    assert found.sentence().endswith("the other methods propose has been measured.")
    assert found.sentence().startswith(("Spectral clustering alone", "Maximum-weight matching alone"))


def test_what_cannot_be_said_is_said() -> None:
    table = block_table()
    matrix = pairwise_affinity(table)
    assert "No grouping of the measured" in compare_clusterings(table, matrix, solve(table, 0.1)).sentence()
    halves = table.select([n for n, network in enumerate(table.networks) if network.size == 0.5])
    found = compare_clusterings(halves, pairwise_affinity(halves), solve(halves, 3.0))
    assert "has not been measured" in found.sentence()
    one = table.with_weights({"a": 2.0}).select([table.position(Network.of(*SIX, size=1.0))])
    assert "No grouping" in compare_clusterings(one, pairwise_affinity(one), solve(one, 0.5)).sentence()


def test_weights_count() -> None:
    table = random_table(3, n_tasks=4).with_weights({"task 0": 3.0})
    found = compare_clusterings(table, pairwise_affinity(table), solve(table, 1.0))
    row = table.position(Network.of(*table.task_names))
    for outcome in found.outcomes:
        assert outcome.loss == pytest.approx(table.validation[row] @ table.weights)


def test_measured_costs_count() -> None:
    names = ("a", "b", "c")
    networks = tuple(
        Network(frozenset(group), 1.0, 1.0 + 0.1 * len(group))
        for size in (1, 2, 3)
        for group in combinations(names, size)
    )
    losses = np.random.default_rng(5).uniform(0.1, 1, (len(networks), 3))
    table = make_table(networks, tuple(map(Task, names)), losses)
    exact = solve(table, 2.0)
    for outcome in compare_clusterings(table, pairwise_affinity(table), exact).outcomes:
        assert outcome.cost_snt == pytest.approx(1.3), "two networks cost 2.3 together"


def test_cheap_networks_make_more_groups() -> None:
    networks = tuple(Network(n.group, 1.0, 0.5) for n in list_candidates(SIX, max_group_size=6))
    table = make_table(networks, tuple(map(Task, SIX)), np.ones((len(networks), 6)))
    found = compare_clusterings(table, pairwise_affinity(table), solve(table, 2.0))
    groups = {outcome.method: len(outcome.networks) for outcome in found.outcomes}
    assert groups["spectral"] == 4


def test_losses_are_compared_on_the_seeds_that_all_networks_have() -> None:
    full = random_table(6, n_tasks=3, n_seeds=3)
    losses = np.array(full.validation_losses)
    losses[0, :, 2] = np.nan
    losses[1:, :, 2] *= 0.01  # an easy seed, which the first network does not have
    table = ScoreTable(full.tasks, full.networks, full.seeds, losses, full.test_losses)
    exact = solve(table, 1.0)
    for outcome in compare_clusterings(table, pairwise_affinity(table), exact).outcomes:
        row = table.position(Network.of(*table.task_names))
        assert outcome.loss == pytest.approx(losses[row, :, :2].mean(axis=1).sum())
        assert outcome.difference == pytest.approx(0, abs=1e-12)


def test_a_network_with_a_missing_loss_is_not_measured() -> None:
    full = random_table(6, n_tasks=3)
    losses = np.array(full.validation_losses)
    together = full.position(Network.of(*full.task_names))
    losses[together, 0] = np.nan
    table = ScoreTable(full.tasks, full.networks, full.seeds, losses, full.test_losses)
    for outcome in compare_clusterings(table, pairwise_affinity(table), solve(table, 1.0)).outcomes:
        assert outcome.missing == (full.networks[together],)


def test_a_table_of_too_many_tasks_is_not_clustered() -> None:
    names = tuple(f"t{i}" for i in range(MAX_TASKS + 1))
    table = make_table((Network.of(*names),), tuple(map(Task, names)), np.ones((1, len(names))))
    found = compare_clusterings(table, pairwise_affinity(table), solve(table, 1.0))
    assert found.outcomes == ()
    assert f"more than {MAX_TASKS} tasks" in found.sentence()


@pytest.mark.parametrize(
    ("share", "text"), [(0.0312, "3.1 %"), (0.0, "0.0 %"), (0.00042, "0.042 %"), (1.5, "150.0 %")]
)
def test_small_shares_keep_their_digits(share: float, text: str) -> None:
    assert percent(share) == text
