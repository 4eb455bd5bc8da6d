"""Training data: a data set as tensors in memory, converted once per process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset, has_gaps
from grouping.errors import TrainingError
from grouping.shared_arrays import LARGE_BYTES
from grouping.training.initialisation import generator_for
from grouping.training.losses import Normalisation
from grouping.training.mapped_rows import MappedRows
from grouping.training.targets import labelled


def best_device() -> torch.device:
    """Return the first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs and targets of one part of the split.

    Attributes:
        inputs: ``[rows, features]`` float32; large ones are read where they lie.
        targets: by task name, encoded for the loss: ``[rows, n_outputs]`` float32, centred and scaled, for
            numbers; ``[rows]`` int64 for classes and candidates; ``[rows, 1]`` float32 for binary, and as
            many columns as labels for several; ``[rows, pixels]`` int64 for maps of classes. NaN, or the
            class number -1, where there is no label.
    """

    inputs: Tensor | MappedRows = field(repr=False)
    targets: Mapping[str, Tensor] = field(repr=False)

    def __len__(self) -> int:
        return self.inputs.shape[0]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """A data set on one device, as trainings need it.

    Attributes:
        tasks: the tasks of the problem, in canonical order.
        normalisations: constants of each task's loss, by name, from the training rows only.
        train: rows of the gradient steps.
        validation: rows that choices are made on.
        test: rows that are only reported.
        device: device of the tensors.
    """

    tasks: tuple[Task, ...]
    normalisations: Mapping[str, Normalisation]
    train: Rows
    validation: Rows
    test: Rows
    device: torch.device

    @classmethod
    def from_dataset(
        cls, dataset: Dataset, tasks: Sequence[Task], device: torch.device | None = None
    ) -> TrainingData:
        """Copy the arrays to tensors; the data set may be read-only.

        On the CPU, inputs of 64 MiB and more are not copied: they are read where they lie.

        Args:
            dataset: the arrays.
            tasks: the tasks of the problem, in canonical order.
            device: where to put the tensors; the CPU unless given.

        Raises:
            InvalidInputError: if a task's target is missing or of the wrong shape, or if its loss or metric
                is not known or does not fit it.
            TrainingError: if a target is practically constant.
        """
        tasks = tuple(tasks)
        dataset.check_tasks(tasks)
        place = torch.device("cpu") if device is None else device
        normalisations = {
            task.name: Normalisation.from_targets(
                task, dataset.targets[task.name][dataset.train], has_gaps=has_gaps(dataset.targets[task.name])
            )
            for task in tasks
        }

        is_large = place.type == "cpu" and dataset.inputs.nbytes >= LARGE_BYTES

        def rows(index: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Rows:
            # Indexing with an array copies: tensors never alias memory that is read-only or shared.
            inputs = (
                MappedRows(dataset.inputs, index, place)
                if is_large
                else torch.from_numpy(np.asarray(dataset.inputs[index])).to(place)
            )
            targets = {
                task.name: normalisations[task.name].encode(dataset.targets[task.name][index]).to(place)
                for task in tasks
            }
            return Rows(inputs, targets)

        return cls(
            tasks, normalisations, rows(dataset.train), rows(dataset.validation), rows(dataset.test), place
        )

    @property
    def n_features(self) -> int:
        """Width of the inputs."""
        return self.train.inputs.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """Precision in which networks are trained: that of the inputs, float32 unless converted."""
        own = self.train.inputs.dtype
        return own if own.is_floating_point else torch.float32

    def order_of_rows(self, seed: int, epoch: int) -> Tensor:
        """Return the order of the training rows, ``[rows]``; it depends on seed and epoch alone."""
        order = torch.randperm(len(self.train), generator=generator_for("rows", seed, epoch))
        return order.to(self.device)

    def converted(self, dtype: torch.dtype) -> TrainingData:
        """Return a copy in another precision, for trainings in it; class numbers stay whole."""

        def rows(part: Rows) -> Rows:
            targets = {
                name: target.to(dtype) if target.is_floating_point() else target
                for name, target in part.targets.items()
            }
            return Rows(part.inputs.to(dtype), targets)

        return replace(self, train=rows(self.train), validation=rows(self.validation), test=rows(self.test))

    def with_validation_trained(self) -> TrainingData:
        """Return the data with the validation rows among the training rows too.

        All parts are scored as before, and losses are normalised by the same constants.
        """
        targets = {
            name: torch.cat([target, self.validation.targets[name]])
            for name, target in self.train.targets.items()
        }
        shares = {name: float(labelled(target).double().mean()) for name, target in targets.items()}
        norms = {n: replace(norm, labelled_share=shares[n]) for n, norm in self.normalisations.items()}
        inputs = _joined(self.train.inputs, self.validation.inputs)
        return replace(self, normalisations=norms, train=Rows(inputs, targets))

    def with_first_rows(self, most: int) -> TrainingData:
        """Return the data with so many training rows, the first ones, and one with a label of each task."""
        chosen = torch.arange(len(self.train), device=self.device) < most
        for target in self.train.targets.values():
            chosen[int(labelled(target).int().argmax())] = True
        targets = {name: target[chosen] for name, target in self.train.targets.items()}
        return replace(self, train=Rows(self.train.inputs[chosen], targets))

    def tasks_of(self, group: frozenset[str]) -> tuple[Task, ...]:
        """Return the tasks of a group, in canonical order.

        Raises:
            TrainingError: if the group names a task that the data does not have.
        """
        if unknown := group - {task.name for task in self.tasks}:
            raise TrainingError(f"The data has no task named {', '.join(sorted(unknown))}.")
        return tuple(task for task in self.tasks if task.name in group)


def _joined(one: Tensor | MappedRows, other: Tensor | MappedRows) -> Tensor | MappedRows:
    if isinstance(one, MappedRows) and isinstance(other, MappedRows):
        return one.with_rows_of(other)
    return torch.cat([one[:], other[:]])
