"""Binary cross entropy of logits, with the gradient sigmoid minus target."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from grouping.training.losses.loss import StackableLoss, averaged


class BinaryCrossEntropyLoss(StackableLoss):
    """Binary cross entropy of logits; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        return functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(dim=1)

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.mean`."""
        return functional.binary_cross_entropy_with_logits(outputs, targets)

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`."""
        values = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
        return averaged(values, outputs.sigmoid_().sub_(targets), factors, n_rows)
