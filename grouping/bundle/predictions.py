"""Predictions in the user's own units: numbers, classes by their label, probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grouping.bundle.manifest import BundledTask
from grouping.domain.tasks import TaskKind
from grouping.training.losses import Normalisation

NUMBERED = (TaskKind.MULTICLASS, TaskKind.RANKING)
"""Kinds whose prediction is one of several classes."""


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """What a bundle answers for one task.

    Attributes:
        values: ``[rows, n_outputs]`` in the task's own units: numbers, probabilities of classes (of yes), or
            parts of directions of length 1.
        columns: columns of a table of predictions by name, each ``[rows]``: the number or the label.
        probabilities: likewise the probability of each class or label; none for numbers.
    """

    values: NDArray[np.float32]
    columns: dict[str, NDArray[np.generic]]
    probabilities: dict[str, NDArray[np.generic]]


def answer(bundled: BundledTask, outputs: Tensor) -> TaskAnswer:
    """Turn the raw outputs of a task, ``[rows, n_outputs]``, into predictions in its own units."""
    norm = Normalisation.of(bundled.task, bundled.constants)
    values = norm.decode(outputs).numpy()
    raw = norm.function.predict(outputs)
    task, kind = bundled.task, bundled.task.kind
    if kind in NUMBERED:
        labels = bundled.labels or tuple(map(str, range(task.n_outputs)))
        chosen = raw.argmax(dim=1).numpy()
        shown = np.array(bundled.labels, dtype=object)[chosen] if bundled.labels else chosen
        likely = {f"{task.name} = {label}": values[:, n] for n, label in enumerate(labels)}
        return TaskAnswer(values, {task.name: shown}, dict(likely))
    if kind is TaskKind.BINARY:
        is_yes = (raw[:, 0] > 0).numpy()
        labels = bundled.labels or ("0", "1")
        shown = np.array(labels, dtype=object)[is_yes.astype(int)] if bundled.labels else is_yes.astype(int)
        return TaskAnswer(values, {task.name: shown}, {f"{task.name} = {labels[1]}": values[:, 0]})
    if kind is TaskKind.MULTILABEL:
        names = list(_names(bundled))
        found = {name: (raw[:, n] > 0).numpy().astype(int) for n, name in enumerate(names)}
        return TaskAnswer(values, dict(found), {f"{name} = 1": values[:, n] for n, name in enumerate(names)})
    if kind is TaskKind.CLASS_MAP:
        by_pixel = torch.from_numpy(values).reshape(len(values), -1, bundled.constants.n_elements)
        classes = by_pixel.argmax(dim=1).numpy()
        return TaskAnswer(
            values, {f"{task.name} {n + 1}": classes[:, n] for n in range(classes.shape[1])}, {}
        )
    return TaskAnswer(values, {name: values[:, n] for n, name in enumerate(_names(bundled))}, {})


def _names(bundled: BundledTask) -> Iterator[str]:
    """Yield the name of each output: that of the task, of its column, or of the task with a number."""
    task = bundled.task
    if task.n_outputs == 1:
        yield task.name
    elif len(bundled.columns) == task.n_outputs:
        yield from _told_apart(task.name, bundled.columns)
    else:
        yield from (f"{task.name} {n + 1}" for n in range(task.n_outputs))


def _told_apart(task: str, columns: Sequence[str]) -> Iterator[str]:
    yield from (f"{task}: {column}" for column in columns)
