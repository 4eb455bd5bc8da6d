"""Balanced cross entropy: that of classes, or of yes and no, times the weight of the true class."""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.errors import TrainingError
from grouping.training.losses.binary_cross_entropy import BinaryCrossEntropyLoss
from grouping.training.losses.cross_entropy import CrossEntropyLoss
from grouping.training.losses.loss import StackableLoss


class BalancedCrossEntropyLoss(StackableLoss):
    """Cross entropy with weights on the classes; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        weights = self._weights(targets, outputs.dtype)
        return self._plain(targets).rows(outputs, targets) * weights.view(len(targets))

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`: the plain loss, with a factor for each row."""
        return self._plain(targets).stacked(
            outputs, targets, factors * self._weights(targets, outputs.dtype), n_rows
        )

    def _plain(self, targets: Tensor) -> StackableLoss:
        is_yes_or_no = targets.is_floating_point()
        return (BinaryCrossEntropyLoss if is_yes_or_no else CrossEntropyLoss)(self.declaration)

    def _weights(self, targets: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the weight of each target's class, in the shape of `targets`."""
        if self.class_weights is None:
            raise TrainingError("Balanced cross entropy needs the weights of the classes.")
        return self.class_weights.to(targets.device, dtype)[targets.long()]
