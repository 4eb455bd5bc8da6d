"""Losses of any group of many tasks, hidden until asked for, and good groupings of them."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.score_table import FloatArray

KINDS = ("clustered", "low-rank", "mean-of-pairs")
LUCK = 0.01
"""Deviation of what is particular to a network, in usual losses; half of it is shared by its tasks."""
MOVES_PER_ROUND = 40


class HiddenLosses:
    """Losses of `n_tasks` tasks: usual loss times (1 + effects of the company), and luck of the network.

    - ``clustered``: partners of the own cluster of about eight tasks lower the loss by up to 10 to 30 %, with
      sinking returns; others raise it by up to 20 %, those of clusters that are near half as much.
    - ``low-rank``: effects of partners add up; rank 4 and an independent part.
    - ``mean-of-pairs``: the mean of the partners' effects counts: -25 % in the cluster, 0 near it, 8 %
      beyond, and both parts of before.

    All gain up to 5 % by any company and lose up to 6 % by crowding.
    """

    def __init__(self, kind: str, n_tasks: int, seed: int) -> None:
        generator = np.random.default_rng([seed, n_tasks])
        self.kind, self.n_tasks, self.seed = kind, n_tasks, seed
        self.usual = generator.uniform(0.5, 1.5, n_tasks)
        n_clusters = max(2, round(n_tasks / 8))
        self.cluster = generator.permutation(np.arange(n_tasks) % n_clusters)
        region = generator.integers(0, max(2, round(np.sqrt(n_clusters))), n_clusters)[self.cluster]
        self.same = (self.cluster[:, None] == self.cluster).astype(np.float64)
        is_near = region[:, None] == region
        low = generator.normal(size=(n_tasks, 4)) @ generator.normal(size=(n_tasks, 4)).T / 2
        own = generator.normal(size=(n_tasks, n_tasks))
        self.by_cluster = generator.uniform(0.1, 0.3, n_tasks)
        if kind == "clustered":
            harm = np.where(is_near, 0.4, 1.0) * generator.uniform(0.5, 1.5, (n_tasks, n_tasks))
            self.effects = np.where(self.same > 0, 0.0, harm)
        elif kind == "low-rank":
            self.effects = (low + 0.4 * own) / n_tasks
        else:
            self.effects = (
                np.where(self.same > 0, -0.25, np.where(is_near, 0.0, 0.08)) + 0.04 * low + 0.05 * own
            )
        np.fill_diagonal(self.effects, 0.0)
        np.fill_diagonal(self.same, 0.0)

    def structural(self, groups: NDArray[np.bool_]) -> FloatArray:
        """``[G, T]`` losses without luck, infinite outside the groups."""
        member = np.asarray(groups, dtype=np.float64)
        partners = member.sum(axis=1, keepdims=True) - 1
        acting = member @ self.effects.T
        if self.kind == "clustered":
            change = -self.by_cluster * (1 - np.exp(-(member @ self.same.T) / 2))
            change = change + 0.2 * acting / (acting + self.n_tasks / 8)
        else:
            change = acting if self.kind == "low-rank" else acting / np.maximum(partners, 1)
        change = change - 0.05 * (partners > 0) * (1 - np.exp(-partners / 3))
        change = change + 0.06 * partners / (self.n_tasks - 1)
        return np.where(member > 0, self.usual * (1 + change), np.inf)

    def losses(self, groups: NDArray[np.bool_]) -> FloatArray:
        """``[G, T]`` losses, infinite outside the groups; the same for the same group."""
        luck = np.zeros((len(groups), self.n_tasks))
        for row, group in enumerate(np.asarray(groups) > 0):
            generator = np.random.default_rng([self.seed, zlib.crc32(np.packbits(group).tobytes())])
            luck[row] = 0.5 * generator.normal() + 0.87 * generator.normal(size=self.n_tasks)
        return self.structural(groups) + LUCK * self.usual * luck

    def total(self, groups: NDArray[np.bool_]) -> float:
        """Total loss where each task is served by the best of the groups."""
        return float(self.losses(groups).min(axis=0).sum())

    def best_known(self, n_groups: int, n_starts: int = 2) -> float:
        """Least total loss of groupings in `n_groups` groups that are found with the losses in sight.

        Starts are the clusters, merged two by two or at random, and random groups; each is improved by
        putting in, taking out and moving single tasks.
        """
        generator = np.random.default_rng(5)
        starts = [self._merged_clusters(n_groups)]
        for _ in range(n_starts):
            starts.append(generator.permutation(np.arange(self.n_tasks) % n_groups))
            starts.append(generator.permutation(self.cluster.max() + 1)[self.cluster] % n_groups)
        groups = ([start == g for g in range(n_groups) if (start == g).any()] for start in starts)
        return min(self.total(self._improved(np.array(one))) for one in groups)

    def _merged_clusters(self, n_groups: int) -> NDArray[np.int64]:
        labels = self.cluster.copy()
        known: dict[frozenset[int], float] = {}

        def value(*merged: int) -> float:
            tasks = np.isin(labels, merged)
            key = frozenset(np.flatnonzero(tasks).tolist())
            if key not in known:
                known[key] = float(self.structural(tasks[None])[0, tasks].sum())
            return known[key]

        while len(kept := np.unique(labels).tolist()) > n_groups:
            pairs = [(a, b) for a in kept for b in kept if a < b]
            into, gone = min(pairs, key=lambda pair: value(*pair) - value(pair[0]) - value(pair[1]))
            labels[labels == gone] = into
        return np.unique(labels, return_inverse=True)[1]

    def _improved(self, groups: NDArray[np.bool_], rounds: int = 60) -> NDArray[np.bool_]:
        """Carry out the best changes of one or two memberships, round by round."""
        every = np.arange(self.n_tasks)
        for _ in range(rounds):
            losses = self.structural(groups)
            total, server = float(losses.min(axis=0).sum()), losses.argmin(axis=0)
            moves: list[tuple[float, tuple[tuple[int, int], ...]]] = []
            changed = []
            for g in range(len(groups)):
                flipped = np.repeat(groups[g][None], self.n_tasks, axis=0)
                flipped[every, every] ^= True
                possible = flipped.any(axis=1)
                rows = np.full((self.n_tasks, self.n_tasks), np.inf)
                rows[possible] = self.structural(flipped[possible])
                changed.append(rows)
                rest = np.delete(losses, g, axis=0).min(axis=0, initial=np.inf)
                values = np.minimum(rows, rest).sum(axis=1)
                moves += [(values[u], ((g, u),)) for u in np.flatnonzero(values < total - 1e-9).tolist()]
            for s in range(len(groups)):
                for g in range(len(groups)):
                    tasks = np.flatnonzero((server == s) & ~groups[g])
                    if s == g or not len(tasks):
                        continue
                    rest = np.delete(losses, [s, g], axis=0).min(axis=0, initial=np.inf)
                    values = np.minimum(np.minimum(changed[s][tasks], changed[g][tasks]), rest).sum(axis=1)
                    better = np.flatnonzero(values < total - 1e-9).tolist()
                    moves += [(values[i], ((s, int(tasks[i])), (g, int(tasks[i])))) for i in better]
            if not moves:
                break
            for _, flips in sorted(moves)[:MOVES_PER_ROUND]:
                tried = groups.copy()
                for g, u in flips:
                    tried[g, u] ^= True
                if (
                    tried.any(axis=1).all()
                    and (new := float(self.structural(tried).min(axis=0).sum())) < total - 1e-9
                ):
                    groups, total = tried, new
        return groups
