"""Equal weighting: the sum of the losses, each divided by that of the best constant prediction."""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.recipes.weighting import Equal
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext


class EqualWeighting(Weighting):
    """Weighting of all losses by 1; see the module."""

    def __init__(self, context: WeightingContext, parameters: Equal) -> None:
        super().__init__(context)

    def has_effect(self, step: Step) -> bool:
        """Return False: other weightings reduce to this one where there is nothing to balance."""
        return False

    def weights(self, step: Step) -> Tensor:
        """Return 1 for each loss."""
        return torch.ones_like(step.losses)
