"""Clusterings of the tasks: the groups that each method finds."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import SpectralClustering

from grouping.clustering import CLUSTERINGS
from grouping.domain.affinities.matrix import pairwise_affinity
from grouping.domain.tables.score_table import FloatArray
from grouping.strategies.affinity.graph import communities
from grouping.strategies.clustering.partitions import mutual_affinity, ordered, partition_within
from grouping.strategies.clustering.spectral import similarity, spectral_groups
from tests.clusterings import BLOCKS, METHODS, affinity_of, block_table, cluster, random_mutual


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
from grouping.clustering import CLUSTERINGS
from tests.clusterings import random_mutual
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
