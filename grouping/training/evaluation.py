"""Evaluation of a trained network on the validation and test rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grouping.domain.trainings.trials import TaskScore
from grouping.training.data import Rows, TrainingData
from grouping.training.losses import Normalisation
from grouping.training.mapped_rows import MappedRows


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Losses and metrics of each task of the network, in its order; not necessarily finite.

    Attributes:
        tasks: names of the tasks.
        validation_losses: what score tables hold, lower is better: normalised losses, or metrics turned so.
        test_losses: the same on the test rows.
        validation_metrics: metrics, each in the direction of its task's metric.
        test_metrics: metrics, each in the direction of its task's metric.
    """

    tasks: tuple[str, ...]
    validation_losses: tuple[float, ...]
    test_losses: tuple[float, ...]
    validation_metrics: tuple[float, ...]
    test_metrics: tuple[float, ...]

    @property
    def is_finite(self) -> bool:
        """Whether every number is finite; if not, the training has diverged."""
        numbers = self.validation_losses + self.test_losses + self.validation_metrics + self.test_metrics
        return all(math.isfinite(number) for number in numbers)

    def scores(self) -> tuple[TaskScore, ...]:
        """Return one score per task.

        Raises:
            InvalidInputError: if a number is not finite.
        """
        columns = (self.validation_losses, self.test_losses, self.validation_metrics, self.test_metrics)
        return tuple(map(TaskScore, self.tasks, *columns))


MOST_NUMBERS = 2**18
"""Numbers of inputs that a network sees at once when it is scored: what its layers give for them, often a
hundred times as much, is held in memory meanwhile."""
MOST_ROWS = 8_192


def outputs_of(forward: Callable[[Tensor], Sequence[Tensor]], inputs: Tensor | MappedRows) -> list[Tensor]:
    """Compute the raw outputs of each task on many rows, some rows at a time.

    Args:
        forward: function from inputs to the raw outputs of each task.
        inputs: ``[rows, features]``.
    """
    most = min(MOST_ROWS, max(1, MOST_NUMBERS // max(1, inputs.shape[1])))
    if len(inputs) <= most:
        return list(forward(inputs[:]))
    parts = [forward(inputs[start : start + most]) for start in range(0, len(inputs), most)]
    return [torch.cat(of_task) for of_task in zip(*parts, strict=True)]


@torch.no_grad()
def validation_loss(
    data: TrainingData,
    normalisations: Sequence[Normalisation],
    forward: Callable[[Tensor], Sequence[Tensor]],
) -> float:
    """Compute the sum of the normalised losses on the validation rows, lower is better; see `evaluate`."""
    rows = data.validation
    outputs = outputs_of(forward, rows.inputs)
    return sum(
        norm.loss_of_labelled(output, rows.targets[norm.task.name])
        for norm, output in zip(normalisations, outputs, strict=True)
    )


@torch.no_grad()
def evaluate(
    data: TrainingData,
    normalisations: Sequence[Normalisation],
    forward: Callable[[Tensor], Sequence[Tensor]],
) -> Evaluation:
    """Compute losses and metrics on the validation and test rows, of each task on those with its label.

    Args:
        data: the data set.
        normalisations: normalisations of the tasks of the network, in order.
        forward: function from inputs to the raw outputs of each task.
    """

    def on(rows: Rows) -> tuple[tuple[float, ...], tuple[float, ...]]:
        losses, metrics = [], []
        for norm, output in zip(normalisations, outputs_of(forward, rows.inputs), strict=True):
            target = rows.targets[norm.task.name]
            losses.append(norm.deciding_loss(output, target))
            metrics.append(norm.metric(output, target))
        return tuple(losses), tuple(metrics)

    validation, test = on(data.validation), on(data.test)
    names = tuple(norm.task.name for norm in normalisations)
    return Evaluation(names, validation[0], test[0], validation[1], test[1])


def divergence(rows: str, epoch: int) -> str:
    """Return the message for a training that diverged, as seen on these rows."""
    return (
        f"The loss on the {rows} rows became infinite or not a number by epoch {epoch}: "
        "lower the learning rate, or look for extreme values in the inputs."
    )
