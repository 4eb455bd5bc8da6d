"""Cosine loss: one less the cosine of the angle between two directions."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from grouping.training.losses.loss import LossFunction


class CosineLoss(LossFunction):
    """Cosine loss of directions ``[rows, 3]``; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        return 1.0 - functional.cosine_similarity(outputs, targets, dim=1)
