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


WITH_GAPS = (TaskKind.DENSE_MAP, TaskKind.MULTILABEL, TaskKind.CLASS_MAP, TaskKind.NORMALS)
"""Kinds of tasks of which a row may have a label in part: some pixels, or some of several labels."""


def labelled_elements(target: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which numbers of a target are labels, ``[rows, numbers]``; see `Dataset`."""
    numbers = target.reshape(len(target), -1)
    is_float = np.issubdtype(target.dtype, np.floating)
    return np.asarray(~np.isnan(numbers) if is_float else numbers != NO_CLASS)


def labelled_rows(target: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows of a target have a label, ``[rows]``, if only in part; see `Dataset`."""
    return np.asarray(labelled_elements(target).any(axis=1))


def has_gaps(target: NDArray[Any]) -> bool:
    """Tell whether a row of a target is labelled in part."""
    known = labelled_elements(target)
    return bool((known.any(axis=1) & ~known.all(axis=1)).any())


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
        targets: one array per task name: ``[rows, n_outputs]`` float32 for regression, dense maps, several
            labels (0 and 1) and directions, ``[rows]`` float32 of 0 and 1 for binary, ``[rows]`` int64 class
            numbers for multiclass and ranking, ``[rows, pixels]`` int64 for maps of classes. NaN, or the
            class number -1, says that a row has no label of this task; of maps and several labels, that this
            pixel or label has none.
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
            expected = self._shape_of(task, target)
            if target.shape != expected:
                raise InvalidInputError(
                    f"Target {task.name!r} has shape {target.shape}; expected {expected}."
                )
            if task.kind not in WITH_GAPS and has_gaps(target):
                raise InvalidInputError(
                    f"Target {task.name!r} has rows that are labelled in part: make its outputs tasks of "
                    "their own, or leave out those labels."
                )
            self._check_labels(task, target)

    def _shape_of(self, task: Task, target: NDArray[Any]) -> tuple[int, ...]:
        """Return the shape that a target must have."""
        if task.kind is TaskKind.CLASS_MAP:
            n_pixels = target.shape[1] if target.ndim == 2 else task.n_outputs
            if n_pixels < 1 or task.n_outputs % n_pixels or task.n_outputs < 2 * n_pixels:
                raise InvalidInputError(
                    f"Target {task.name!r} has {n_pixels} pixels, and its task {task.n_outputs} outputs: a "
                    "map of classes has two outputs or more for each pixel, one for each class."
                )
            return (len(self.inputs), n_pixels)
        if task.kind is TaskKind.NORMALS and task.n_outputs % 3:
            raise InvalidInputError(f"Task {task.name!r} has no three outputs for each direction.")
        wide = task.kind is TaskKind.REGRESSION or task.kind in WITH_GAPS
        return (len(self.inputs), task.n_outputs) if wide else (len(self.inputs),)

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
        values = target.reshape(len(target), -1)[labelled_elements(target)]
        numbered = task.kind in (TaskKind.MULTICLASS, TaskKind.RANKING, TaskKind.CLASS_MAP)
        n_classes = task.n_outputs // (target.shape[1] if task.kind is TaskKind.CLASS_MAP else 1)
        if numbered and not np.issubdtype(target.dtype, np.integer):
            raise InvalidInputError(f"Target {task.name!r} must hold whole numbers of classes.")
        if numbered and (values.min() < 0 or values.max() >= n_classes):
            raise InvalidInputError(f"Target {task.name!r} has classes outside 0..{n_classes - 1}.")
        if task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL) and not np.isin(values, (0, 1)).all():
            raise InvalidInputError(f"Target {task.name!r} must hold only 0 and 1.")
        if task.kind is TaskKind.NORMALS:
            self._check_directions(task, target)

    def _check_directions(self, task: Task, target: NDArray[Any]) -> None:
        vectors = target.reshape(len(target), 3, -1)
        known = ~np.isnan(vectors)
        if (known.any(axis=1) != known.all(axis=1)).any() or (np.abs(vectors).sum(axis=1) == 0).any():
            raise InvalidInputError(
                f"Target {task.name!r} has directions without a length, or with some of their three numbers "
                "missing: make all three NaN there."
            )

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
