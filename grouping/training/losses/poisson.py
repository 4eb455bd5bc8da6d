"""Half the Poisson deviance: ``y log(y / m) - (y - m)`` for a target ``y`` and ``m = exp(output)``.

The gradient is ``m - y``. The expected number ``m`` is positive whatever the head gives.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.training.losses.loss import StackableLoss, averaged


class PoissonLoss(StackableLoss):
    """Half the Poisson deviance; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        return _deviance(outputs, outputs.exp(), targets).mean(dim=1)

    def predict(self, outputs: Tensor) -> Tensor:
        """Return the expected numbers."""
        return outputs.exp()

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`."""
        expected = outputs.exp()
        return averaged(_deviance(outputs, expected, targets), expected.sub_(targets), factors, n_rows)


def _deviance(outputs: Tensor, expected: Tensor, targets: Tensor) -> Tensor:
    return torch.xlogy(targets, targets) - targets * outputs - targets + expected
