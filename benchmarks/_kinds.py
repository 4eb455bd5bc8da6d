"""Small generated tables of many kinds: every group of a few tasks, and single tasks at half size."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task

LUCK = 0.01
"""Deviation of what is particular to a cell, in usual losses, where a kind does not say otherwise."""


def kind_table(kind: str, seed: int, n_tasks: int = 5) -> ScoreTable:
    """Return a table of this kind: all groups at full size and single tasks at half size, one seed.

    A loss is the usual one of the task, uniform in 0.2 to 1, times 1 + the effect of the company + luck.
    Company helps by 4 % in the mean at its best and crowding harms by up to 5 %; half size costs about 6 %.

    Args:
        kind: one of `KINDS`.
        seed: of the table.
        n_tasks: number of tasks.
    """
    generator = np.random.default_rng([seed, n_tasks, zlib.crc32(kind.encode())])
    masks = np.arange(1, 1 << n_tasks)
    member = (masks[:, None] >> np.arange(n_tasks)) & 1
    usual = generator.uniform(0.2, 1.0, n_tasks)
    partners = member.sum(axis=1, keepdims=True) - 1.0
    change = -0.04 * (partners > 0) + 0.05 * (partners / (n_tasks - 1)) ** 2
    change = change + KINDS[kind](generator, member.astype(np.float64))
    change[(partners[:, 0] == 0)] *= 0.2
    losses = usual * np.maximum(1.0 + change, 0.05)
    half = usual * (1.06 + generator.normal(0.0, 0.02, n_tasks))
    names = [chr(ord("a") + t) for t in range(n_tasks)]
    groups = [frozenset(n for n, inside in zip(names, row, strict=True) if inside) for row in member.tolist()]
    networks = [Network(group) for group in groups] + [Network.of(n, size=0.5) for n in names]
    cells = np.where(member > 0, losses, np.nan)
    cells = np.concatenate([cells, np.where(np.eye(n_tasks) > 0, half[:, None], np.nan)])[:, :, None]
    tasks = tuple(map(Task, names))
    return ScoreTable.from_arrays(tasks, tuple(networks), (0,), cells, np.full_like(cells, np.nan))


def _additive(generator: np.random.Generator, member: FloatArray) -> FloatArray:
    """Effects of partners add up."""
    return member @ _effects(generator, member, 0.04).T + _luck(generator, member)


def _mean_of_pairs(generator: np.random.Generator, member: FloatArray) -> FloatArray:
    """The mean of the partners' effects counts."""
    divisor = np.maximum(member.sum(axis=1, keepdims=True) - 1, 1)
    found: FloatArray = member @ _effects(generator, member, 0.08).T / divisor + _luck(generator, member)
    return found


def _clustered(generator: np.random.Generator, member: FloatArray) -> FloatArray:
    """Partners of the own cluster help with sinking returns, others harm."""
    n_tasks = member.shape[1]
    cluster = generator.permutation(np.arange(n_tasks) % 2)
    same = (cluster[:, None] == cluster) & ~np.eye(n_tasks, dtype=np.bool_)
    helps = generator.uniform(0.05, 0.2, n_tasks) * (1 - np.exp(-(member @ same.T)))
    found: FloatArray = 0.04 * (member @ (cluster[:, None] != cluster).T) - helps + _luck(generator, member)
    return found


def _sparse_orders(generator: np.random.Generator, member: FloatArray) -> FloatArray:
    """Weak effects of partners, and synergy or antagonism of a few triples."""
    change = member @ _effects(generator, member, 0.015).T
    for _ in range(member.shape[1]):
        three = generator.choice(member.shape[1], 3, replace=False)
        holds = np.flatnonzero(member[:, three].all(axis=1))
        change[np.ix_(holds, three)] += generator.normal(0.0, 0.08, 3)
    return change + _luck(generator, member)


def _outlier(generator: np.random.Generator, member: FloatArray) -> FloatArray:
    """As means over pairs, but one loss in a group of two to four tasks is about half."""
    change = _mean_of_pairs(generator, member)
    sizes = member.sum(axis=1)
    row = generator.choice(np.flatnonzero((sizes >= 2) & (sizes <= 4)))
    change[row, generator.choice(np.flatnonzero(member[row]))] -= 0.5
    return change


def _pure_luck(generator: np.random.Generator, member: FloatArray) -> FloatArray:
    """Nothing but luck."""
    return _luck(generator, member, 0.05)


def _uneven(generator: np.random.Generator, member: FloatArray) -> FloatArray:
    """Effects add up; luck differs from task to task, from a twentieth to twice that of pure luck."""
    deviations = 0.05 * 2.0 ** generator.uniform(-4.3, 1.0, member.shape[1])
    found: FloatArray = member @ _effects(generator, member, 0.02).T + deviations * _luck(
        generator, member, 1.0
    )
    return found


def _heavy_tails(generator: np.random.Generator, member: FloatArray) -> FloatArray:
    """Effects as means over pairs; luck as of Student's t with three degrees of freedom."""
    change = _mean_of_pairs(generator, member)
    return change + 0.015 * generator.standard_t(3, member.shape)


def _effects(generator: np.random.Generator, member: FloatArray, deviation: float) -> FloatArray:
    """Draw ``[target, source]`` effects."""
    n_tasks = member.shape[1]
    effects = generator.normal(0.0, deviation, (n_tasks, n_tasks))
    np.fill_diagonal(effects, 0.0)
    return effects


def _luck(generator: np.random.Generator, member: FloatArray, deviation: float = LUCK) -> FloatArray:
    """Draw luck, a third of whose variance the tasks of a network share."""
    shared, own = generator.normal(size=(len(member), 1)), generator.normal(size=member.shape)
    found: FloatArray = deviation * (np.sqrt(1 / 3) * shared + np.sqrt(2 / 3) * own)
    return found


KINDS: Mapping[str, Callable[[np.random.Generator, FloatArray], FloatArray]] = {
    "additive": _additive,
    "mean-of-pairs": _mean_of_pairs,
    "clustered": _clustered,
    "sparse-orders": _sparse_orders,
    "outlier": _outlier,
    "pure-luck": _pure_luck,
    "uneven": _uneven,
    "heavy-tails": _heavy_tails,
}
