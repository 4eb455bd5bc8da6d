"""Enumeration of all groupings up to a given loss, by branching on who serves which block.

At a node some networks C are chosen; ``m[b]`` is the least loss of block b in them. For the duals v, price of
`grouping.solver.exact.column_generation` every grouping S that contains C costs at least

    sum over decided b of m[b]  +  sum over open b of min(v[b], m[b])
        -  sum_r price[r] (what C leaves of limit[r])  +  sum of the k most negative reduced costs

since a further network saves at most what it is priced at. A node picks the open block with the fewest
continuations within the wanted loss and branches on its server: one of C, or one more candidate; whatever
would serve the block better is ruled out below (of equal losses the earlier candidate serves). So each
set of networks is met exactly once, and with near-optimal duals hardly any other node is.

This finds ties and the best k groupings at the price of little more than one solve, where excluding found
sets one by one ("no-good cuts") solves the programme again for each.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import is_past
from grouping.solver.exact.column_generation import Relaxed
from grouping.solver.exact.instance import BoolArray, Instance, IntArray

MAX_NODES = 5_000
_LOOKED_AT_UNTIMED = 1_000_000
"""Numbers that are looked at before the clock is."""


@dataclass(frozen=True, slots=True)
class Enumerated:
    """The groupings that an enumeration found.

    Attributes:
        choices: sets of candidates (forced ones included) with their scaled values, best first.
        is_complete: whether there is no other within the wanted value, or none better than the last one
            where only the best few were asked for.
    """

    choices: tuple[tuple[float, tuple[int, ...]], ...]
    is_complete: bool


@dataclass(slots=True)
class _Node:
    chosen: tuple[int, ...]
    served: FloatArray  # [B] least loss among the chosen
    server: IntArray  # [B] who serves at it, -1 for nobody
    is_open: BoolArray  # [B]
    left: FloatArray  # [R] what is left of the limits
    allowed: IntArray  # candidates that may still be chosen


def enumerate_groupings(
    instance: Instance,
    relaxed: Relaxed,
    at_most: float,
    *,
    tolerance: float = 0.0,
    n_best: int | None = None,
    n_stop: int | None = None,
    max_nodes: int = MAX_NODES,
    deadline: float | None = None,
) -> Enumerated:
    """Find every minimal set of candidates within the limits whose value is at most `at_most`.

    A set is minimal if no candidate can be left out at the same value, up to `tolerance`.

    Args:
        instance: candidates in the order that decides between equal losses.
        relaxed: duals of this instance or of one with more candidates; ``reduced_costs`` are those of
            these candidates.
        at_most: scaled value.
        tolerance: scaled difference that does not count.
        n_best: keep only this many, the best.
        n_stop: stop after this many groupings.
        max_nodes: give up after this many nodes.
        deadline: a time of `time.monotonic`.
    """
    search = _Search(instance, relaxed, at_most, tolerance, n_best)
    stack = [search.root()]
    nodes, every = 0, max(1, min(64, _LOOKED_AT_UNTIMED // max(1, instance.losses.size)))
    while stack:
        node = stack.pop()
        nodes += 1
        is_late = nodes % every == 0 and is_past(deadline)
        if nodes > max_nodes or is_late or (n_stop is not None and len(search.found) > n_stop):
            return Enumerated(search.result(), is_complete=False)
        stack.extend(reversed(search.children(node)))
    return Enumerated(search.result(), is_complete=True)


class _Search:
    def __init__(
        self, instance: Instance, relaxed: Relaxed, at_most: float, tolerance: float, n_best: int | None
    ) -> None:
        self.instance = instance
        self.at_most = at_most
        self.tolerance = tolerance
        self.n_best = n_best
        self.values = relaxed.values
        finite = np.isfinite(instance.limits)
        self.prices = np.where(finite, relaxed.prices, 0.0)
        negative = np.sort(relaxed.reduced_costs[relaxed.reduced_costs < 0.0])
        self.slack = float(negative.sum())
        self.found: list[
            tuple[float, tuple[int, ...]]
        ] = []  # a heap of the negated values when n_best is given

    def root(self) -> _Node:
        instance = self.instance
        forced = np.flatnonzero(instance.is_forced)
        served = np.full(instance.n_blocks, np.inf)
        server = np.full(instance.n_blocks, -1, dtype=np.int64)
        for n in forced:
            better = instance.losses[n] < served
            served = np.where(better, instance.losses[n], served)
            server[better] = n
        is_open = np.ones(instance.n_blocks, dtype=np.bool_)
        allowed = np.flatnonzero(~instance.is_forced)
        if instance.is_partition:
            is_open = ~np.isfinite(served)
        return _Node(
            tuple(forced.tolist()),
            served,
            server,
            is_open,
            instance.limits.copy(),
            allowed,
        )

    def children(self, node: _Node) -> list[_Node]:
        """Return continuations of a node, most promising first; record a complete choice instead."""
        instance = self.instance
        if not node.is_open.any():
            self._record(node)
            return []
        finite = np.isfinite(node.left)
        floor = np.where(node.is_open, np.minimum(self.values, node.served), node.served)
        rest = -float(self.prices[finite] @ node.left[finite]) + self.slack
        base = float(floor.sum()) + rest
        fits = (instance.costs[node.allowed] <= node.left).all(axis=1)
        allowed = node.allowed[fits]
        losses = instance.losses[allowed]
        if instance.is_partition:
            served = np.isfinite(losses)
            gain = np.where(served, np.where(served, losses, 0.0) - floor, 0.0).sum(axis=1)
        else:
            gain = np.where(node.is_open, np.minimum(losses - floor, 0.0), 0.0).sum(axis=1)
        priced = base + gain + instance.costs[allowed][:, finite] @ self.prices[finite]
        keep = priced <= self.at_most
        allowed, losses, priced = allowed[keep], losses[keep], priced[keep]
        better = (losses < node.served) | ((losses == node.served) & (allowed[:, None] < node.server))
        better &= node.is_open & np.isfinite(losses)
        if instance.is_partition:
            extra = np.zeros_like(losses)
            stay = np.full(instance.n_blocks, np.inf)
        else:
            with np.errstate(invalid="ignore"):
                extra = np.maximum(0.0, losses - np.minimum(self.values, node.served))
            stay = base - floor + node.served
        bounds = np.where(better, priced[:, None] + extra, np.inf)
        n_children = (bounds <= self.at_most).sum(axis=0) + (stay <= self.at_most)
        b = int(np.argmin(np.where(node.is_open, n_children, instance.n_candidates + 2)))
        found: list[tuple[float, int]] = [
            (float(bounds[i, b]), i) for i in np.flatnonzero(bounds[:, b] <= self.at_most).tolist()
        ]
        if stay[b] <= self.at_most:
            found.append((float(stay[b]), -1))
        found.sort()
        return [self._child(node, b, i, allowed, losses) for _, i in found]

    def _child(self, node: _Node, b: int, i: int, allowed: IntArray, losses: FloatArray) -> _Node:
        instance = self.instance
        column = losses[:, b]
        if i < 0:
            loss, server = node.served[b], node.server[b]
        else:
            loss, server = column[i], allowed[i]
        beaten = (column > loss) | ((column == loss) & (allowed > server))
        if i < 0:
            is_open = node.is_open.copy()
            is_open[b] = False
            return _Node(node.chosen, node.served, node.server, is_open, node.left, allowed[beaten])
        row, n = losses[i], int(server)
        is_open = node.is_open.copy()
        if instance.is_partition:
            taken = np.isfinite(row)
            is_open &= ~taken
            beaten = ~(np.isfinite(losses) & taken).any(axis=1)
            better = taken
        else:
            is_open[b] = False
            better = (row < node.served) | ((row == node.served) & (n < node.server))
        return _Node(
            (*node.chosen, n),
            np.where(better, row, node.served),
            np.where(better, n, node.server),
            is_open,
            node.left - instance.costs[n],
            allowed[beaten],
        )

    def _record(self, node: _Node) -> None:
        chosen = tuple(sorted(node.chosen))
        value = float(node.served.sum())
        if value > self.at_most or not self._is_minimal(chosen, value):
            return
        if self.n_best is None:
            self.found.append((value, chosen))
            return
        heapq.heappush(self.found, (-value, chosen))
        if len(self.found) > self.n_best:
            heapq.heappop(self.found)
        if len(self.found) == self.n_best:
            self.at_most = min(self.at_most, -self.found[0][0])

    def _is_minimal(self, chosen: tuple[int, ...], value: float) -> bool:
        instance = self.instance
        for n in chosen:
            rest = [m for m in chosen if m != n]
            if not instance.is_forced[n] and instance.value(rest) <= value + self.tolerance:
                return False
        return True

    def result(self) -> tuple[tuple[float, tuple[int, ...]], ...]:
        if self.n_best is None:
            return tuple(sorted(self.found))
        return tuple(sorted((-negated, chosen) for negated, chosen in self.found))
