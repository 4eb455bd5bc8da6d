"""Absolute error: the mean of ``|output - target|`` over the outputs. Its gradient is a sign."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from grouping.training.losses.loss import StackableLoss, averaged


class AbsoluteErrorLoss(StackableLoss):
    """Absolute error, carried out; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        return functional.l1_loss(outputs, targets, reduction="none").mean(dim=1)

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`."""
        difference = outputs.sub_(targets)
        return averaged(difference.abs(), difference.sign_(), factors, n_rows)
