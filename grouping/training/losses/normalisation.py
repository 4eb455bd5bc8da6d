"""Normalisation of a task: its loss, divided by that of the best constant prediction, and its metric.

Raw outputs of a head are logits for classes, and for numbers the target in centred and scaled units, as the
loss declares them (`grouping.recipes.losses`). Under squared error the mean of each output is subtracted and
all outputs are divided by the root of their mean variance: then the mean squared error is that in the
target's own units divided by the mean variance, so nothing but the conditioning of the optimisation changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grouping.domain.tasks import ChosenBy, Task, TaskKind
from grouping.domain.trainings.datasets import NO_CLASS, labelled_rows
from grouping.errors import InvalidInputError, TrainingError
from grouping.recipes.losses import Constants
from grouping.recipes.losses_and_metrics import complete_task, default_metric, get_loss, metric_of
from grouping.training.implementations import implementation_of
from grouping.training.losses.elements import (
    OF_ELEMENTS,
    WRAPPED,
    ElementLoss,
    Elements,
    constants_of_elements,
    with_exact_divisor,
)
from grouping.training.losses.loss import LossFunction
from grouping.training.metrics import MetricFunction, Predictions
from grouping.training.targets import FORMS, labelled

SMALLEST_RELATIVE_VARIANCE = 1e-12
"""Below this share of the mean square, the spread of a float32 target is rounding and not information."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Normalised loss and metric of one task, with constants from the training rows.

    Attributes:
        task: the task.
        constants: constants of its loss.
        function: its loss, before it is divided.
        metric_function: the metric it is reported by.
        share_function: accuracy or R², by its kind.
        labelled_share: share of the training rows that have a label of the task, above 0 and at most 1.
    """

    task: Task
    constants: Constants
    function: LossFunction
    metric_function: MetricFunction
    share_function: MetricFunction
    labelled_share: float = 1.0

    @classmethod
    def from_targets(cls, task: Task, train: NDArray[np.generic], *, has_gaps: bool = False) -> Normalisation:
        """Compute the constants from labelled training rows; targets as `Dataset` documents.

        Args:
            task: the task.
            train: target of the training rows.
            has_gaps: whether rows, these or others, are labelled in part.

        Raises:
            InvalidInputError: if the task names a loss or a metric that is not known, or does not fit it, or
                if its loss is not defined for such targets.
            TrainingError: if the target is practically constant.
        """
        task = complete_task(task)
        known = labelled_rows(train)
        if not known.any():
            raise TrainingError(f"Target {task.name!r} has no label in the training rows.")
        values = np.asarray(train[known], dtype=np.float64)
        if task.kind is TaskKind.CLASS_MAP:
            values[values == NO_CLASS] = np.nan
        held = np.ma.masked_invalid(values) if has_gaps else values
        spread = float(np.square(held - held.mean(axis=0)).mean())
        if spread > SMALLEST_RELATIVE_VARIANCE * float(np.square(held).mean()):
            try:
                constants = _constants(task, values, train[known], has_gaps=has_gaps)
            except InvalidInputError as error:
                raise InvalidInputError(f"Target {task.name!r}: {error}") from error
            if min(constants.constant_loss, constants.divisor, constants.scale) > 0:
                return replace(cls.of(task, constants), labelled_share=float(known.mean()))
        raise TrainingError(
            f"Target {task.name!r} is practically constant in the training rows: nothing to learn."
        )

    @classmethod
    def of(cls, task: Task, constants: Constants) -> Normalisation:
        """Build a normalisation with known constants."""
        declaration = get_loss(task.loss)
        function = implementation_of(declaration, "loss")(declaration)
        if not isinstance(function, LossFunction):
            raise TrainingError(f"{declaration.implementation} gives no LossFunction.")
        elements = Elements.of(task, constants)
        if elements is not None and (constants.has_gaps or task.kind in WRAPPED):
            function = ElementLoss(function, elements)
        if constants.class_weights is not None:
            function.class_weights = torch.from_numpy(constants.class_weights)
        reported, learned = metric_of(task), default_metric(task.kind)
        return cls(task, constants, function, MetricFunction.of(reported), MetricFunction.of(learned))

    @property
    def constant_loss(self) -> float:
        """Loss of the best constant prediction, in the target's own units or in nats."""
        return self.constants.constant_loss

    @property
    def best_constant(self) -> NDArray[np.float64]:
        """Raw outputs of the best constant prediction, ``[n_outputs]``."""
        return self.constants.best_constant

    def encode(self, target: NDArray[np.generic]) -> Tensor:
        """Encode targets for the loss: centred and scaled, class numbers, or a column of 0 and 1."""
        return FORMS[self.task.kind].encode(target, self.constants)

    def decode(self, outputs: Tensor) -> Tensor:
        """Return predictions in the target's own units: numbers, or probabilities ``[rows, n_outputs]``."""
        return FORMS[self.task.kind].decode(self.function.predict(outputs), self.constants)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Compute the normalised loss of labelled rows, a scalar; lower is better, 1 is the best constant.

        Args:
            outputs: ``[rows, n_outputs]``, raw outputs of the head.
            target: the encoded target of these rows.
        """
        return self.function.mean(outputs, target) / self.constants.divisor

    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Compute the normalised loss of each row, ``[rows]``; 0 where it has no label."""
        known = labelled(target)
        complete = torch.where(known.view(-1, *[1] * (target.ndim - 1)), target, torch.zeros_like(target))
        rows = self.function.rows(outputs, complete) / self.constants.divisor
        return torch.where(known, rows, torch.zeros_like(rows))

    def batch_loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Compute the normalised loss of a batch whose rows need not be labelled, a scalar.

        The losses of its labelled rows are added and divided by the number of labels that a batch of this
        length has on average. So each label of a task weighs the same in an epoch, however many are in its
        batch. Without any label the loss is 0, as is its gradient.
        """
        if self.labelled_share == 1:
            return self.loss(outputs, target)
        return self.row_losses(outputs, target).mean() / self.labelled_share

    def loss_of_labelled(self, outputs: Tensor, target: Tensor) -> float:
        """Compute the mean normalised loss over those rows that are labelled; NaN if there are none."""
        return float(self.loss(*_only_labelled(outputs, target)))

    def deciding_loss(self, outputs: Tensor, target: Tensor) -> float:
        """Compute what a score table holds as the loss of the task, over those rows that are labelled."""
        if self.task.chosen_by is ChosenBy.METRIC:
            return self.task.loss_of(self.metric(outputs, target))
        return self.loss_of_labelled(outputs, target)

    def metric(self, outputs: Tensor, target: Tensor) -> float:
        """Compute the task's own metric; where it names none, R² for numbers and accuracy else."""
        return self.metric_function(self._predictions(outputs, target))

    def share_learned(self, outputs: Tensor, target: Tensor) -> float:
        """Compute accuracy or R², at most 1: how much is predicted, whatever the task's own metric."""
        return self.share_function(self._predictions(outputs, target))

    def _predictions(self, outputs: Tensor, target: Tensor) -> Predictions:
        outputs, target = _only_labelled(outputs, target)
        predicted, elements = self.function.predict(outputs), Elements.of(self.task, self.constants)
        if elements is None:
            return Predictions(predicted, target, self.constants)
        target, constants = elements.targets(target), self.constants
        if constants.center.size > 1:  # numbers, each in the units of its pixel
            center = torch.from_numpy(constants.center / constants.scale).to(predicted)
            shift = center.repeat(len(outputs)).unsqueeze(1)
            constants = replace(constants, center=np.zeros(1))
            known = elements.known(target)
            return Predictions(
                (elements.outputs(predicted) + shift)[known], (target + shift)[known], constants
            )
        known = elements.known(target)
        return Predictions(elements.outputs(predicted)[known], target[known], constants)


def _constants(
    task: Task, values: NDArray[np.float64], train: NDArray[np.generic], *, has_gaps: bool
) -> Constants:
    declaration = get_loss(task.loss)
    if task.kind not in OF_ELEMENTS and not has_gaps:
        return declaration.constants(values, task.n_outputs)
    constants = constants_of_elements(declaration, task, values, has_gaps=has_gaps)
    if not has_gaps or not constants.scale > 0:
        return constants
    norm = Normalisation.of(task, constants)
    wanted = norm.encode(train).double() if task.kind is not TaskKind.CLASS_MAP else norm.encode(train)
    return with_exact_divisor(
        constants, lambda best: float(norm.function.mean(best.expand(len(wanted), -1), wanted))
    )


def _only_labelled(outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    known = labelled(target)
    return (outputs, target) if bool(known.all()) else (outputs[known], target[known])
