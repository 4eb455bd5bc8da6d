"""GradNorm (Chen, Badrinarayanan, Lee and Rabinovich, ICML 2018): gradients of similar norm.

With ``G_i = w_i |grad L_i|`` on the shared parameters, their mean ``G``, and the relative inverse training
rate ``r_i = (L_i / L_i(0)) / mean_j (L_j / L_j(0))``, the weights follow the gradient of ``sum_i |G_i - G
r_i^alpha|``, with the targets held constant, and are brought back to mean 1 after each step. A task that
has learned less than others thus comes to pull harder; with ``alpha = 0`` all come to pull alike.

What differs from the paper: the weights are stepped in logarithms and relative to the mean, ``log w_i -=
rate sign(G_i - G r_i^alpha) G_i / G``, so that they stay positive, and so that the rate means the same
whatever the units of the losses. Norms are those of all shared parameters, not of the last shared layer
only. Weights at rest flutter within about `rate` of their place, as the sign changes at each step. Losses
at their start count as at least a millionth.

Cost: a backward pass per task through the shared parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.recipes.weighting import GradNorm
from grouping.training.weighting.inverse import remember_first
from grouping.training.weighting.weighting import (
    Step,
    Weighting,
    WeightingContext,
    with_mean_one,
)

LARGEST_STEP = 1.0
"""Of the logarithm of a weight."""


class GradNormWeighting(Weighting):
    """Weighting that balances the norms of the gradients; see the module.

    Attributes:
        current: the weights, ``[T]``.
        initial: loss of each task on the first batch, ``[T]``; NaN before it.
    """

    needs_shared = True
    current: Tensor
    initial: Tensor

    def __init__(self, context: WeightingContext, parameters: GradNorm) -> None:
        super().__init__(context)
        self._alpha = parameters.alpha
        self._rate = parameters.rate
        self.register_buffer("current", torch.ones(self.n_tasks))
        self.register_buffer("initial", torch.full((self.n_tasks,), torch.nan))

    def weights(self, step: Step) -> Tensor:
        """Return the weights from before this step, as in the paper, and update them."""
        used = self.current.clone()
        remember_first(self.initial, step.losses)
        norms = used * step.shared_gradients().norm(dim=1)
        progress = step.losses.detach() / self.initial.clamp(min=1e-6)
        targets = norms.mean() * (progress / progress.mean()) ** self._alpha
        change = self._rate * (norms - targets).sign() * norms / norms.mean()
        # Gradients of zero throughout, or losses that are: nothing to go by.
        change = torch.where(change.isfinite(), change, 0.0).clamp(-LARGEST_STEP, LARGEST_STEP)
        self.current.copy_(with_mean_one(used * (-change).exp()))
        return used
