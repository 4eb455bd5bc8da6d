"""Affinities and score tables for tests of clusterings: two planted blocks, and random ones."""

from __future__ import annotations

import numpy as np

from grouping.clustering import CLUSTERINGS
from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.networks import list_candidates
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.strategies.clustering.partitions import mutual_affinity
from tests.tables import make_table

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
