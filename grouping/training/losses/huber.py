"""Huber's loss: for ``e = output - target``, ``e^2 / 2`` up to delta and ``delta (|e| - delta / 2)`` beyond.

The gradient is ``e``, clipped to delta. Encoded targets have a standard deviation of 1: that is delta's unit.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from grouping.training.losses.loss import StackableLoss, averaged


class HuberLoss(StackableLoss):
    """Huber's loss; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        delta = self.declaration.delta
        return functional.huber_loss(outputs, targets, reduction="none", delta=delta).mean(dim=1)

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`."""
        delta = self.declaration.delta
        difference = outputs.sub_(targets)
        size = difference.abs()
        inner = size.clamp(max=delta)
        values = size.sub_(inner, alpha=0.5).mul_(inner)
        return averaged(values, difference.clamp_(-delta, delta), factors, n_rows)
