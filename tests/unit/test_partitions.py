"""Partitions made to fit: groups merged and repaired until an inference budget holds them."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.clustering import CLUSTERINGS
from grouping.domain.affinities.matrix import pairwise_affinity
from grouping.strategies.clustering.partitions import merged, partition_within, repaired
from tests.clusterings import METHODS, block_table, random_mutual


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
