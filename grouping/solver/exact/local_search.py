"""Good groupings at once: greedy addition, then exchanges of one network until none helps.

Greedy addition takes, again and again, the candidate that lowers the loss most for what it costs. To exchange
a chosen candidate r for another one n (fast interchange; Whitaker, 1983) changes the loss by

    -gain[n] + drop[r] - both[n, r]

    gain[n]    = sum over b of  max(0, m1[b] - L[n, b])
    drop[r]    = sum over b served by r of  m2[b] - m1[b]
    both[n, r] = sum over b served by r, L[n, b] < m2[b], of  m2[b] - max(L[n, b], m1[b])

with m1 the least and m2 the second least loss of a block among the chosen. After an exchange only the blocks
whose m1 or m2 changes are looked at again (Resende and Werneck, 2007). Where costs differ, what an exchange
leaves of the limits is filled, and chosen candidates are dropped one after another to refill their place.
A choice that no exchange improves is perturbed: a part of it is left out by lot, and searched anew.

A block that nobody serves counts `UNSERVED` times the largest loss, so that covers are found first.
"""

from __future__ import annotations

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import is_past
from grouping.solver.exact.cells import InstanceCells
from grouping.solver.exact.instance import BoolArray, Instance, IntArray

UNSERVED = 4.0
"""Scaled loss of a block without a server, in largest losses for each block."""
_LEAST_GAIN = 1e-12
_LEFT_OUT = 0.25
_CELLS_PERTURBED = 30_000_000
_MOST_PAIRS = 1_000_000
"""Pairs of a candidate and a chosen one that are compared at once; of more candidates the best are taken."""


class LocalSearch:
    """Heuristics on one instance that is no partition, under one set of limits.

    Args:
        instance: candidates and limits.
        limits: ``[R]``.
        cells: of the candidates that fit the limits alone.
    """

    def __init__(self, instance: Instance, limits: FloatArray, cells: InstanceCells) -> None:
        self._instance = instance
        self._cells = cells
        self._penalty = UNSERVED * (instance.n_blocks + 1.0)
        finite = np.isfinite(limits)
        self._costs, self._most = instance.costs[:, finite], limits[finite]
        self._shares = (self._costs / np.maximum(self._most, 1e-300)).max(axis=1, initial=0.0)
        self._has_one_cost = bool(self._costs.size and (self._costs == self._costs[:1]).all())
        self._usable = np.unique(cells.candidates)
        self._allowed = np.asarray((self._costs <= self._most).all(axis=1))

    def best(self, start: tuple[int, ...] = (), *, deadline: float | None = None) -> tuple[int, ...]:
        """Return a choice that no exchange improves; not always a cover.

        Args:
            start: candidates to start from; what does not fit is left out.
            deadline: a time of `time.monotonic`; past it the choice is as good as it has become.
        """
        chosen = self._filled(self._fitting(start))
        value = self._value(chosen)
        while not is_past(deadline):
            exchanged = self._exchanged(chosen, deadline)
            filled = self._filled(exchanged)
            if not self._has_one_cost:
                filled = self._replaced(filled, deadline)
            new = self._value(filled)
            if new >= value - _LEAST_GAIN:
                break
            chosen, value = filled, new
        return tuple(sorted(chosen))

    def perturbed(
        self, chosen: tuple[int, ...], most_rounds: int, *, deadline: float | None = None
    ) -> tuple[int, ...]:
        """Leave out a quarter of a choice by lot, search from the rest, and keep what is better, in rounds.

        The same every time; on large tables there are fewer rounds, so that it stays short.

        Args:
            chosen: a valid choice.
            most_rounds: number of rounds on small tables.
            deadline: a time of `time.monotonic`.
        """
        generator = np.random.default_rng(0)
        value = self._value(list(chosen))
        for _ in range(min(most_rounds, _CELLS_PERTURBED // max(1, self._cells.losses.size))):
            if is_past(deadline):
                break
            kept = generator.random(len(chosen)) >= _LEFT_OUT
            other = self.best(
                tuple(n for n, keep in zip(chosen, kept, strict=True) if keep), deadline=deadline
            )
            new = self._value(list(other))
            if new < value - _LEAST_GAIN:
                chosen, value = other, new
        return chosen

    def _fitting(self, start: tuple[int, ...]) -> list[int]:
        chosen = np.flatnonzero(self._instance.is_forced).tolist()
        left = self._most - self._costs[chosen].sum(axis=0)
        for n in start:
            if n not in chosen and self._allowed[n] and (self._costs[n] <= left).all():
                chosen.append(n)
                left = left - self._costs[n]
        return chosen

    def _least(self, chosen: list[int]) -> FloatArray:
        """Return ``[B]``: the least loss of each block among the chosen."""
        losses = self._instance.losses[chosen].min(axis=0, initial=np.inf)
        return np.asarray(np.where(np.isfinite(losses), losses, self._penalty))

    def _value(self, chosen: list[int]) -> float:
        return float(self._least(chosen).sum())

    def _filled(self, chosen: list[int]) -> list[int]:
        """Add the candidates that save most for their cost, while any fits."""
        cells, n_candidates = self._cells, self._instance.n_candidates
        chosen = list(chosen)
        least = self._least(chosen)
        saved = np.maximum(0.0, least[cells.blocks] - cells.losses)
        gain = np.bincount(cells.candidates, weights=saved, minlength=n_candidates)
        left = self._most - self._costs[chosen].sum(axis=0)
        while True:
            fits = (gain > _LEAST_GAIN) & (self._costs <= left).all(axis=1)
            fits[chosen] = False
            if not fits.any():
                return chosen
            n = int(np.argmax(np.where(fits, gain / np.maximum(self._shares, 1e-12), -1.0)))
            chosen.append(n)
            left = left - self._costs[n]
            own = cells.of_candidates(np.array([n]))
            own = own[cells.losses[own] < least[cells.blocks[own]]]
            blocks, before = cells.blocks[own], least.copy()
            least[blocks] = cells.losses[own]
            at = cells.below(blocks, before[blocks])
            lost = np.minimum(before[cells.blocks[at]] - cells.losses[at], (before - least)[cells.blocks[at]])
            gain -= np.bincount(cells.candidates[at], weights=lost, minlength=n_candidates)

    def _exchanged(self, chosen: list[int], deadline: float | None) -> list[int]:
        free = [n for n in chosen if not self._instance.is_forced[n]]
        if not free:
            return chosen
        table = _Exchange(self._instance, self._cells, chosen, self._penalty, self._shortlist(len(chosen)))
        while not is_past(deadline):
            slack = self._most - self._costs[table.chosen].sum(axis=0)
            if not table.apply_best(self._costs, slack):
                break
        return [int(n) for n in table.chosen]

    def _shortlist(self, n_chosen: int) -> IntArray:
        """Return the candidates that exchanges look at: all, or those that serve best for their cost."""
        most = max(1_000, _MOST_PAIRS // max(1, n_chosen))
        if self._usable.size <= most:
            return self._usable
        cells = self._cells
        rank = np.arange(cells.blocks.size) - cells.starts[cells.blocks]
        best = np.full(self._instance.n_candidates, np.iinfo(np.int64).max)
        np.minimum.at(best, cells.candidates, rank)
        return np.sort(self._usable[np.argsort(best[self._usable], kind="stable")[:most]])

    def _replaced(self, chosen: list[int], deadline: float | None) -> list[int]:
        """Drop chosen candidates one after another and fill their places; keep what is better."""
        value = self._value(chosen)
        for n in [n for n in chosen if not self._instance.is_forced[n]]:
            if n not in chosen or is_past(deadline):
                continue
            other = self._filled([m for m in chosen if m != n])
            new = self._value(other)
            if new < value - _LEAST_GAIN:
                chosen, value = other, new
        return chosen


class _Exchange:
    """The table of all exchanges, kept up to date from one exchange to the next; see the module."""

    def __init__(
        self, instance: Instance, cells: InstanceCells, chosen: list[int], penalty: float, offered: IntArray
    ) -> None:
        self._instance = instance
        self._cells = cells
        self._penalty = penalty
        self._offered = offered
        self._place = np.full(instance.n_candidates, -1, dtype=np.int64)
        self._place[offered] = np.arange(offered.size)
        self.chosen = np.array(chosen, dtype=np.int64)
        losses = instance.losses[self.chosen]
        self._held = np.where(np.isfinite(losses), losses, penalty)  # [k, B]
        n_blocks = instance.n_blocks
        self._first = np.zeros(n_blocks)
        self._second = np.zeros(n_blocks)
        self._server = np.zeros(n_blocks, dtype=np.int64)
        self._gain = np.zeros(offered.size)
        self._drop = np.zeros(len(chosen))
        self._both = np.zeros((offered.size, len(chosen)))
        every = np.arange(n_blocks)
        self._look(every)
        self._count(every, 1.0)

    def apply_best(self, costs: FloatArray, slack: FloatArray) -> bool:
        """Carry out the exchange that lowers the loss most within the slack; return False if none does."""
        change = self._both - self._drop
        change += self._gain[:, None]
        change[self._place[self.chosen[self._place[self.chosen] >= 0]]] = -1.0
        change[:, self._instance.is_forced[self.chosen]] = -1.0
        for r in range(costs.shape[1]):
            room = slack[r] + costs[self.chosen, r]
            if costs[self._offered, r].max(initial=0.0) > room.min():
                change[costs[self._offered, r][:, None] > room[None, :]] = -1.0
        best = int(change.argmax())
        i, q = divmod(best, len(self.chosen))
        if change[i, q] <= _LEAST_GAIN * (1.0 + self._penalty):
            return False
        self._swap(int(self._offered[i]), q)
        return True

    def _swap(self, n: int, q: int) -> None:
        row = self._instance.losses[n]
        row = np.where(np.isfinite(row), row, self._penalty)
        changed: BoolArray = (self._held[q] <= self._second) | (row < self._second)
        blocks = np.flatnonzero(changed)
        self._count(blocks, -1.0)
        self._held[q] = row
        self.chosen[q] = n
        self._look(blocks)
        self._count(blocks, 1.0)

    def _look(self, blocks: IntArray) -> None:
        """Find the least and second least losses of these blocks among the chosen."""
        held = self._held[:, blocks]
        server = held.argmin(axis=0)
        here = np.arange(blocks.size)
        self._server[blocks] = server
        self._first[blocks] = held[server, here]
        if len(held) == 1:
            self._second[blocks] = self._penalty
        else:
            self._second[blocks] = np.partition(held, 1, axis=0)[1]

    def _count(self, blocks: IntArray, sign: float) -> None:
        """Add what these blocks say of every exchange to the table, or take it away."""
        cells = self._cells
        np.add.at(self._drop, self._server[blocks], sign * (self._second[blocks] - self._first[blocks]))
        at = cells.below(blocks, self._second[blocks])
        place = self._place[cells.candidates[at]]
        at, place = at[place >= 0], place[place >= 0]
        of, losses = cells.blocks[at], cells.losses[at]
        saved = np.maximum(0.0, self._first[of] - losses)
        self._gain += sign * np.bincount(place, weights=saved, minlength=self._gain.size)
        together = self._second[of] - np.maximum(losses, self._first[of])
        pairs = place * len(self.chosen) + self._server[of]
        flat = self._both.reshape(-1)
        if at.size * 8 < flat.size:
            np.add.at(flat, pairs, sign * together)
        else:
            flat += sign * np.bincount(pairs, weights=together, minlength=flat.size)
