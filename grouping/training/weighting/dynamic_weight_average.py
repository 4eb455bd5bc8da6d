"""Dynamic weight average (Liu, Johns and Davison, CVPR 2019): more weight to losses that fall slowly.

Over the last two epochs, ``r_i = L_i(t-1) / L_i(t-2)``, and ``w = T softmax(r / temperature)``; 1 in the
first two epochs. The weights depend on how fast each loss falls, not on its units, and are equal when all
fall at the same rate.

`torchjd.scalarization.DWA` has the same formula, but keeps the past losses in attributes that are not part
of a module's state: a training could not be continued from a saved one. Hence these few lines.

Cost: a softmax of ``[T]`` numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.recipes.weighting import DynamicWeightAverage
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext


class DynamicWeightAverageWeighting(Weighting):
    """Weighting by how slowly each loss fell in the last epochs; see the module.

    Attributes:
        past: mean losses of the last epoch and of the one before, ``[2, T]``; NaN until known.
    """

    past: Tensor

    def __init__(self, context: WeightingContext, parameters: DynamicWeightAverage) -> None:
        super().__init__(context)
        self._temperature = parameters.temperature
        self.register_buffer("past", torch.full((2, self.n_tasks), torch.nan))

    def weights(self, step: Step) -> Tensor:
        """Return weights that are constant throughout an epoch."""
        last, before = self.past
        # A loss that was nothing cannot have fallen.
        rates = torch.where(before > 0, last / before, 1.0)
        return self.n_tasks * torch.softmax(rates / self._temperature, dim=0)

    def end_epoch(self, losses: Tensor) -> None:
        """Remember the losses of this epoch, forget those of the last but one."""
        self.past.copy_(torch.stack((losses, self.past[0])))
