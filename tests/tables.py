"""Score tables for tests, made from a seed."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from grouping.domain.groupings import fits
from grouping.domain.networks import Network, list_candidates
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.domain.tasks import Task


def make_table(
    networks: tuple[Network, ...],
    tasks: tuple[Task, ...],
    losses: FloatArray,
) -> ScoreTable:
    """A table of one or several seeds from ``[N, T]`` or ``[N, T, S]`` losses, member cells only."""
    cube = losses[:, :, None] if losses.ndim == 2 else losses
    member = np.array([[task.name in network.group for task in tasks] for network in networks])
    cube = np.where(member[:, :, None], cube, np.nan)
    return ScoreTable(tasks, networks, tuple(range(cube.shape[2])), cube, cube * 1.1)


def random_table(seed: int, n_tasks: int = 4, n_seeds: int = 1) -> ScoreTable:
    """All groups at full size and half-size singles, with random losses in (0, 1)."""
    names = [f"task {i}" for i in range(n_tasks)]
    networks = list_candidates(names, max_group_size=n_tasks, single_sizes=(0.5,))
    losses = np.random.default_rng(seed).uniform(0.05, 1.0, (len(networks), n_tasks, n_seeds))
    return make_table(networks, tuple(Task(name) for name in names), losses)


def brute_force(table: ScoreTable, budget_snt: float) -> float | None:
    """Least weighted total validation loss over every set of networks; None if no set covers the tasks."""
    best: float | None = None
    for size in range(1, len(table.tasks) + 1):
        for rows in combinations(range(len(table.networks)), size):
            if not fits(sum(table.networks[n].cost_snt for n in rows), budget_snt):
                continue
            served = table.validation[list(rows)]
            if np.isnan(served).all(axis=0).any():
                continue
            loss = float(np.dot(np.nanmin(served, axis=0), table.weights))
            best = loss if best is None else min(best, loss)
    return best
