"""The cells of an instance as sparse arrays: for each block who can serve it, best first, and the reverse.

Most candidates of a large table serve few of the blocks, so passes over the cells cost a small part of those
over ``[N, B]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.domain.tables.cells import ranges
from grouping.domain.tables.score_table import FloatArray
from grouping.solver.exact.instance import Instance, IntArray

_FEW = 1_000
_FEW_FOR_A_BLOCK = 50


@dataclass(frozen=True, eq=False)
class InstanceCells:
    """Finite cells of an instance in two orders; `E` cells.

    Attributes:
        candidates, blocks, losses: ``[E]``, by block and within a block by loss, then by candidate.
        starts: ``[B + 1]``, where each block begins in them.
        rows: ``[E]``, positions in them, by candidate.
        row_starts: ``[N + 1]``, where each candidate begins in `rows`.
    """

    candidates: IntArray
    blocks: IntArray
    losses: FloatArray
    starts: IntArray
    rows: IntArray
    row_starts: IntArray

    @classmethod
    def of(cls, instance: Instance, usable: IntArray) -> InstanceCells:
        """Collect the cells of the usable candidates."""
        of, at = instance.losses.cells, instance.losses.cells.of_rows(usable)
        # The cells come by candidate and by block: two stable sorts keep that order, and their inverse is it.
        by_loss = np.argsort(instance.losses.values[at], kind="stable")
        order = by_loss[of.by_column(at[by_loss])]
        rows = np.empty_like(order)
        rows[order] = np.arange(order.size)
        at = at[order]
        blocks, sizes = of.columns[at].astype(np.int64), np.zeros(instance.n_candidates + 1, dtype=np.int64)
        sizes[usable + 1] = of.group_sizes[usable]
        return cls(
            of.rows[at].astype(np.int64),
            blocks,
            instance.losses.values[at],
            np.searchsorted(blocks, np.arange(instance.n_blocks + 1)),
            rows,
            np.cumsum(sizes),
        )

    def select(self, keep: IntArray, n_candidates: int) -> InstanceCells:
        """Return the cells of these candidates, numbered anew in the order given."""
        place = np.full(n_candidates, -1, dtype=np.int64)
        place[keep] = np.arange(keep.size)
        candidates = place[self.candidates]
        inside = candidates >= 0
        candidates, blocks = candidates[inside], self.blocks[inside]
        rows = np.argsort(candidates, kind="stable")
        return InstanceCells(
            candidates,
            blocks,
            self.losses[inside],
            np.searchsorted(blocks, np.arange(len(self.starts))),
            rows,
            np.searchsorted(candidates[rows], np.arange(keep.size + 1)),
        )

    def of_blocks(self, blocks: IntArray) -> IntArray:
        """Return the positions of the cells of these blocks."""
        return ranges(self.starts[blocks], self.starts[blocks + 1])

    def of_candidates(self, candidates: IntArray) -> IntArray:
        """Return the positions of the cells of these candidates."""
        return self.rows[ranges(self.row_starts[candidates], self.row_starts[candidates + 1])]

    def below(self, blocks: IntArray, levels: FloatArray) -> IntArray:
        """Return the positions of the cells of these blocks whose losses are below a level each."""
        at = self.of_blocks(blocks)
        sizes = self.starts[blocks + 1] - self.starts[blocks]
        return at[self.losses[at] < np.repeat(levels, sizes)]


class FittingCells:
    """The cells of the candidates that fit limits alone; those of the last limits are kept."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._usable: IntArray = np.zeros(0, dtype=np.int64)
        self._all: InstanceCells | None = None
        self._few: InstanceCells | None = None

    def within(self, limits: FloatArray) -> InstanceCells:
        """Return the cells of all candidates within the limits, ``[R]``."""
        self._look(limits)
        if self._all is None:
            self._all = InstanceCells.of(self._instance, self._usable)
        return self._all

    def few_within(self, limits: FloatArray) -> InstanceCells:
        """Return the cells of what serves some block best, where the candidates are very many; else of all.

        A million groups of twenty tasks have ten million cells, and what is good for a start is among few.
        """
        self._look(limits)
        if self._usable.size <= _FEW + _FEW_FOR_A_BLOCK * self._instance.n_blocks:
            return self.within(limits)
        if self._few is None:
            self._few = InstanceCells.of(self._instance, self._shortlist())
        return self._few

    def _look(self, limits: FloatArray) -> None:
        usable = np.flatnonzero((self._instance.costs <= limits).all(axis=1))
        if not np.array_equal(usable, self._usable):
            self._usable, self._all, self._few = usable, None, None

    def _shortlist(self) -> IntArray:
        """Return the candidates that serve some block best, those that serve most, and the forced ones."""
        losses, usable = self._instance.losses, self._usable
        n_served = losses.n_served[usable]
        listed = self._instance.is_forced.copy()
        listed[usable[np.argpartition(-n_served, _FEW)[:_FEW]]] = True
        is_usable = np.zeros(self._instance.n_candidates, dtype=np.bool_)
        is_usable[usable] = True
        for b in range(self._instance.n_blocks):
            rows, own = losses.served_from(b)
            rows, own = rows[is_usable[rows]], own[is_usable[rows]]
            if rows.size > _FEW_FOR_A_BLOCK:
                rows = rows[np.argpartition(own, _FEW_FOR_A_BLOCK)[:_FEW_FOR_A_BLOCK]]
            listed[rows] = True
        return np.flatnonzero(listed)
