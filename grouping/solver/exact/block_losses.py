"""Losses of blocks in candidates: kept by cell, read as rows of ``[N, B]``.

Of a thousand blocks most candidates serve ten. What is kept is in proportion to these cells; where they fill
much of ``[N, B]``, or that is small, the whole array is kept beside them, since its rows are read faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.cells import FloatArray, IntArray, TableCells

_SMALL = 100_000
"""Numbers of ``[N, B]`` up to which it is always kept."""
_MOST_DENSE = 4_000_000
"""Numbers of ``[N, B]`` up to which it is kept unless nearly all of its places are empty."""
_MOST_EMPTY = 32
"""Numbers of ``[N, B]`` for each cell beyond which it is nearly empty."""
_MOST_GAPS = 4
"""Numbers of ``[N, B]`` for each cell up to which it is kept however large it is."""


@dataclass(frozen=True, eq=False)
class BlockLosses:
    """``[N, B]`` losses, infinite where a candidate cannot serve a block.

    Attributes:
        cells: the pairs of a candidate and a block that it can serve; `E` of them.
        values: ``[E]``, their losses, finite.
    """

    cells: TableCells
    values: FloatArray

    @classmethod
    def of(cls, losses: FloatArray) -> BlockLosses:
        """Take an array ``[N, B]``, infinite where a candidate cannot serve a block."""
        finite = np.isfinite(losses)
        rows, columns = np.nonzero(finite)
        starts = np.concatenate([[0], np.cumsum(finite.sum(axis=1))]).astype(np.int64)
        cells = TableCells(rows.astype(np.int32), columns.astype(np.int32), starts, losses.shape[1])
        return cls(cells, losses[finite])

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of candidates and blocks, `N` and `B`."""
        return self.cells.n_networks, self.cells.n_tasks

    @property
    def size(self) -> int:
        """Numbers of ``[N, B]``."""
        return self.shape[0] * self.shape[1]

    @property
    def n_served(self) -> IntArray:
        """``[N]``: how many blocks each candidate can serve."""
        return self.cells.group_sizes

    @cached_property
    def whole(self) -> FloatArray | None:
        """``[N, B]`` where it is small or well filled; else None."""
        is_dense = self.size <= max(_MOST_DENSE, _MOST_GAPS * self.cells.n_cells)
        if not is_dense or self.size > max(_SMALL, _MOST_EMPTY * self.cells.n_cells):
            return None
        whole: FloatArray = self.cells.spread(self.values, np.inf)
        return whole

    def __getitem__(self, rows: Any) -> FloatArray:
        """Return ``[B]`` of a candidate, or ``[k, B]`` of several: positions, a slice, or a mask."""
        if self.whole is not None:
            found: FloatArray = self.whole[rows]
            return found
        if isinstance(rows, (int, np.integer)):
            one = np.full(self.shape[1], np.inf)
            own = self.cells.of_row(int(rows))
            one[self.cells.columns[own]] = self.values[own]
            return one
        wanted = np.arange(self.shape[0])[rows]
        at = self.cells.of_rows(wanted)
        part = np.full((len(wanted), self.shape[1]), np.inf)
        part[np.repeat(np.arange(len(wanted)), self.n_served[wanted]), self.cells.columns[at]] = self.values[
            at
        ]
        return part

    def at(self, rows: IntArray, block: int) -> FloatArray:
        """Return the losses ``[k]`` of a block in these candidates."""
        if self.whole is not None:
            found: FloatArray = self.whole[rows, block]
            return found
        places = self.cells.places(rows, np.full(len(rows), block))
        return np.where(places >= 0, self.values[places], np.inf)

    def served_from(self, block: int) -> tuple[IntArray, FloatArray]:
        """Return the candidates that can serve a block, ascending, and its losses in them."""
        at = self._by_block[int(self._block_starts[block]) : int(self._block_starts[block + 1])]
        return self.cells.rows[at], self.values[at]

    @cached_property
    def _by_block(self) -> IntArray:
        return self.cells.by_column()

    @cached_property
    def _block_starts(self) -> IntArray:
        counts = np.bincount(self.cells.columns, minlength=self.shape[1])
        return np.concatenate([[0], np.cumsum(counts)])

    def select(self, keep: IntArray | NDArray[np.bool_]) -> BlockLosses:
        """Return the losses in these candidates only, numbered anew in this order."""
        rows = np.arange(self.shape[0])[keep]
        return BlockLosses(self.cells.select(rows), self.values[self.cells.of_rows(rows)])

    def where(self, keep: NDArray[np.bool_]) -> BlockLosses:
        """Return the losses of these cells only, ``[E]``; the others cannot serve any more."""
        cells = self.cells
        counts = np.bincount(cells.rows[keep], minlength=self.shape[0])
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        left = TableCells(cells.rows[keep], cells.columns[keep], starts, cells.n_tasks)
        return BlockLosses(left, self.values[keep])
