"""Optimisers in their fused forms: dispatch is most of the cost of a step of a small network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from grouping.domain.trainings.recipes import Recipe
from grouping.recipes.optimisers import AdamW, Sgd


def parameter_groups(
    network: nn.Module,
    depths: Sequence[Sequence[nn.Parameter]],
    rates: Sequence[float],
    of_the_weighting: Sequence[nn.Parameter],
) -> list[dict[str, Any]]:
    """Group parameters by the factor on their learning rate: one group, unless depths differ.

    Args:
        network: the network in training.
        depths: its parameters from the inputs to the heads.
        rates: factor by depth, the last one for all above; empty for 1 everywhere.
        of_the_weighting: parameters that the weighting learns; they do not decay.
    """
    own = {"params": list(of_the_weighting), "factor": 1.0, "weight_decay": 0.0}
    groups: list[dict[str, Any]] = [{"params": list(network.parameters()), "factor": 1.0}]
    if rates:
        groups = [
            {"params": list(parameters), "factor": rates[min(depth, len(rates) - 1)]}
            for depth, parameters in enumerate(depths)
        ]
    return [group for group in [*groups, own] if group["params"]]


def build_adamw(groups: list[dict[str, Any]], recipe: Recipe, parameters: AdamW) -> torch.optim.Optimizer:
    """Build AdamW at the recipe's learning rate and weight decay."""
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)


def build_sgd(groups: list[dict[str, Any]], recipe: Recipe, parameters: Sgd) -> torch.optim.Optimizer:
    """Build gradient descent with momentum; weight decay is the classical one, part of the gradient."""
    return torch.optim.SGD(
        groups,
        lr=recipe.learning_rate,
        momentum=parameters.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
