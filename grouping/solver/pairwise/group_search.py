"""Search among all groups of tasks for those worth training, under a pairwise estimate.

For a group G of s tasks the estimate of a task's loss is the mean of its losses in pairs,

    L(G, i) = sum over j in G, j != i, of P[i, j] / (s - 1),

and for duals v the group saves ``value(G) = sum over i in G of max(0, v[i] - L(G, i))``. There are ``2^N``
groups. The search decides tasks one after another and keeps the partial groups whose bound is above a
threshold: with tasks I in, q of the undecided U to come and s = |I| + q, no completion saves more than

    sum over i in I of max(0, v[i] - (a[i] + b[i, q]) / (s - 1))
        +  the q largest over u in U of  max(0, v[u] - (a[u] + b[u, q - 1]) / (s - 1)),

``a[i]`` the sum of P[i, j] over j in I and ``b[i, q]`` that of the q smallest P[i, j] over U; best over q.
The last few tasks are decided by looking at all of their subsets at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.exact.instance import BoolArray
from grouping.solver.pairwise.remaining_subsets import LastTasks, SingleArray

_LAST = 12
"""How many tasks are decided at once at the end."""
_BATCH = 1 << 15


@dataclass(frozen=True, eq=False)
class FoundGroups:
    """The groups found whose saving is above a threshold.

    Attributes:
        members: ``[K, N]``, best first.
        values: ``[K]`` savings.
        bound: upper bound on the saving of any group.
        is_complete: whether no group above the threshold is missing.
    """

    members: BoolArray
    values: FloatArray
    bound: float
    is_complete: bool


class GroupSearch:
    """Searches the groups of two or more tasks under one pairwise estimate.

    Args:
        pairs: ``[N, N]``, ``pairs[i, j]`` the loss of task i in the pair with j, not negative; infinite where
            the two must not be in one group. The diagonal is not read.
        max_size: the most tasks in a group.
    """

    def __init__(self, pairs: FloatArray, max_size: int | None = None) -> None:
        self.n_tasks = len(pairs)
        self.pairs = np.where(np.eye(self.n_tasks, dtype=np.bool_), 0.0, pairs)
        self.max_size = min(max_size or self.n_tasks, self.n_tasks)
        self.is_apart = np.isinf(self.pairs) | np.isinf(self.pairs.T)
        # A finite price for forbidden pairs that no group with one can pay back.
        finite = self.pairs[np.isfinite(self.pairs)].max(initial=0.0)
        self.finite_pairs = np.where(self.is_apart, 1e6 * (finite + 1.0), self.pairs)

    @cached_property
    def _changes(self) -> BoolArray:
        """``[changes, N]``: every change of one or two tasks of a group."""
        eye = np.eye(self.n_tasks, dtype=np.bool_)
        pairs_of_tasks = [eye[i] | eye[j] for i in range(self.n_tasks) for j in range(i)]
        return np.array([*eye, *pairs_of_tasks])

    def losses(self, members: BoolArray) -> FloatArray:
        """Estimate the losses of the tasks of each group, ``[K, N]``; infinite outside the group."""
        sizes = members.sum(axis=1, keepdims=True)
        sums = members.astype(np.float64) @ self.finite_pairs.T
        return np.where(members, sums / np.maximum(1, sizes - 1), np.inf)

    def is_allowed(self, members: BoolArray) -> BoolArray:
        """Return ``[K]``: whether a group is small enough and holds no forbidden pair."""
        sizes = members.sum(axis=1)
        allowed: BoolArray = (sizes >= 2) & (sizes <= self.max_size)
        if self.is_apart.any():
            as_numbers = members.astype(np.float64)
            allowed &= ((as_numbers @ self.is_apart) * as_numbers).sum(axis=1) == 0
        return allowed

    def values(self, members: BoolArray, duals: FloatArray) -> FloatArray:
        """Compute what each group saves, ``[K]``."""
        return _saved(members, duals, self.finite_pairs)

    def least_losses(self) -> FloatArray:
        """Return the least loss of a task in a group of s tasks, ``[N, max_size - 1]``, s = 2, 3, ...

        The mean of its s - 1 least losses in pairs; infinite where its forbidden pairs leave too few.
        """
        sums = _sums_of_smallest(np.where(self.is_apart, np.inf, self.finite_pairs), 0)[:, 1 : self.max_size]
        least: FloatArray = sums / np.arange(1, sums.shape[1] + 1)
        return least

    def typical_losses(self, share: float) -> FloatArray:
        """Return ``[N]``: loss that a share of each task's pairs stays below; 0 if no pair is allowed."""
        losses = np.zeros(self.n_tasks)
        for i in range(self.n_tasks):
            allowed = ~self.is_apart[i]
            allowed[i] = False
            if allowed.any():
                losses[i] = np.quantile(self.pairs[i, allowed], share)
        return losses

    def near(self, members: BoolArray) -> BoolArray:
        """Return all groups that a change of one or two tasks reaches."""
        reached = np.unique((members[:, None, :] ^ self._changes).reshape(-1, self.n_tasks), axis=0)
        return reached[self.is_allowed(reached)]

    def improve(self, members: BoolArray, duals: FloatArray, rounds: int = 4) -> BoolArray:
        """Change one or two tasks for the best, again and again; return every group on the way."""
        reached = [members]
        current = members
        for _ in range(rounds):
            near = (current[:, None, :] ^ self._changes).reshape(-1, self.n_tasks)
            values = np.where(self.is_allowed(near), self.values(near, duals), -1.0)
            best = values.reshape(len(current), -1).argmax(axis=1) + np.arange(len(current)) * len(
                self._changes
            )
            current = np.unique(near[best], axis=0)
            reached.append(current)
        found = np.unique(np.concatenate(reached), axis=0)
        return found[self.is_allowed(found)]

    def above(
        self,
        threshold: float,
        duals: FloatArray,
        *,
        max_found: int = 20_000,
        max_states: int = 400_000,
        gives_up: bool = False,
        deadline: float | None = None,
    ) -> FoundGroups:
        """Find the groups that save more than a threshold.

        Args:
            threshold: threshold for `values`.
            duals: duals of the tasks, ``[N]``.
            max_found: give up the rest after this many; the best are kept.
            max_states: the most partial groups at a time; what is let go counts in the bound.
            gives_up: return at once, with nothing, where there are more.
            deadline: a time of `time.monotonic`.
        """
        n = self.n_tasks
        order = np.argsort(-duals, kind="stable")
        v = duals[order]
        priced = self.finite_pairs[np.ix_(order, order)]
        n_first = max(0, n - _LAST)
        chosen = np.zeros((1, n), dtype=np.bool_)
        sums = np.zeros((1, n))  # of the pairs with the chosen
        by_size = np.full((1, n + 1), -np.inf, dtype=np.float32)  # bound of each final size
        by_size[0, 2 : self.max_size + 1] = np.inf
        bounds = np.array([np.inf])
        dropped = -np.inf
        for level in range(n_first):
            with_next = chosen.copy()
            with_next[:, level] = True
            chosen = np.concatenate([with_next, chosen])
            sums = np.concatenate([sums + priced[:, level], sums])
            smallest = _sums_of_smallest(priced, level + 1)
            by_size = np.concatenate([by_size, by_size])
            for part in _parts(len(chosen)):
                _tighten(by_size[part], chosen[part], sums[part], v, smallest, level + 1, threshold)
            bounds = by_size.max(axis=1).astype(np.float64)
            keep = np.flatnonzero(bounds > threshold)
            is_late = deadline is not None and time.monotonic() > deadline
            most = 0 if is_late else max_states
            if keep.size > most and gives_up:
                return FoundGroups(np.zeros((0, n), dtype=np.bool_), np.zeros(0), np.inf, False)
            if keep.size > most:
                keep = keep[np.argsort(-bounds[keep], kind="stable")]
                dropped = max(dropped, float(bounds[keep[most]]))
                keep = keep[:most]
            chosen, sums, bounds, by_size = chosen[keep], sums[keep], bounds[keep], by_size[keep]
            if not keep.size:
                break
        members, values, late = self._finish(
            chosen, bounds, v, priced, n_first, threshold, max_found, deadline
        )
        dropped = max(dropped, late)
        back = np.zeros_like(members)
        back[:, order] = members
        best = float(values[0]) if values.size else threshold
        return FoundGroups(back, values, max(best, dropped), bool(np.isneginf(dropped)))

    def _finish(
        self,
        chosen: BoolArray,
        bounds: FloatArray,
        v: FloatArray,
        priced: FloatArray,
        n_first: int,
        threshold: float,
        max_found: int,
        deadline: float | None,
    ) -> tuple[BoolArray, FloatArray, float]:
        """Decide the last tasks of each partial group by listing their subsets, the most promising first."""
        n = self.n_tasks
        last = np.arange(n - n_first)
        subsets = ((np.arange(1 << last.size)[:, None] >> last) & 1) > 0
        tables = LastTasks(subsets, v, priced, n_first)
        members: list[BoolArray] = []
        values: list[FloatArray] = []
        n_found = 0
        for i in np.argsort(-bounds, kind="stable").tolist():
            if (deadline is not None and time.monotonic() > deadline) or n_found > max_found:
                return *_sorted_groups(members, values, n, max_found), float(bounds[i])
            hit = tables.above(np.flatnonzero(chosen[i, :n_first]), threshold, self.max_size)
            if hit.size:
                found = np.repeat(chosen[i : i + 1], hit.size, axis=0)
                found[:, n_first:] = subsets[hit]
                saved = _saved(found, v, priced)
                found, saved = found[saved > threshold], saved[saved > threshold]
                members.append(found)
                values.append(saved)
                n_found += len(found)
        return *_sorted_groups(members, values, n, max_found), -np.inf


def _saved(members: BoolArray, v: FloatArray, priced: FloatArray) -> FloatArray:
    """Compute what each group saves, ``[K]``."""
    partners = np.maximum(1, members.sum(axis=1, keepdims=True) - 1)
    losses = (members.astype(np.float64) @ priced.T) / partners
    saved: FloatArray = np.where(members, np.maximum(0.0, v - losses), 0.0).sum(axis=1)
    return saved


def _sorted_groups(
    members: list[BoolArray], values: list[FloatArray], n: int, limit: int
) -> tuple[BoolArray, FloatArray]:
    if not members:
        return np.zeros((0, n), dtype=np.bool_), np.zeros(0)
    all_members, all_values = np.concatenate(members), np.concatenate(values)
    best = np.argsort(-all_values, kind="stable")[:limit]
    return all_members[best], all_values[best]


def _sums_of_smallest(pairs: FloatArray, first: int) -> FloatArray:
    """Sum the q smallest ``pairs[i, j]`` over undecided j >= first, j != i: ``[N, |U| + 1]``."""
    n = len(pairs)
    rest = np.where(np.eye(n, dtype=np.bool_), np.inf, pairs)[:, first:]
    sums = np.cumsum(np.sort(rest, axis=1), axis=1)
    return np.concatenate([np.zeros((n, 1)), sums], axis=1)


def _tighten(
    by_size: SingleArray,
    chosen: BoolArray,
    sums: FloatArray,
    v: FloatArray,
    smallest: FloatArray,
    first: int,
    threshold: float,
) -> None:
    """Lower the bounds of partial groups, ``[K, N + 1]`` by final size, where they are above the threshold.

    The bound of a size only falls while tasks are decided, so one that is low enough is not computed again.
    """
    n = len(v)
    sizes = chosen.sum(axis=1)
    final = np.arange(n + 1)
    by_size[(final < sizes[:, None]) | (final > sizes[:, None] + n - first)] = -np.inf
    for q in range(n - first + 1):
        rows = np.flatnonzero(by_size[np.arange(len(sizes)), np.minimum(sizes + q, n)] > threshold)
        rows = rows[sizes[rows] + q <= n]
        if not rows.size:
            continue
        total = sizes[rows] + q
        scale = 1.0 / np.maximum(1.0, total - 1.0)
        part = sums[rows]
        kept = v[:first] - (part[:, :first] + smallest[:first, q]) * scale[:, None]
        saved = (np.maximum(kept, 0.0, out=kept) * chosen[rows, :first]).sum(axis=1)
        if q:
            new = v[first:] - (part[:, first:] + smallest[first:, q - 1]) * scale[:, None]
            np.maximum(new, 0.0, out=new)
            if q < new.shape[1]:
                new = np.partition(new, new.shape[1] - q, axis=1)[:, new.shape[1] - q :]
            saved += new.sum(axis=1)
        rounded_up = np.nextafter(saved.astype(np.float32), np.float32(np.inf))
        by_size[rows, total] = np.minimum(by_size[rows, total], rounded_up)


def _parts(n: int) -> list[slice]:
    return [slice(start, start + _BATCH) for start in range(0, n, _BATCH)]
