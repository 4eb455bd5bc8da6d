"""Squared error: the mean over outputs of ``(output - target)^2``. The gradient is twice the difference."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from grouping.training.engines.products import products
from grouping.training.losses.loss import StackableLoss, averaged, only_first


class SquaredErrorLoss(StackableLoss):
    """Squared error; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        return (outputs - targets).square().mean(dim=1)

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.mean`."""
        return functional.mse_loss(outputs, targets)

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`.

        Where all rows are labelled factors are 1, and a dot product sums the squares without storing them.
        """
        if factors.shape[2] > 1:
            difference = outputs.sub_(targets)
            return averaged(difference.square(), difference.mul_(2.0), factors, n_rows)
        n = outputs.shape[1] * n_rows
        difference = only_first(outputs.sub_(targets), n_rows)
        flat = difference.view(len(outputs), 1, -1)
        losses = products(flat, flat.transpose(1, 2), flat.new_empty(len(flat), 1, 1))
        return losses.flatten().mul_(1.0 / n), difference.mul_(2.0 / n)
