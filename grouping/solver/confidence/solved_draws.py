"""Exact optima of many draws of the losses, under the same networks, demands and budget.

For the few blocks and resource costs of most tables one dynamic programme serves all draws at once. Let
``g[P, k]`` be the least loss at which one network of cost class k (networks that use every limited resource
alike) serves the set P of blocks. Then

    F[S, u] = min over P in S that holds the lowest block of S, and over k:  F[S - P, u - c[k]] + g[P, k]

is the least loss of serving S with resources u (set covering by dynamic programming; Bjorklund, Husfeldt and
Koivisto, 2009, describe the general form). A network may appear twice in it, which is never better than
serving both sets from it once, so the least over all u is the exact optimum. Its work grows with ``3^B`` for
B blocks and with the number of attainable u; beyond what is worth it, each draw goes to
`grouping.solver.exact.bound_and_fix`, which starts from the winners of the draws before it. Both are exact.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grouping.domain.scores import FloatArray
from grouping.solver.exact.bound_and_fix import ExactSearch
from grouping.solver.exact.instance import Instance, IntArray

MAX_BLOCKS = 10
MAX_LEVELS = 100
MAX_SERVED_SETS = 200_000
ROUGH_NODES = 1_000
"""Nodes of the search for one draw where `choose_in_draws` does not need the proof."""
_CHUNK_NUMBERS = 1 << 22


@dataclass(frozen=True, eq=False)
class DrawnOptima:
    """Optima of the draws that were solved in time, the first of those given.

    Attributes:
        values: ``[D]`` least loss of each draw, in the unit of the losses given; infinite if nothing fits.
        chosen: the candidates that attain it, forced ones included, each draw's own; empty if nothing fits.
    """

    values: FloatArray
    chosen: tuple[tuple[int, ...], ...]


def solve_draws(
    instance: Instance,
    limits: FloatArray,
    draws: FloatArray,
    *,
    starts: Sequence[tuple[int, ...]] = (),
    deadline: float | None = None,
    max_nodes: int | None = None,
) -> DrawnOptima:
    """Find the optimum of every draw.

    Args:
        instance: candidates, demands and costs; its losses say only which cells may serve (the finite ones).
        limits: ``[R]``, from `Instance.limits_for`.
        draws: ``[D, N, B]`` losses of the blocks in the candidates, in any unit; read where the instance's
            are finite.
        starts: known choices of candidates.
        deadline: a time of `time.monotonic`; draws it leaves no time for are left out at the end.
        max_nodes: where draws are solved one by one, settle for the best found by so many nodes.
    """
    if instance.is_contradictory or (limits < 0).any():
        return DrawnOptima(np.full(len(draws), np.inf), ((),) * len(draws))
    programme = _Programme.build(instance, limits)
    if programme is None:
        return _one_by_one(instance, limits, draws, starts, deadline, max_nodes)
    size = max(1, _CHUNK_NUMBERS // programme.numbers_per_draw)
    chosen: list[tuple[int, ...]] = []
    for start in range(0, len(draws), size):
        if start and deadline is not None and time.monotonic() > deadline:
            break
        (part,) = programme.solve(_cells(instance, draws[start : start + size]), [limits])
        chosen += part
    values = [losses_of(instance, draw, choice) for draw, choice in zip(draws, chosen, strict=False)]
    return DrawnOptima(np.array(values, dtype=np.float64), tuple(chosen))


def choose_in_draws(
    instance: Instance, budgets_snt: Sequence[float], draws: FloatArray
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Choose candidates for every draw at every inference budget, ``[D][B]``.

    A choice is optimal where the dynamic programme is used. Beyond that it is the best that a search over
    `ROUGH_NODES` nodes finds, which is optimal or nearly so, and the same every time.

    Args:
        instance: as in `solve_draws`.
        budgets_snt: inference budgets; one dynamic programme serves them all where it is worth it.
        draws: ``[D, N, B]`` losses of the blocks in the candidates, in any unit.
    """
    limits = [instance.limits_for(budget) for budget in budgets_snt]
    programme = None if instance.is_contradictory else _Programme.build(instance, np.max(limits, axis=0))
    if programme is None:
        return tuple(_rough_choices(instance, limits, draw) for draw in draws)
    size = max(1, _CHUNK_NUMBERS // programme.numbers_per_draw)
    chosen: list[tuple[tuple[int, ...], ...]] = []
    for start in range(0, len(draws), size):
        parts = programme.solve(_cells(instance, draws[start : start + size]), limits)
        chosen += zip(*parts, strict=True)
    return tuple(chosen)


def _cells(instance: Instance, draws: FloatArray) -> FloatArray:
    """Return losses as ``[N, B, D]``, infinite where a cell cannot serve."""
    cells = np.where(np.isfinite(instance.losses), draws, np.inf)
    return np.ascontiguousarray(np.moveaxis(cells, 0, 2))


def losses_of(instance: Instance, losses: FloatArray, chosen: Sequence[int]) -> float:
    """Return the total least loss at which these candidates serve all blocks; infinite if they cannot."""
    if not chosen:
        return np.inf
    index = list(chosen)
    served = np.where(np.isfinite(instance.losses[index]), losses[index], np.inf)
    return float(served.min(axis=0).sum())


def _one_by_one(
    instance: Instance,
    limits: FloatArray,
    draws: FloatArray,
    starts: Sequence[tuple[int, ...]],
    deadline: float | None,
    max_nodes: int | None,
) -> DrawnOptima:
    known = list(dict.fromkeys(starts))
    values, chosen = [], []
    for draw in draws:
        engine = _engine_of(instance, draw)
        optimum = engine.solve(limits, starts=known, deadline=deadline, max_nodes=max_nodes)
        if not (optimum.is_proven or max_nodes):
            break
        choice = optimum.chosen or ()
        if choice and choice not in known:
            known.append(choice)
        values.append(losses_of(instance, draw, choice))
        chosen.append(choice)
    return DrawnOptima(np.array(values, dtype=np.float64), tuple(chosen))


def _rough_choices(
    instance: Instance, limits: Sequence[FloatArray], draw: FloatArray
) -> tuple[tuple[int, ...], ...]:
    """Candidates for one draw under each of the limits; columns and choices serve the next larger budget."""
    engine = _engine_of(instance, draw)
    found: dict[int, tuple[int, ...]] = {}
    for b in sorted(range(len(limits)), key=lambda b: float(limits[b][0])):
        known = list(dict.fromkeys(choice for choice in found.values() if choice))
        found[b] = engine.solve(limits[b], starts=known, max_nodes=ROUGH_NODES).chosen or ()
    return tuple(found[b] for b in range(len(limits)))


def _engine_of(instance: Instance, draw: FloatArray) -> ExactSearch:
    """Return a search of the instance with the losses of a draw, ``[N, B]``, scaled like an instance."""
    usable = np.isfinite(instance.losses)
    cells = np.where(usable, draw, np.inf)
    floors = cells.min(axis=0, initial=np.inf)
    cells = cells - np.where(np.isfinite(floors), floors, 0.0)
    unit = float(cells[usable].max(initial=0.0)) or 1.0
    return ExactSearch(replace(instance, losses=cells / unit))


@dataclass(frozen=True, eq=False)
class _Programme:
    """The dynamic programme for one instance, without the losses.

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
        """`U`."""
        return len(self.uses)

    @classmethod
    def build(cls, instance: Instance, limits: FloatArray) -> _Programme | None:
        """Build the programme of an instance, or return None where it would be too large."""
        if instance.n_blocks > MAX_BLOCKS:
            return None
        served = np.isfinite(instance.losses).sum(axis=1)
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
        served = np.isfinite(self.instance.losses).sum(axis=1)
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
                    if len(levels) > MAX_LEVELS:
                        return None
        newest = reached
    return levels
