"""Cross entropy: minus the logarithm of the softmax at the class, with the gradient softmax minus one-hot."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from grouping.training.losses.loss import StackableLoss, averaged


class CrossEntropyLoss(StackableLoss):
    """Cross entropy of the softmax; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        return functional.cross_entropy(outputs, targets, reduction="none")

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.mean`."""
        return functional.cross_entropy(outputs, targets)

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`."""
        logarithms = functional.log_softmax(outputs, dim=1)
        values = logarithms.gather(1, targets).neg_()
        gradients = logarithms.exp_().scatter_(1, targets, -1.0, reduce="add")
        return averaged(values, gradients, factors, n_rows)
