"""The cells of a score table: the pairs of a network and a task of its group, and no others.

A table of a thousand tasks has ten cells in a row of a thousand places. What is kept by cell takes memory in
proportion to the cells; arrays ``[N, T]`` are made of it only where somebody reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.errors import InvalidInputError

IntArray = NDArray[np.signedinteger[Any]]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TableCells:
    """The `E` cells of `N` networks of `T` tasks, by network and within a network by task.

    Attributes:
        rows: ``[E]``, network of each cell.
        columns: ``[E]``, task of each cell.
        starts: ``[N + 1]``, where the cells of each network begin.
        n_tasks: `T`.
    """

    rows: IntArray
    columns: IntArray
    starts: IntArray
    n_tasks: int

    @classmethod
    def of(cls, task_names: Sequence[str], networks: Sequence[Network]) -> TableCells:
        """List the cells of these networks.

        Raises:
            InvalidInputError: if a network has a task that is not among the names.
        """
        column = {name: t for t, name in enumerate(task_names)}
        columns: list[int] = []
        sizes = np.zeros(len(networks) + 1, dtype=np.int64)
        for n, network in enumerate(networks):
            try:
                columns += sorted([column[name] for name in network.group])
            except KeyError:
                unknown = sorted(network.group - set(column))
                raise InvalidInputError(
                    f"Network {network} has unknown tasks: {', '.join(unknown)}."
                ) from None
            sizes[n + 1] = len(network.group)
        rows = np.repeat(np.arange(len(networks), dtype=np.int32), sizes[1:])
        return cls(rows, np.array(columns, dtype=np.int32), np.cumsum(sizes), len(column))

    @property
    def n_networks(self) -> int:
        """Number of networks, `N`."""
        return len(self.starts) - 1

    @property
    def n_cells(self) -> int:
        """Number of cells, `E`."""
        return len(self.rows)

    @property
    def group_sizes(self) -> IntArray:
        """``[N]``: number of tasks of each network."""
        sizes: IntArray = np.diff(self.starts)
        return sizes

    def spread(self, values: NDArray[Any], absent: Any = np.nan) -> NDArray[Any]:
        """Return values by cell, ``[E, ...]``, as ``[N, T, ...]``."""
        whole = np.full((self.n_networks, self.n_tasks, *values.shape[1:]), absent, dtype=values.dtype)
        whole[self.rows, self.columns] = values
        return whole

    def gather(self, whole: NDArray[Any]) -> NDArray[Any]:
        """Return ``[N, T, ...]`` by cell, ``[E, ...]``."""
        found: NDArray[Any] = whole[self.rows, self.columns]
        return found

    def of_row(self, row: int) -> slice:
        """Return the places of the cells of a network."""
        return slice(int(self.starts[row]), int(self.starts[row + 1]))

    def of_rows(self, rows: Sequence[int] | IntArray) -> IntArray:
        """Return the places of the cells of these networks, one network after another."""
        index = np.asarray(rows, dtype=np.int64)
        return ranges(self.starts[index], self.starts[index + 1])

    def places(self, rows: IntArray, columns: IntArray) -> IntArray:
        """Return the place of each pair of a network and a task; -1 where the task is not in the network."""
        if not self.n_cells:
            return np.full(len(rows), -1)
        wanted = np.asarray(rows, dtype=np.int64) * self.n_tasks + np.asarray(columns)
        found = np.minimum(np.searchsorted(self._keys, wanted), self.n_cells - 1)
        return np.where(self._keys[found] == wanted, found, -1)

    @cached_property
    def _keys(self) -> IntArray:
        keys: IntArray = self.rows.astype(np.int64) * self.n_tasks + self.columns
        return keys

    def by_column(self, at: IntArray | None = None) -> IntArray:
        """Return the order of these places, all unless given, by task; as they come within a task."""
        kind = np.int16 if self.n_tasks < 2**15 else np.int32  # short numbers are sorted by their digits
        columns = self.columns if at is None else self.columns[at]
        order: IntArray = np.argsort(columns.astype(kind), kind="stable")
        return order

    def row_sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum values by cell, ``[E]``, over the cells of each network, ``[N]``."""
        return np.bincount(self.rows, weights=values, minlength=self.n_networks)

    def select(self, rows: IntArray) -> TableCells:
        """Return the cells of these networks, numbered anew in this order."""
        at = self.of_rows(rows)
        sizes = self.group_sizes[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        renamed = np.repeat(np.arange(len(rows), dtype=np.int32), sizes)
        return TableCells(renamed, self.columns[at], starts, self.n_tasks)


def ranges(starts: IntArray, ends: IntArray) -> IntArray:
    """Return the numbers of all ranges ``starts[i]`` to ``ends[i]``, one after another."""
    sizes = ends - starts
    if not sizes.size or not (total := int(sizes.sum())):
        return np.zeros(0, dtype=np.int64)
    shift = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    return shift + np.arange(total)
