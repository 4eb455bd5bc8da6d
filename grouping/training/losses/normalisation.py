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

from grouping.domain.datasets import labelled_rows
from grouping.domain.tasks import ChosenBy, Task
from grouping.errors import InvalidInputError, TrainingError
from grouping.recipes.losses import Constants
from grouping.recipes.losses_and_metrics import complete_task, default_metric, get_loss, metric_of
from grouping.training.implementations import implementation_of
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
    def from_targets(cls, task: Task, train: NDArray[np.generic]) -> Normalisation:
        """Compute the constants from labelled training rows; targets as `Dataset` documents.

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
        spread = float(np.square(values - values.mean(axis=0)).mean())
        if spread > SMALLEST_RELATIVE_VARIANCE * float(np.square(values).mean()):
            try:
                constants = get_loss(task.loss).constants(values, task.n_outputs)
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
        return Predictions(self.function.predict(outputs), target, self.constants)


def _only_labelled(outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    known = labelled(target)
    return (outputs, target) if bool(known.all()) else (outputs[known], target[known])
