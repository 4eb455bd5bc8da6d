"""Covariances of the cells of a score table, under the model of the losses.

The model is fitted in `grouping.strategies.adaptive.loss_model`. A cell is a task t in a network with group G
and size s. Its loss relative to the task's usual loss is

    y[G, s, t] = beta z + usual[t] + z (osz[t] + csz)                              size, z = log2 s
               + trend[t] k / (T - 1)                                              k = |G| - 1 partners of t
               + sum over u in G, u != t, of  lin[t, u] / sqrt 2  +  mean[t, u] / k
               + sum over u in G, u != t, of  clin[u] / sqrt 2  +  ck[k]           what is common to the tasks
               + net[G, s, t] + rest[G, t]                                         what no pattern explains

with Gaussian weights, independent but for those of `lin`, which sum to 0 for each task: what company alone
does is left to `trend`, since it may be much where the partner hardly matters, and the other way round.
Everything but `beta z` is times a scale of the task. The prior of `usual` is as good as flat
(`USUAL_DEVIATION`): the losses measured first are untypical, and all that is known of a task's usual loss is
in them. So it is integrated out, and the amplitudes of the other terms are those of the restricted likelihood
(Patterson and Thompson, "Recovery of inter-block information when block sizes are unequal", Biometrika 1971).

The two kinds of partner effects are those of the linear surrogate (Li et al., TMLR 2023) and of the mean over
pairs (the higher order approximation of Standley et al., 2020); the data decide between them through the
amplitudes. `net` is shared by the tasks of one network with an estimated correlation: a lucky network is
often lucky for several tasks at once. `rest` is mostly shared by the sizes of one group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray

PRIOR = {
    "lin": (0.1, 1.5),
    "mean": (0.05, 1.5),
    "clin": (0.03, 1.5),
    "ck": (0.03, 1.5),
    "trend": (0.05, 1.5),
    "net": (0.03, 0.8),
    "rest": (0.05, 0.6),
    "csz": (0.03, 0.5),
    "osz": (0.03, 0.5),
}
"""Median amplitude of each term, and the standard deviation of its logarithm.

The effects of company and of partners are large in some tables and absent in others, so little is assumed of
them: a narrower prior searches tables that have none as if they had some.
"""
USUAL_DEVIATION = 1.0
"""Prior deviation of the usual relative loss of a task, times its scale; so wide that it tells nothing."""
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

    def select(self, rows: NDArray[np.int64]) -> Pool:
        """Return the pool of some of its networks."""
        networks = tuple(self.networks[n] for n in rows.tolist())
        return Pool(networks, self.member[rows], self.log_size[rows], self.group[rows])

    def with_more(self, more: Pool) -> Pool:
        """Return the pool with further networks at its end, of other groups."""
        return Pool(
            (*self.networks, *more.networks),
            np.concatenate([self.member, more.member]),
            np.concatenate([self.log_size, more.log_size]),
            np.concatenate([self.group, more.group + self.group.max(initial=-1) + 1]),
        )

    @property
    def partners(self) -> NDArray[np.int64]:
        """``[N]``: number of tasks in the group beside any one of them."""
        count: NDArray[np.int64] = self.member.sum(axis=1).astype(np.int64) - 1
        return count

    @property
    def most_partners(self) -> int:
        """The number of tasks beside any one of them, at least 1."""
        return max(int(self.member.shape[1]) - 1, 1)

    @property
    def company(self) -> FloatArray:
        """``[N]``: share of the other tasks that are in the group, from 0 to 1."""
        share: FloatArray = self.partners / self.most_partners
        return share


@dataclass(frozen=True, eq=False)
class Traits:
    """What the terms of the model multiply, in cells or in weighted sums of cells of one task each.

    Attributes:
        t: ``[C]``, task.
        usual: ``[C]``, 1 in a cell: the share of the usual loss.
        partners: ``[C, T]``, 1 in a cell for each task that is in the group beside its own.
        shares: ``[C, T]``, the same over their number.
        count: ``[C, T]``, 1 in a cell at the number of partners.
        company: ``[C]``, share of the other tasks that are in the group.
        log_size: ``[C]``, log2 of the size.
    """

    t: NDArray[np.int64]
    usual: FloatArray
    partners: FloatArray
    shares: FloatArray
    count: FloatArray
    company: FloatArray
    log_size: FloatArray


def linear_covariance(
    ours: Traits,
    theirs: Traits,
    same_network: FloatArray,
    rest: FloatArray,
    correlation: FloatArray,
    amplitudes: FloatArray,
) -> FloatArray:
    """Compute the covariance ``[C, D]`` of cells, or weighted sums of cells, under the model.

    Args:
        ours: traits of the first ones.
        theirs: traits of the others.
        same_network: ``[C, D]``, 1 for two cells of one network; of sums, the products of their weights.
        rest: ``[C, D]``, the same for two cells of one group, `SHARED_BY_SIZES` where their sizes differ.
        correlation: ``[T, T]``, of the part of a network's luck that its tasks share.
        amplitudes: of each term, in the order of `PRIOR`.
    """
    a = dict(zip(PRIOR, amplitudes**2, strict=True))
    n_tasks = ours.partners.shape[1]
    inner = ours.partners @ theirs.partners.T / 2.0
    sizes = np.outer(ours.log_size, theirs.log_size)
    trend = np.outer(ours.company, theirs.company)
    of_one_task = (
        USUAL_DEVIATION**2 * np.outer(ours.usual, theirs.usual)
        + a["lin"] * (inner - max(n_tasks - 1, 1) * trend / 2.0)
        + a["mean"] * (ours.shares @ theirs.shares.T)
        + a["trend"] * trend
        + a["osz"] * sizes
        + a["rest"] * rest
    )
    total: FloatArray = (
        a["clin"] * inner
        + a["ck"] * (ours.count @ size_covariance(n_tasks) @ theirs.count.T)
        + a["csz"] * sizes
        + a["net"] * same_network * correlation[np.ix_(ours.t, theirs.t)]
        + (ours.t[:, None] == theirs.t[None]) * of_one_task
    )
    return total


@dataclass(frozen=True, eq=False)
class PoolCells:
    """A selection of the cells of a pool.

    Attributes:
        n: ``[C]``, network of each cell.
        t: ``[C]``, task of each cell.
    """

    n: NDArray[np.int64]
    t: NDArray[np.int64]

    def terms(self, pool: Pool, correlation: FloatArray) -> Iterator[FloatArray]:
        """Yield the covariance ``[C, C]`` of each term of the model at amplitude 1, in `PRIOR`'s order.

        That of the usual losses of the tasks is not among them; it has no amplitude to be found.
        """
        n, t = self.n, self.t
        others = pool.member[n].copy()
        others[np.arange(len(n)), t] = 0.0
        count = pool.partners[n]
        shares = others / np.maximum(count, 1)[:, None]
        same_task = t[:, None] == t[None]
        z = pool.log_size[n]
        sizes = z[:, None] * z[None]
        inner = others @ others.T / 2.0
        trend = np.outer(pool.company[n], pool.company[n])
        yield same_task * (inner - pool.most_partners * trend / 2.0)
        yield same_task * (shares @ shares.T)
        yield inner
        yield size_covariance(pool.member.shape[1])[np.ix_(count, count)]
        yield same_task * trend
        yield (n[:, None] == n[None]) * correlation[np.ix_(t, t)]
        yield same_task * _rest_covariance(pool, n)
        yield sizes
        yield same_task * sizes

    def covariance_with(
        self, other: PoolCells, pool: Pool, correlation: FloatArray, amplitudes: FloatArray
    ) -> FloatArray:
        """Compute the covariance ``[C, D]`` of these cells with the `D` others."""
        same_network = (self.n[:, None] == other.n[None]).astype(float)
        same_group = pool.group[self.n][:, None] == pool.group[other.n][None]
        rest = np.where(same_network > 0, 1.0, SHARED_BY_SIZES) * same_group
        return linear_covariance(
            self.traits(pool), other.traits(pool), same_network, rest, correlation, amplitudes
        )

    def traits(self, pool: Pool) -> Traits:
        """Return what the terms of the model multiply in these cells."""
        partners, count = self._partners(pool), pool.partners[self.n]
        return Traits(
            self.t,
            np.ones(len(self.n)),
            partners,
            partners / np.maximum(count, 1)[:, None],
            np.eye(pool.member.shape[1])[count],
            pool.company[self.n],
            pool.log_size[self.n],
        )

    def _partners(self, pool: Pool) -> FloatArray:
        """Return ``[C, T]``: whether a task is in the group beside the task of the cell."""
        others = pool.member[self.n].copy()
        others[np.arange(len(self.n)), self.t] = 0.0
        return others

    def covariance(self, pool: Pool, correlation: FloatArray, amplitudes: FloatArray) -> FloatArray:
        """Compute the covariance ``[C, C]`` of the cells: `terms` and usual losses, task by task."""
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
            trend = np.outer(pool.company[n[cells]], pool.company[n[cells]])
            total[np.ix_(cells, cells)] += (
                USUAL_DEVIATION**2
                + (a["lin"] / 2.0) * (block @ block.T - pool.most_partners * trend)
                + a["mean"] * (shares @ shares.T)
                + a["trend"] * trend
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
