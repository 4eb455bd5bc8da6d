"""Focal loss: ``-(1 - p)^gamma log p`` for the predicted probability p of the true class.

Its gradient on the logit of class i is ``a ([i is the true class] - p_i)`` with
``a = gamma p (1 - p)^(gamma - 1) log p - (1 - p)^gamma``. Yes and no are two classes, with one logit.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from grouping.training.losses.loss import StackableLoss, averaged


class FocalLoss(StackableLoss):
    """Focal loss; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        if targets.is_floating_point():
            return self._values(functional.logsigmoid(outputs * (2.0 * targets - 1.0))).mean(dim=1)
        logarithms = outputs.log_softmax(dim=1)
        return self._values(logarithms.gather(1, targets.unsqueeze(1))).squeeze(1)

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`."""
        if targets.is_floating_point():
            signs = 2.0 * targets - 1.0
            logarithm = functional.logsigmoid(outputs * signs)
            gradients = self._slopes(logarithm) * signs * -logarithm.expm1()
            return averaged(self._values(logarithm), gradients, factors, n_rows)
        logarithms = functional.log_softmax(outputs, dim=1)
        logarithm = logarithms.gather(1, targets)
        toward = logarithms.exp_().neg_().scatter_(1, targets, 1.0, reduce="add")
        return averaged(self._values(logarithm), self._slopes(logarithm) * toward, factors, n_rows)

    def _values(self, logarithm: Tensor) -> Tensor:
        """Return losses from the logarithm of p."""
        return (-logarithm.expm1()).pow(self.declaration.gamma).neg() * logarithm

    def _slopes(self, logarithm: Tensor) -> Tensor:
        """Return ``a`` from the logarithm of p."""
        gamma: float = self.declaration.gamma
        others = -logarithm.expm1()
        return gamma * logarithm.exp() * others.pow(gamma - 1.0) * logarithm - others.pow(gamma)
