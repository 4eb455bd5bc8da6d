"""Dynamic programme that finds the optima of many draws of the losses at once.

Made for the few blocks and resource costs of most tables. Let ``g[P, k]`` be the least loss at which one
network of cost class k (networks that use every limited resource alike) serves the set P of blocks. Then

    F[S, u] = min over P in S that holds the lowest block of S, and over k:  F[S - P, u - c[k]] + g[P, k]

is the least loss of serving S with resources u (set covering by dynamic programming; Bjorklund, Husfeldt and
Koivisto, 2009, describe the general form). A network may appear twice in it, which is never better than
serving both sets from it once, so the least over all u is the exact optimum. Its work grows with ``3^B`` for
B blocks and with the number of attainable u, so `DrawProgramme.build` refuses where it is not worth it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.exact.instance import Instance, IntArray

MAX_BLOCKS = 10
MAX_USE_LEVELS = 100
MAX_SERVED_SETS = 200_000


@dataclass(frozen=True, eq=False)
class DrawProgramme:
    """The dynamic programme for one instance, without the losses; see the module.

    Attributes:
        instance: the candidates.
        forced: candidates chosen in advance.
        classes: candidates of each cost class, ``K`` arrays.
        steps: for each class the pairs of levels ``(before, after)`` that one of its networks leads through.
        uses: ``[U, L]``, attainable uses of the limited resources; the first is no use.
        limited: ``[R]``, which resources are limited.
    """

    instance: Instance
    forced: IntArray
    classes: tuple[IntArray, ...]
    steps: tuple[tuple[IntArray, IntArray], ...]
    uses: FloatArray
    limited: NDArray[np.bool_]

    @property
    def n_levels(self) -> int:
        """The number `U` of attainable uses of the limited resources."""
        return len(self.uses)

    @classmethod
    def build(cls, instance: Instance, limits: FloatArray) -> DrawProgramme | None:
        """Build the programme of an instance, or return None where it would be too large."""
        if instance.n_blocks > MAX_BLOCKS:
            return None
        served = instance.losses.n_served
        if (2.0**served).sum() > MAX_SERVED_SETS:
            return None
        limited = np.isfinite(limits)
        costs, most = instance.costs[:, limited], limits[limited]
        usable = np.flatnonzero(~instance.is_forced & (costs <= most).all(axis=1) & (served > 0))
        kinds, kind = np.unique(costs[usable], axis=0, return_inverse=True)
        levels = _levels(kinds, most, instance.n_blocks)
        if levels is None:
            return None
        steps = []
        for added in kinds:
            pairs = [
                (before, levels[key])
                for use, before in levels.items()
                if (key := _key(np.array(use) + added)) in levels
            ]
            steps.append((np.array([p[0] for p in pairs], int), np.array([p[1] for p in pairs], int)))
        classes = tuple(usable[kind.reshape(-1) == k] for k in range(len(kinds)))
        return cls(
            instance,
            np.flatnonzero(instance.is_forced),
            classes,
            tuple(steps),
            np.array(list(levels)),
            limited,
        )

    @property
    def numbers_per_draw(self) -> int:
        """Number of floats that one draw takes in memory, about."""
        served = self.instance.losses.n_served
        return int((2.0**served).sum() + 2**self.instance.n_blocks * (self.n_levels + 2 * len(self.classes)))

    def solve(self, losses: FloatArray, limits: Sequence[FloatArray]) -> list[list[tuple[int, ...]]]:
        """Find the best candidates of each draw under each of the limits.

        Losses are ``[N, B, D]``, infinite where a cell cannot serve; no limit is above the one of `build`.
        """
        n_blocks, n_draws = losses.shape[1:]
        by_forced = losses[self.forced].min(axis=0, initial=np.inf)
        least, server = self._least(losses)
        table = np.full((2**n_blocks, self.n_levels, n_draws), np.inf)
        table[0, 0] = 0.0
        for mask in range(1, 2**n_blocks):
            low = mask & -mask
            parts = np.array([part | low for part in _submasks(mask ^ low)])
            if self.forced.size:
                np.minimum(table[mask], table[mask ^ low] + by_forced[low.bit_length() - 1], out=table[mask])
            for k, (before, after) in enumerate(self.steps):
                rest = table[(mask ^ parts)[:, None], before] + least[parts, k][:, None]
                table[mask, after] = np.minimum(table[mask, after], rest.min(axis=0))
        return [self._trace(table, least, server, by_forced, self._within(each)) for each in limits]

    def _within(self, limits: FloatArray) -> NDArray[np.bool_]:
        """Return ``[U]``: whether a limit allows each use of the resources."""
        return np.asarray((self.uses <= limits[self.limited]).all(axis=1))

    def _least(self, losses: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return ``[2^B, K, D]``: least loss of serving a set of blocks by a class, and who serves it."""
        n_blocks, n_draws = losses.shape[1:]
        least = np.full((2**n_blocks, len(self.classes), n_draws), np.inf)
        server = np.full(least.shape, -1, dtype=np.int64)
        usable = np.isfinite(losses[:, :, 0])
        whole = usable @ (1 << np.arange(n_blocks))
        for k, members in enumerate(self.classes):
            sums: list[tuple[IntArray, FloatArray]] = [(members, np.zeros((len(members), n_draws)))]
            for mask in range(1, 2**n_blocks):
                high = mask.bit_length() - 1
                rows, partial = sums[mask ^ (1 << high)]
                keep = usable[rows, high]
                rows = rows[keep]
                total = partial[keep] + losses[rows, high]
                sums.append((rows, total))
                if self.instance.is_partition:
                    exact = whole[rows] == mask
                    rows, total = rows[exact], total[exact]
                if rows.size:
                    best = total.argmin(axis=0)
                    least[mask, k] = total[best, np.arange(n_draws)]
                    server[mask, k] = rows[best]
        return least, server

    def _trace(
        self,
        table: FloatArray,
        least: FloatArray,
        server: IntArray,
        by_forced: FloatArray,
        within: NDArray[np.bool_],
    ) -> list[tuple[int, ...]]:
        """Follow each draw's optimum back to its networks; draws in the same state go together."""
        n_draws = table.shape[2]
        chosen = [set(self.forced.tolist()) for _ in range(n_draws)]
        whole = np.where(within[:, None], table[-1], np.inf)
        final = whole.argmin(axis=0)
        waiting: dict[int, dict[int, list[int]]] = {}
        solved = np.flatnonzero(np.isfinite(whole.min(axis=0)))
        _file(waiting, len(table) - 1, final[solved], solved)
        for mask in range(len(table) - 1, 0, -1):
            low = mask & -mask
            parts = np.array([part | low for part in _submasks(mask ^ low)])
            for level, filed in waiting.pop(mask, {}).items():
                draws = np.array(filed)
                options, moves = [], []
                if self.forced.size:
                    rest = table[mask ^ low, level, draws] + by_forced[low.bit_length() - 1, draws]
                    options.append(rest[None])
                    moves.append((np.array([low]), level, -1))
                for k, (before, after) in enumerate(self.steps):
                    if (at := np.flatnonzero(after == level)).size:
                        earlier = int(before[at[0]])
                        rest = table[mask ^ parts, earlier][:, draws] + least[parts, k][:, draws]
                        options.append(rest)
                        moves.append((parts, earlier, k))
                which = np.concatenate(options).argmin(axis=0)
                first = 0
                for tried, earlier, k in moves:
                    for i, part in enumerate(tried.tolist(), start=first):
                        taken = draws[which == i]
                        if k >= 0:
                            for d in taken.tolist():
                                chosen[d].add(int(server[part, k, d]))
                        _file(waiting, mask ^ part, np.full(len(taken), earlier), taken)
                    first += len(tried)
        is_solved = np.isin(np.arange(n_draws), solved)
        return [tuple(sorted(chosen[d])) if is_solved[d] else () for d in range(n_draws)]


def _file(waiting: dict[int, dict[int, list[int]]], mask: int, levels: IntArray, draws: IntArray) -> None:
    for level, d in zip(levels.tolist(), draws.tolist(), strict=True):
        waiting.setdefault(mask, {}).setdefault(level, []).append(d)


def _submasks(mask: int) -> Iterator[int]:
    part = mask
    while part:
        yield part
        part = (part - 1) & mask
    yield 0


def _key(use: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{x:.12g}") for x in use)


def _levels(kinds: FloatArray, most: FloatArray, n_blocks: int) -> dict[tuple[float, ...], int] | None:
    """Attainable uses of the resources by up to one network per block; None if there are too many."""
    nothing = _key(np.zeros(len(most)))
    levels = {nothing: 0}
    newest = [nothing]
    for _ in range(n_blocks):
        reached = []
        for use in newest:
            for added in kinds:
                total = np.array(use) + added
                key = _key(total)
                if key not in levels and (total <= most).all():
                    levels[key] = len(levels)
                    reached.append(key)
                    if len(levels) > MAX_USE_LEVELS:
                        return None
        newest = reached
    return levels
