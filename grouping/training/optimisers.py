"""Optimisers, in their fused forms: dispatch is most of the cost of a step of a small network."""

from __future__ import annotations

from typing import Any

import torch

from grouping.domain.recipes import Recipe
from grouping.recipes.optimisers import AdamW, Sgd


def build_adamw(groups: list[dict[str, Any]], recipe: Recipe, parameters: AdamW) -> torch.optim.Optimizer:
    """AdamW at the recipe's learning rate and weight decay."""
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)


def build_sgd(groups: list[dict[str, Any]], recipe: Recipe, parameters: Sgd) -> torch.optim.Optimizer:
    """Gradient descent with momentum. Its weight decay is the classical one: part of the gradient."""
    return torch.optim.SGD(
        groups,
        lr=recipe.learning_rate,
        momentum=parameters.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
