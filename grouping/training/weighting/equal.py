"""The sum of the losses, each divided by what the best constant scores."""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.recipes.weighting import Equal
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext


class EqualWeighting(Weighting):
    """See the module."""

    def __init__(self, context: WeightingContext, parameters: Equal) -> None:
        super().__init__(context)

    def has_effect(self, step: Step) -> bool:
        """Never: this is what the others are where there is nothing to balance."""
        return False

    def weights(self, step: Step) -> Tensor:
        """All 1."""
        return torch.ones_like(step.losses)
