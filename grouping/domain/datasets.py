"""Data sets: NumPy arrays of a problem with a fixed split into training, validation and test rows.

Every task has its own rows: those with a label of it. The other rows count for nothing in that task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tasks import Task, TaskKind
from grouping.errors import InvalidInputError

NO_CLASS = -1
"""Class number of a row without a label."""
BLOCK_BYTES = 16 * 2**20
PARTS = ("train", "validation", "test")
"""Parts of the split, by the names of their fields in `Dataset`."""


def labelled_rows(target: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows of a target have a label, ``[rows]``; see `Dataset`."""
    if not np.issubdtype(target.dtype, np.floating):
        return np.asarray(target != NO_CLASS)
    return np.asarray(~np.isnan(target.reshape(len(target), -1)).any(axis=1))


def in_blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield an array some rows at a time, for what would need as much memory again for all of them."""
    n_rows = max(1, BLOCK_BYTES * len(array) // max(1, array.nbytes))
    return (array[start : start + n_rows] for start in range(0, len(array), n_rows))


@dataclass(frozen=True, slots=True)
class DataDigests:
    """SHA-256 of the parts of a data set: a training depends on inputs, split and the targets of its tasks.

    Attributes:
        inputs: of the inputs.
        split: of the numbers of the rows of each part.
        targets: of the target of each task.
        n_rows: number of rows of the inputs.
    """

    inputs: str
    split: str
    targets: Mapping[str, str]
    n_rows: int


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs, targets of every task, and the split of the rows.

    Attributes:
        inputs: ``[rows, features]`` float32; token numbers of texts are exact up to 2^24.
        targets: one array per task name: ``[rows, n_outputs]`` float32 for regression and dense maps,
            ``[rows]`` float32 of 0 and 1 for binary, ``[rows]`` int64 class numbers for multiclass and
            ranking. NaN, or the class number -1, says that a row has no label of this task.
        train: numbers of the rows for gradient steps (and for every constant of normalisation).
        validation: numbers of the rows whose losses decide.
        test: numbers of the rows whose losses are only reported.
    """

    inputs: NDArray[np.float32] = field(repr=False)
    targets: Mapping[str, NDArray[Any]] = field(repr=False)
    train: NDArray[np.int64] = field(repr=False)
    validation: NDArray[np.int64] = field(repr=False)
    test: NDArray[np.int64] = field(repr=False)

    def __post_init__(self) -> None:
        if self.inputs.ndim != 2 or self.inputs.dtype != np.float32:
            raise InvalidInputError("Inputs must be a float32 array of shape [rows, features].")
        if not all(np.isfinite(some).all() for some in in_blocks(self.inputs)):
            raise InvalidInputError("Inputs hold missing or infinite values; fill or drop those rows.")
        rows = len(self.inputs)
        for name, target in self.targets.items():
            if len(target) != rows:
                raise InvalidInputError(f"Target {name!r} has {len(target)} rows, the inputs {rows}.")
            if np.isinf(target).any():
                raise InvalidInputError(f"Target {name!r} holds infinite values.")
            if target.ndim > 1 and not np.isnan(target[~labelled_rows(target)]).all():
                raise InvalidInputError(
                    f"Target {name!r} has rows that are labelled in part: make its outputs tasks of their "
                    "own, or leave out those labels."
                )
        parts = (self.train, self.validation, self.test)
        together = np.concatenate(parts)
        if any(len(part) == 0 for part in parts) or len(np.unique(together)) != len(together):
            raise InvalidInputError("Train, validation and test rows must be non-empty and disjoint.")
        if together.min() < 0 or together.max() >= rows:
            raise InvalidInputError("A split names rows that do not exist.")

    def check_tasks(self, tasks: tuple[Task, ...]) -> None:
        """Check that every task has a target of the right shape, with something to learn.

        Raises:
            InvalidInputError: naming the task and what is wrong with its target.
        """
        for task in tasks:
            if task.name not in self.targets:
                raise InvalidInputError(f"The data has no target for task {task.name!r}.")
            target = self.targets[task.name]
            wide = task.kind in (TaskKind.REGRESSION, TaskKind.DENSE_MAP)
            expected = (len(self.inputs), task.n_outputs) if wide else (len(self.inputs),)
            if target.shape != expected:
                raise InvalidInputError(
                    f"Target {task.name!r} has shape {target.shape}; expected {expected}."
                )
            self._check_labels(task, target)

    def _check_labels(self, task: Task, target: NDArray[Any]) -> None:
        known = labelled_rows(target)
        for part in PARTS:
            if not known[getattr(self, part)].any():
                raise InvalidInputError(f"Target {task.name!r} has no label in the {part} rows.")
        train = target[self.train][known[self.train]]
        if np.all(train == train[0]):
            raise InvalidInputError(
                f"Target {task.name!r} has one value only in the training rows: nothing to learn."
            )
        values = target[known]
        numbered = task.kind in (TaskKind.MULTICLASS, TaskKind.RANKING)
        if numbered and (values.min() < 0 or values.max() >= task.n_outputs):
            raise InvalidInputError(f"Target {task.name!r} has classes outside 0..{task.n_outputs - 1}.")
        if task.kind is TaskKind.BINARY and not np.isin(values, (0, 1)).all():
            raise InvalidInputError(f"Target {task.name!r} must hold only 0 and 1.")

    def labelled_share(self, task: str) -> float:
        """Return the share of the training rows that have a label of a task."""
        return float(labelled_rows(self.targets[task])[self.train].mean())

    def label_counts(self, task: str) -> Mapping[str, int]:
        """Return the number of labelled rows of a task in each part: ``train``, ``validation``, ``test``."""
        known = labelled_rows(self.targets[task])
        return {part: int(known[getattr(self, part)].sum()) for part in PARTS}

    def on_share(self, share: float, seed: int) -> Dataset:
        """Keep a share of the training rows, drawn by a seed; a smaller share is a part of a larger one.

        Validation and test rows stay.

        Args:
            share: share of the training rows, in (0, 1]; at least one row is kept.
            seed: seed of the draw.
        """
        if share == 1:
            return self
        order = np.random.default_rng(seed).permutation(self.train)
        return replace(self, train=np.sort(order[: max(1, round(share * len(order)))]))

    def digest(self) -> str:
        """Compute SHA-256 over all arrays; jobs record it, so that scores can be traced to their data."""
        targets = {f"target {name}": self.targets[name] for name in sorted(self.targets)}
        return _digest({"inputs": self.inputs, **self._split, **targets})

    def digests(self, tasks: Iterable[str]) -> DataDigests:
        """Compute the digest of each part, with the targets of these tasks."""
        return DataDigests(
            _digest({"inputs": self.inputs}),
            _digest(self._split),
            {name: _digest({"target": self.targets[name]}) for name in tasks},
            len(self.inputs),
        )

    @property
    def _split(self) -> dict[str, NDArray[Any]]:
        return {part: getattr(self, part) for part in PARTS}


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        for some in in_blocks(array):
            digest.update(np.ascontiguousarray(some).data)
    return digest.hexdigest()
