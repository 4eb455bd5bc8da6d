"""Groupings under a draw: a move changes what it is said to change, and limits hold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from grouping.strategies.adaptive.drawn_groupings import DrawnLosses, best_groups, helped, merged, moved


def drawn_losses(n_tasks: int, power: float, *, largest: int | None = None, seed: int = 0) -> DrawnLosses:
    generator = np.random.default_rng(seed)
    own = generator.uniform(0.5, 1.5, n_tasks)[:, None] + 0.01 * np.arange(n_tasks)
    effects = generator.normal(0, 0.1, (n_tasks, n_tasks))
    np.fill_diagonal(effects, 0.0)
    return DrawnLosses(own, effects, power, largest or n_tasks)


def total(drawn: DrawnLosses, labels: np.ndarray) -> float:
    """Loss of a partition, written out."""
    loss = 0.0
    for label in set(labels.tolist()):
        group = np.flatnonzero(labels == label)
        k = len(group) - 1
        for t in group:
            loss += drawn.own[t, k] + max(k, 1) ** -drawn.power * sum(drawn.effects[t, u] for u in group)
    return float(loss)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_no_move_of_one_task_improves_what_is_returned(power: float) -> None:
    drawn = drawn_losses(12, power)
    start = np.arange(12) % 3
    labels = moved(drawn, start, 3)
    reached = total(drawn, labels)
    assert reached < total(drawn, start)
    for t, g in itertools.product(range(12), range(3)):
        other = labels.copy()
        other[t] = g
        assert total(drawn, other) >= reached - 1e-9


def test_the_best_two_groups_of_few_tasks_are_found() -> None:
    for seed in range(5):
        drawn = drawn_losses(8, 1.0, seed=seed)
        least = min(
            drawn.losses(np.array([a, b])).min(axis=0).sum()
            for a, b in itertools.combinations(itertools.product([False, True], repeat=8), 2)
            if np.logical_or(a, b).all()
        )
        worst = drawn.losses(np.ones((1, 8), dtype=np.bool_)).sum()
        groups = best_groups(drawn, (2,), np.random.default_rng(0))[2]
        found = drawn.losses(groups).min(axis=0).sum()
        assert worst - found >= 0.8 * (worst - least)


def test_help_of_tasks_that_are_served_elsewhere_is_taken() -> None:
    """Task 0 helps everybody and is harmed by all: both groups take it in, and it is served alone."""
    effects = np.zeros((5, 5))
    effects[1:, 0], effects[0, 1:] = -0.3, 0.3
    drawn = DrawnLosses(np.ones((5, 5)), effects, 0.0, 5)
    member = helped(drawn, np.array([0, 1, 1, 2, 2]), 3)
    assert {tuple(np.flatnonzero(row)) for row in member} >= {(0,), (0, 1, 2), (0, 3, 4)}


@pytest.mark.parametrize("largest", [3, 4, 7])
def test_groups_are_no_larger_than_allowed_and_hold_every_task(largest: int) -> None:
    drawn = drawn_losses(12, 0.0, largest=largest)
    for number, groups in best_groups(drawn, (4, 6, 12), np.random.default_rng(1)).items():
        assert len(groups) <= number
        assert groups.sum(axis=1).max() <= largest
        assert groups.any(axis=0).all()


def test_clusters_are_merged_before_strangers() -> None:
    cluster = np.repeat(np.arange(4), 5)
    effects = np.where(cluster[:, None] == cluster, -0.1, 0.1)
    np.fill_diagonal(effects, 0.0)
    labels = merged(DrawnLosses(np.ones((20, 20)), effects, 0.0, 20), (4,))[4]
    assert len({(a, b) for a, b in zip(cluster.tolist(), labels.tolist(), strict=True)}) == 4
