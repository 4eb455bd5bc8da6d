"""Losses divided by what the best constant prediction scores on the training rows, and metrics.

A head's raw outputs are logits for classes, and for numbers the target in centred and scaled units: the
mean of each output is subtracted and all outputs are divided by one scale, the root of their mean
variance. The mean squared error in these units is the mean squared error in the target's own units divided
by the mean variance, so nothing but the conditioning of the optimisation changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from grouping.domain.tasks import Loss, Task
from grouping.errors import TrainingError

SMALLEST_RELATIVE_VARIANCE = 1e-12
"""Below this share of the mean square, the spread of a float32 target is rounding and not information."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Constants of one task's loss, all from the training rows.

    Attributes:
        task: the task.
        constant_loss: what the best constant prediction scores there, before division: the mean variance
            of an output, or the entropy in nats; positive.
        best_constant: the outputs of that prediction as the head would give them, ``[n_outputs]``: logits
            of the frequencies, or zeros (the mean) for squared error.
        center: ``[n_outputs]``, mean of each output for squared error, else zeros.
        scale: unit of the head's outputs for squared error, else 1.
    """

    task: Task
    constant_loss: float
    best_constant: NDArray[np.float64] = field(repr=False)
    center: NDArray[np.float64] = field(repr=False)
    scale: float

    @classmethod
    def from_targets(cls, task: Task, train: NDArray[np.generic]) -> Normalisation:
        """Constants from the targets of the training rows, in the shape `Dataset` documents.

        Raises:
            TrainingError: if the target is practically constant, or the task's loss is unspecified.
        """
        values = np.asarray(train, dtype=np.float64)
        center, scale = np.zeros(task.n_outputs), 1.0
        match task.loss:
            case Loss.SQUARED_ERROR:
                center = values.mean(axis=0)
                constant_loss = float(np.square(values - center).mean())
                floor = SMALLEST_RELATIVE_VARIANCE * float(np.square(values).mean())
                best, scale = np.zeros(task.n_outputs), math.sqrt(constant_loss)
            case Loss.CROSS_ENTROPY:
                shares = np.bincount(values.astype(np.int64), minlength=task.n_outputs) / len(values)
                present = shares > 0
                constant_loss, floor = -float(np.sum(shares[present] * np.log(shares[present]))), 0.0
                # A class without training rows gets a share that is negligible, not a logit of -inf.
                best = np.log(np.maximum(shares, 1e-12))
            case Loss.BINARY_CROSS_ENTROPY:
                rate = float(values.mean())
                floor = 0.0
                if not 0 < rate < 1:
                    constant_loss, best = 0.0, np.zeros(1)
                else:
                    constant_loss = -rate * math.log(rate) - (1 - rate) * math.log1p(-rate)
                    best = np.array([math.log(rate) - math.log1p(-rate)])
            case _:
                raise TrainingError(f"Task {task.name!r} has no loss that a network can be trained on.")
        if not constant_loss > floor or (task.loss is Loss.SQUARED_ERROR and scale == 0.0):
            raise TrainingError(
                f"Target {task.name!r} is practically constant in the training rows: nothing to learn."
            )
        return cls(task, constant_loss, best, center, scale)

    def encode(self, target: NDArray[np.generic]) -> Tensor:
        """Targets as the loss wants them: centred and scaled, class numbers, or a column of 0 and 1."""
        if self.task.loss is Loss.SQUARED_ERROR:
            scaled = (np.asarray(target, dtype=np.float64) - self.center) / self.scale
            return torch.from_numpy(scaled.astype(np.float32))
        if self.task.loss is Loss.CROSS_ENTROPY:
            return torch.from_numpy(np.array(target, dtype=np.int64))
        return torch.from_numpy(np.array(target, dtype=np.float32)).unsqueeze(1)

    def decode(self, outputs: Tensor) -> Tensor:
        """Predictions in the target's own units: numbers, or probabilities ``[rows, n_outputs]``."""
        if self.task.loss is Loss.SQUARED_ERROR:
            return outputs * self.scale + torch.from_numpy(self.center).to(outputs)
        if self.task.loss is Loss.CROSS_ENTROPY:
            return outputs.softmax(dim=1)
        return outputs.sigmoid()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Normalised loss, a scalar; lower is better, 1 is the best constant on the training rows.

        Args:
            outputs: ``[rows, n_outputs]``, raw outputs of the head.
            target: the encoded target of these rows.
        """
        if self.task.loss is Loss.SQUARED_ERROR:
            return functional.mse_loss(outputs, target)
        if self.task.loss is Loss.CROSS_ENTROPY:
            return functional.cross_entropy(outputs, target) / self.constant_loss
        return functional.binary_cross_entropy_with_logits(outputs, target) / self.constant_loss

    def metric(self, outputs: Tensor, target: Tensor) -> float:
        """Accuracy for classes, else the share of variance explained over all outputs; higher is better.

        The latter is measured against the mean of these very rows, and is 0 where they do not vary.
        """
        if self.task.loss is Loss.CROSS_ENTROPY:
            return float((outputs.argmax(dim=1) == target).double().mean())
        if self.task.loss is Loss.BINARY_CROSS_ENTROPY:
            return float(((outputs > 0) == (target > 0.5)).double().mean())
        wanted = target.double()
        residual = float((outputs.double() - wanted).square().sum())
        spread = float((wanted - wanted.mean(dim=0)).square().sum())
        return 1.0 - residual / spread if spread > 0 else 0.0
