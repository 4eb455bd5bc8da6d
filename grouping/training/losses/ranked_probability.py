"""Ranked probability score: the mean over k of ``(P(class <= k) - [class <= k])^2``, without the last class.

With ``e_k`` the difference and ``p`` the softmax, the gradient of the sum over k on output i is
``p_i (g_i - sum_j p_j g_j)``, where ``g_i`` is twice the sum of ``e_k`` over the k from i on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.training.losses.loss import StackableLoss, averaged


class RankedProbabilityLoss(StackableLoss):
    """Ranked probability score of the softmax; see the module."""

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        return _differences(outputs.softmax(dim=1), targets.unsqueeze(1)).square().mean(dim=1)

    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """See `StackableLoss.stacked`."""
        shares = outputs.softmax(dim=1)
        differences = _differences(shares, targets)
        # Of the outputs from i on: the sum of all without those before. The last class is in none.
        total = differences.sum(dim=1, keepdim=True)
        before = torch.cat([torch.zeros_like(total), differences.cumsum(dim=1)], dim=1)
        slopes = (total - before).mul_(2.0)
        gradients = shares * (slopes - (shares * slopes).sum(dim=1, keepdim=True))
        return averaged(differences.square(), gradients, factors, n_rows)


def _differences(shares: Tensor, targets: Tensor) -> Tensor:
    """Return ``e_k`` for each k below the last class, in dimension 1; the target has length 1 there."""
    n = shares.shape[1] - 1
    at_most = shares.cumsum(dim=1).narrow(1, 0, n)
    steps = torch.arange(n, device=shares.device).view(1, n, *[1] * (shares.ndim - 2))
    return at_most - (targets <= steps).to(shares.dtype)
