"""Covariances of the cells of a score table, under the model of the losses.

The model is fitted in `grouping.strategies.adaptive.loss_model`. A cell is a task t in a network with group G
and size s. Its loss relative to the task's usual loss is

    y[G, s, t] = beta z + own0[t] + z (osz[t] + csz)                               size, z = log2 s
               + sum over u in G, u != t, of  lin[t, u] / sqrt 2  +  mean[t, u] / (|G| - 1)  partners of t
               + sum over u in G, u != t, of  clin[u] / sqrt 2  +  ck[|G|]         what is common to the tasks
               + net[G, s, t] + rest[G, t]                                         what no pattern explains

with independent Gaussian weights, everything but `beta z` times a scale of the task. The two kinds of partner
effects are those of the linear surrogate (Li et al., TMLR 2023) and of the mean over pairs (the higher order
approximation of Standley et al., 2020); the data decide between them through the amplitudes. `net` is shared
by the tasks of one network with an estimated correlation: a lucky network is often lucky for several tasks at
once. `rest` is mostly shared by the sizes of one group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray

PRIOR = {
    "lin": (0.15, 1.5),
    "mean": (0.06, 0.8),
    "clin": (0.04, 0.8),
    "ck": (0.04, 0.8),
    "own0": (0.04, 0.8),
    "net": (0.03, 0.8),
    "rest": (0.05, 0.6),
    "csz": (0.03, 0.5),
    "osz": (0.03, 0.5),
}
"""Median amplitude of each term, and the standard deviation of its logarithm.

The effects of partners, `lin`, are large in some tables and absent in others, so little is assumed of them: a
narrower prior searches tables that have none as if they had some.
"""
SHARED_BY_SIZES = 0.85


@dataclass(frozen=True, eq=False)
class Pool:
    """Networks as arrays.

    Attributes:
        networks: the `N` networks.
        member: ``[N, T]``, membership.
        log_size: ``[N]``, log2 of the size.
        group: ``[N]``, number of the group, the same for all sizes of one group.
    """

    networks: tuple[Network, ...]
    member: FloatArray = field(repr=False)
    log_size: FloatArray = field(repr=False)
    group: NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, networks: Sequence[Network], tasks: Sequence[str]) -> Pool:
        """Build the arrays of these networks; tasks give the columns."""
        column = {task: t for t, task in enumerate(tasks)}
        member = np.zeros((len(networks), len(tasks)))
        numbers: dict[frozenset[str], int] = {}
        for n, network in enumerate(networks):
            member[n, [column[task] for task in network.group]] = 1.0
            numbers.setdefault(network.group, len(numbers))
        return cls(
            tuple(networks),
            member,
            np.log2([network.size for network in networks]),
            np.array([numbers[network.group] for network in networks], dtype=np.int64),
        )

    @property
    def partners(self) -> NDArray[np.int64]:
        """``[N]``: number of tasks in the group beside any one of them."""
        count: NDArray[np.int64] = self.member.sum(axis=1).astype(np.int64) - 1
        return count


@dataclass(frozen=True, eq=False)
class Cells:
    """A selection of the cells of a pool.

    Attributes:
        n: ``[C]``, network of each cell.
        t: ``[C]``, task of each cell.
    """

    n: NDArray[np.int64]
    t: NDArray[np.int64]

    def terms(self, pool: Pool, correlation: FloatArray) -> Iterator[FloatArray]:
        """Yield the covariance ``[C, C]`` of each term of the model at amplitude 1, in `PRIOR`'s order."""
        n, t = self.n, self.t
        others = pool.member[n].copy()
        others[np.arange(len(n)), t] = 0.0
        count = pool.partners[n]
        shares = others / np.maximum(count, 1)[:, None]
        same_task = t[:, None] == t[None]
        z = pool.log_size[n]
        sizes = z[:, None] * z[None]
        inner = others @ others.T / 2.0
        yield same_task * inner
        yield same_task * (shares @ shares.T)
        yield inner
        yield size_covariance(pool.member.shape[1])[np.ix_(count, count)]
        yield same_task * 1.0
        yield (n[:, None] == n[None]) * correlation[np.ix_(t, t)]
        yield same_task * _rest_covariance(pool, n)
        yield sizes
        yield same_task * sizes

    def covariance_with(
        self, other: Cells, pool: Pool, correlation: FloatArray, amplitudes: FloatArray
    ) -> FloatArray:
        """Compute the covariance ``[C, D]`` of these cells with the `D` others."""
        a = dict(zip(PRIOR, amplitudes**2, strict=True))
        ours, theirs = self._partners(pool), other._partners(pool)
        count, their_count = pool.partners[self.n], pool.partners[other.n]
        shares = ours / np.maximum(count, 1)[:, None]
        their_shares = theirs / np.maximum(their_count, 1)[:, None]
        inner = ours @ theirs.T / 2.0
        sizes = np.outer(pool.log_size[self.n], pool.log_size[other.n])
        same_network = self.n[:, None] == other.n[None]
        rest = np.where(same_network, 1.0, SHARED_BY_SIZES) * (
            pool.group[self.n][:, None] == pool.group[other.n][None]
        )
        of_one_task = (
            a["lin"] * inner
            + a["mean"] * (shares @ their_shares.T)
            + a["own0"]
            + a["osz"] * sizes
            + a["rest"] * rest
        )
        total: FloatArray = (
            a["clin"] * inner
            + a["ck"] * size_covariance(pool.member.shape[1])[np.ix_(count, their_count)]
            + a["csz"] * sizes
            + a["net"] * same_network * correlation[np.ix_(self.t, other.t)]
            + (self.t[:, None] == other.t[None]) * of_one_task
        )
        return total

    def _partners(self, pool: Pool) -> FloatArray:
        """Return ``[C, T]``: whether a task is in the group beside the task of the cell."""
        others = pool.member[self.n].copy()
        others[np.arange(len(self.n)), self.t] = 0.0
        return others

    def covariance(self, pool: Pool, correlation: FloatArray, amplitudes: FloatArray) -> FloatArray:
        """Compute the covariance ``[C, C]`` of the cells: the sum of `terms`, by task where possible."""
        a = dict(zip(PRIOR, amplitudes**2, strict=True))
        n, t = self.n, self.t
        others = pool.member[n].copy()
        others[np.arange(len(n)), t] = 0.0
        count = pool.partners[n]
        total: FloatArray = (a["clin"] / 2.0) * (others @ others.T)
        total += (a["ck"] * size_covariance(pool.member.shape[1]))[np.ix_(count, count)]
        if pool.log_size.any():
            total += a["csz"] * np.outer(pool.log_size[n], pool.log_size[n])
        for cells in _alike(t):
            block = others[cells]
            shares = block / np.maximum(count[cells], 1)[:, None]
            z = pool.log_size[n[cells]]
            total[np.ix_(cells, cells)] += (
                (a["lin"] / 2.0) * (block @ block.T)
                + a["mean"] * (shares @ shares.T)
                + a["own0"]
                + a["osz"] * z[:, None] * z[None]
                + a["rest"] * _rest_covariance(pool, n[cells])
            )
        for cells in _alike(n):
            total[np.ix_(cells, cells)] += a["net"] * correlation[np.ix_(t[cells], t[cells])]
        return total


def _alike(labels: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of each label."""
    order = np.argsort(labels, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def size_covariance(n_tasks: int) -> FloatArray:
    """Compute the covariance ``[T, T]`` of the effects of 0 to T - 1 partners."""
    k = np.arange(n_tasks)
    covariance: FloatArray = np.exp(-np.abs(k[:, None] - k[None]) / 2.0)
    return covariance


def _rest_covariance(pool: Pool, n: NDArray[np.int64]) -> FloatArray:
    same_group = pool.group[n][:, None] == pool.group[n][None]
    same_network = n[:, None] == n[None]
    covariance: FloatArray = np.where(same_network, 1.0, SHARED_BY_SIZES) * same_group
    return covariance
