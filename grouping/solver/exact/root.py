"""The root of the exact search: a good choice first, then a bound, and what both say of each other.

For partitions and up to `MAX_GENERATED_BLOCKS` blocks the bound comes from column generation, which is
exact. For more blocks, and where its rounds are used up, it comes from dual ascent, which is nearly so. The
choice is the best of known ones, of local search, and of what the relaxation uses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import is_past
from grouping.solver.exact.cells import FittingCells
from grouping.solver.exact.column_generation import Relaxation, Relaxed, price
from grouping.solver.exact.dual_ascent import DualAscent
from grouping.solver.exact.instance import Instance, IntArray
from grouping.solver.exact.local_search import LocalSearch

_ROUNDS = 30


class Root:
    """The best choice known under one set of limits, and the bound on all.

    Args:
        instance: candidates.
        limits: ``[R]``.
        relaxation: that of the instance, which keeps what it learns from one set of limits to the next.
        fitting: the cells of the instance, by limits.
        starts: known choices, such as those of smaller budgets.

    Attributes:
        chosen: the best choice, forced candidates included; None if none is known.
        value: its scaled value; infinite if none is known.
    """

    def __init__(
        self,
        instance: Instance,
        limits: FloatArray,
        relaxation: Relaxation,
        fitting: FittingCells,
        starts: Sequence[tuple[int, ...]],
    ) -> None:
        self._instance = instance
        self._limits = limits
        self._relaxation = relaxation
        self._fitting = fitting
        self.chosen: tuple[int, ...] | None = None
        self.value = np.inf
        for start in starts:
            self._offer(start)

    def at_once(self, deadline: float | None) -> tuple[int, ...] | None:
        """Return the best choice that is known or that local search finds, without a bound."""
        search = LocalSearch(self._instance, self._limits, self._fitting.few_within(self._limits))
        for start in dict.fromkeys([self.chosen or (), ()]):
            if self.chosen is None or not is_past(deadline):
                self._offer(search.best(start, deadline=deadline))
        return self.chosen

    def bound(self, deadline: float | None) -> Relaxed:
        """Find a choice and a bound."""
        instance, limits = self._instance, self._limits
        if instance.is_partition:
            relaxed = self._relaxation.solve(limits, deadline=deadline)
            self._offer(relaxed.integral_choice() or ())
            self._offer(_packed(instance, np.argsort(-relaxed.use, kind="stable"), limits))
            by_size = np.argsort(-instance.losses.n_served, kind="stable")
            self._offer(_packed(instance, by_size, limits))
            return relaxed if relaxed.bound >= 0.0 else self._nothing()
        search = LocalSearch(instance, limits, self._fitting.few_within(limits))
        self._offer(search.best(self.chosen or (), deadline=deadline))
        relaxed = self._relaxed(deadline)
        self._offer(relaxed.integral_choice() or ())
        if self.value - relaxed.bound > instance.precision:
            used = np.argsort(-relaxed.use, kind="stable")[: instance.n_blocks]
            self._offer(search.best(tuple(used[relaxed.use[used] > 0].tolist()), deadline=deadline))
        is_open = self.value - relaxed.bound > instance.precision
        if is_open and self.chosen is not None and not self._relaxation.is_suited:
            self._offer(search.perturbed(self.chosen, _ROUNDS, deadline=deadline))
        return relaxed

    def _relaxed(self, deadline: float | None) -> Relaxed:
        instance, limits, relaxation = self._instance, self._limits, self._relaxation
        if (np.diff(self._fitting.few_within(limits).starts) == 0).any():
            return self._nothing()  # a block that nobody can serve: there is no choice
        best = relaxation.solve(limits, deadline=deadline) if relaxation.is_suited else None
        if best is None or (relaxation.gives_up and not best.is_optimal):
            value = min(self.value, instance.n_blocks + 1.0)  # scaled losses are at most 1
            start = best or relaxation.last
            ascent = DualAscent(instance, limits, self._fitting.within(limits))
            ascended = ascent.solve(value, start, deadline=deadline)
            relaxation.last = ascended
            best = ascended if best is None or ascended.bound > best.bound else best
        return best if best.bound >= 0.0 else self._nothing()

    def _nothing(self) -> Relaxed:
        """Return duals of 0, which say that no loss is below the scaled zero."""
        instance, limits = self._instance, self._limits
        usable = np.asarray((instance.costs <= limits).all(axis=1))
        return price(instance, np.zeros(instance.n_blocks), np.zeros(len(limits)), limits, usable)

    def _offer(self, choice: Sequence[int]) -> None:
        """Keep a choice if it is valid and better than the one known."""
        instance = self._instance
        if is_valid(instance, choice, self._limits) and instance.value(choice) < self.value:
            self.chosen, self.value = self.completed(choice), instance.value(choice)

    def completed(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """Return a choice with the forced candidates."""
        forced = np.flatnonzero(self._instance.is_forced)
        return tuple(np.union1d(np.asarray(chosen, dtype=np.int64), forced).tolist())


def is_valid(instance: Instance, chosen: Sequence[int], limits: FloatArray) -> bool:
    """Return whether a choice serves all blocks within the limits."""
    index = np.union1d(np.asarray(chosen, dtype=np.int64), np.flatnonzero(instance.is_forced))
    if (instance.costs[index].sum(axis=0) > limits).any():
        return False
    at = instance.losses.cells.of_rows(index)
    served = np.bincount(instance.losses.cells.columns[at], minlength=instance.n_blocks)
    return bool((served == 1).all() if instance.is_partition else (served >= 1).all())


def _packed(instance: Instance, order: IntArray, limits: FloatArray) -> tuple[int, ...]:
    """Return the disjoint candidates that come first in an order, as far as the limits allow."""
    left = limits.copy()
    chosen: list[int] = []
    open_blocks = np.ones(instance.n_blocks, dtype=np.bool_)
    cells = instance.losses.cells
    for n in order.tolist():
        served = cells.columns[cells.of_row(n)]
        if (instance.costs[n] > left).any() or not served.size or not open_blocks[served].all():
            continue
        chosen.append(n)
        left -= instance.costs[n]
        open_blocks[served] = False
        if not open_blocks.any():
            break
    return tuple(chosen)
