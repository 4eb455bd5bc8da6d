"""Last step of the search among groups: decide the last tasks by looking at all of their subsets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.exact.instance import BoolArray, IntArray

SingleArray = NDArray[np.float32]


class LastTasks:
    """Savings of every subset of the last tasks together with given first ones.

    In single precision, with a margin: `above` gives a few subsets too many, never one too few.
    """

    _MARGIN = 1e-3

    def __init__(self, subsets: BoolArray, v: FloatArray, priced: FloatArray, n_first: int) -> None:
        self._sizes = subsets.sum(axis=1)
        self._sums = (subsets.astype(np.float64) @ priced[:, n_first:].T).T  # [N, subsets]
        self._outside = np.concatenate([np.zeros((n_first, len(subsets)), dtype=np.bool_), ~subsets.T])
        self._v, self.finite_pairs, self._n_first = v, priced, n_first
        self._by_size: dict[int, SingleArray] = {}

    def above(self, first: IntArray, threshold: float, max_size: int) -> IntArray:
        """Return the subsets that may save more than the threshold together with these tasks."""
        n_partners = np.maximum(1, self._sizes + first.size - 1)
        if first.size not in self._by_size:
            table = n_partners * self._v[:, None] - self._sums
            table[self._outside] = -np.inf
            self._by_size[first.size] = table.astype(np.float32)
        columns = np.concatenate([first, np.arange(self._n_first, len(self._v))])
        saved = self._by_size[first.size][columns]
        saved -= self.finite_pairs[np.ix_(columns, first)].sum(axis=1).astype(np.float32)[:, None]
        np.maximum(saved, 0.0, out=saved)
        total = first.size + self._sizes
        is_group = (total >= 2) & (total <= max_size)
        return np.flatnonzero((saved.sum(axis=0) > (threshold - self._MARGIN) * n_partners) & is_group)
