"""Loss-balanced task weighting (Liu, Liang and Gitter, AAAI 2019): less weight to losses that fall fast.

Within each epoch, ``w_i = (L_i / L_i(0)) ** alpha``, with ``L_i(0)`` the loss on the first batch of that
epoch: a task whose loss has fallen further gets less of the step, so that it does not drown the others.
With ``alpha = 0`` the weights are equal; they do not depend on the units of a loss.

What differs from the paper: the weights are divided by their mean, which leaves the direction as it is.

Cost: a few operations on ``[T]`` numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.recipes.weighting import LossBalanced
from grouping.training.weighting.inverse import remember_first
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext, with_mean_one

SMALLEST_RATIO = 1e-6
"""A loss that is nothing counts as this share of its first: weights stay positive."""


class LossBalancedWeighting(Weighting):
    """Weighting by each loss relative to the start of its epoch; see the module.

    Attributes:
        first: loss of each task on the first batch of the epoch, ``[T]``; NaN before it.
    """

    first: Tensor

    def __init__(self, context: WeightingContext, parameters: LossBalanced) -> None:
        super().__init__(context)
        self._alpha = parameters.alpha
        self.register_buffer("first", torch.full((self.n_tasks,), torch.nan))

    def weights(self, step: Step) -> Tensor:
        """Compute the weights from the losses of this step and of the first of its epoch."""
        losses = step.losses.detach()
        remember_first(self.first, losses)
        ratios = torch.where(self.first > 0, losses / self.first, 1.0)
        return with_mean_one(ratios.clamp(min=SMALLEST_RATIO) ** self._alpha)

    def end_epoch(self, losses: Tensor) -> None:
        """Forget the first losses: the next epoch has a first batch of its own."""
        self.first.fill_(torch.nan)
