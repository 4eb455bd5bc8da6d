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

    def weights(self, step: Step) -> Tensor:
        """All 1."""
        return torch.ones_like(step.losses)

    def objective(self, step: Step) -> Tensor:
        """The sum, in the order of the tasks."""
        total = step.losses[0]
        for loss in step.losses[1:]:
            total = total + loss
        return total
