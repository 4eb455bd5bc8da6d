"""Rows of a large array that is read where it lies: only what a step asks for is copied.

It stands in place of a tensor of inputs, ``[rows, features]``, and gives the same numbers; see
`grouping.training.data.Rows`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class MappedRows:
    """Some rows of an array that is not copied, in memory or mapped from a file.

    Args:
        array: ``[all rows, features]`` float32; may be read-only.
        rows: numbers of the rows.
        device: where the tensors go that are taken from it.
    """

    dtype = torch.float32

    def __init__(self, array: NDArray[np.float32], rows: NDArray[np.int64], device: torch.device) -> None:
        self._array = array
        self._rows = rows
        self.device = device

    @property
    def shape(self) -> torch.Size:
        """Number of rows and of features."""
        return torch.Size((len(self._rows), self._array.shape[1]))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        """Return a copy of some rows: by their numbers, ``[...]``, by a mask ``[rows]``, or a slice."""
        index: Any = chosen.cpu().numpy() if isinstance(chosen, Tensor) else chosen
        return torch.from_numpy(np.asarray(self._array[self._rows[index]])).to(self.device)

    def with_rows_of(self, other: MappedRows) -> MappedRows:
        """Return these rows and then some others of the same array."""
        return MappedRows(self._array, np.concatenate([self._rows, other._rows]), self.device)

    def to(self, dtype: torch.dtype) -> Tensor:
        """Return all rows as a tensor in another precision."""
        return self[:].to(dtype)
