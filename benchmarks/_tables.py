"""Seeded score tables for the solver's benchmarks."""

from __future__ import annotations

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import PairwiseEstimate

KINDS = ("clustered", "additive", "structureless")


def names_of(n_tasks: int) -> tuple[str, ...]:
    return tuple(f"task {t:02d}" for t in range(n_tasks))


def table_of(losses: FloatArray) -> ScoreTable:
    """A table of full-size networks from ``[N, T]`` losses, infinite outside a group."""
    names = names_of(losses.shape[1])
    member = np.isfinite(losses)
    networks = tuple(
        Network(frozenset(name for name, inside in zip(names, row, strict=True) if inside)) for row in member
    )
    cube = np.where(member, losses, np.nan)[:, :, None]
    return ScoreTable(tuple(map(Task, names)), networks, (0,), cube, np.full_like(cube, np.nan))


def random_groups(seed: int, n_tasks: int = 27, n_groups: int = 3200, noise: float = 0.02) -> ScoreTable:
    """Singles, all together and random groups of 2 to 8 tasks, with pairwise structure and noise.

    A task's loss in a group is its own scale times (1 + mean effect of its partners + noise); effects are
    normal with deviation 0.1, scales uniform in 0.3 to 1.
    """
    generator = np.random.default_rng(seed)
    effects = generator.normal(0.0, 0.1, (n_tasks, n_tasks))  # [source, target]
    np.fill_diagonal(effects, 0.0)
    scales = generator.uniform(0.3, 1.0, n_tasks)
    groups = {1 << t for t in range(n_tasks)} | {(1 << n_tasks) - 1}
    while len(groups) < n_groups:
        chosen = generator.choice(n_tasks, generator.integers(2, 9), replace=False)
        groups.add(sum(1 << int(t) for t in chosen))
    member = (np.array(sorted(groups))[:, None] >> np.arange(n_tasks)) & 1
    partners = np.maximum(1, member.sum(axis=1, keepdims=True) - 1)
    losses = scales * (1.0 + (member @ effects) / partners + generator.normal(0.0, noise, member.shape))
    return table_of(np.where(member == 1, losses, np.inf))


def pairwise(kind: str, n_tasks: int, seed: int) -> PairwiseEstimate:
    """Losses alone uniform in 0.8 to 1.2, and effects of pairs on them.

    ``clustered``: -10 % within a cluster of about five, +10 % across, deviation 3 %; ``additive``: what the
    target takes plus what the source gives (7 % each), deviation 1 %; ``structureless``: deviation 10 %.
    """
    generator = np.random.default_rng(seed)
    alone = generator.uniform(0.8, 1.2, n_tasks)
    shape = (n_tasks, n_tasks)
    if kind == "structureless":
        effects = generator.normal(0.0, 0.1, shape)
    elif kind == "additive":
        takes, gives = generator.normal(0.0, 0.07, (2, n_tasks))
        effects = takes[:, None] + gives[None, :] + generator.normal(0.0, 0.01, shape)
    else:
        cluster = generator.integers(0, max(2, n_tasks // 5), n_tasks)
        effects = np.where(cluster[:, None] == cluster[None, :], -0.1, 0.1)
        effects = effects + generator.normal(0.0, 0.03, shape)
    names = names_of(n_tasks)
    singles = tuple((Network.of(name), float(loss)) for name, loss in zip(names, alone, strict=True))
    return PairwiseEstimate(names, singles, alone[:, None] * (1.0 + effects), np.ones(n_tasks))


def all_groups(kind: str, n_tasks: int, seed: int) -> FloatArray:
    """``[2^T - 1, T]`` losses of every group under `pairwise`, infinite outside."""
    estimate = pairwise(kind, n_tasks, seed)
    member = ((np.arange(1, 1 << n_tasks)[:, None] >> np.arange(n_tasks)) & 1).astype(np.float64)
    pairs = estimate.pairs.copy()
    np.fill_diagonal(pairs, 0.0)
    sizes = member.sum(axis=1, keepdims=True)
    losses = np.where(member == 1, (member @ pairs.T) / np.maximum(1, sizes - 1), np.inf)
    alone = np.array([loss for _, loss in estimate.singles])
    return np.where((sizes == 1) & (member == 1), alone, losses)
