"""The quantile loss: for ``e = target - output``, ``q e`` where ``e > 0`` and ``(q - 1) e`` elsewhere.

The gradient is ``-q`` where the output is too small, and ``1 - q`` elsewhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.training.losses.loss import StackableLoss, averaged


class QuantileLoss(StackableLoss):
    """The quantile loss; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        return self._values(targets - outputs).mean(dim=1)

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`."""
        share = self.declaration.quantile
        error = targets - outputs
        gradients = (error <= 0).to(error.dtype).sub_(share)
        return averaged(self._values(error), gradients, factors, n_rows)

    def _values(self, error: Tensor) -> Tensor:
        share = self.declaration.quantile
        return torch.where(error > 0, share * error, (share - 1.0) * error)
