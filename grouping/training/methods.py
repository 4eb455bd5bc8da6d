"""Construction of the parts of a training from the methods that a recipe names."""

from __future__ import annotations

from typing import Any

import torch

from grouping.domain.recipes import Part, Recipe
from grouping.domain.tasks import Task
from grouping.errors import TrainingError
from grouping.recipes import Declaration, get_declaration
from grouping.training.blueprint import Blueprint, Encoder
from grouping.training.implementations import implementation_of
from grouping.training.networks import MultiTaskNetwork
from grouping.training.schedules.schedule import Schedule
from grouping.training.weighting.weighting import Weighting, WeightingContext


def build_encoder(recipe: Recipe, n_features: int) -> Encoder:
    """Build the encoder of a recipe, for inputs of that width. Its implementation: an `Encoder`.

    Raises:
        UnknownNameError, InvalidInputError: if the recipe names what does not exist, or widths that the
            encoder cannot have.
    """
    implementation, declaration = _find(recipe, Part.ENCODER)
    encoder = implementation(n_features, declaration)
    if not isinstance(encoder, Encoder):
        raise TrainingError(f"{declaration.implementation} gives no Encoder.")
    encoder.check_widths(recipe.hidden)
    return encoder


def build_network(recipe: Recipe, blueprint: Blueprint) -> MultiTaskNetwork:
    """Build the network of a blueprint under a recipe. Its implementation: a `MultiTaskNetwork`."""
    implementation, declaration = _find(recipe, Part.SHARING)
    network = implementation(blueprint, declaration)
    if not isinstance(network, MultiTaskNetwork):
        raise TrainingError(f"{declaration.implementation} gives no MultiTaskNetwork.")
    return network


def cost_key(recipe: Recipe, tasks: tuple[Task, ...]) -> object:
    """Return a key that is equal for groups whose networks cost the same under a recipe."""
    implementation, declaration = _find(recipe, Part.SHARING)
    return implementation.cost_key(tasks, declaration)


def build_weighting(recipe: Recipe, context: WeightingContext) -> Weighting:
    """Build the weighting of a recipe, on the device of the training. Its implementation: a `Weighting`."""
    implementation, declaration = _find(recipe, Part.WEIGHTING)
    weighting = implementation(context, declaration)
    if not isinstance(weighting, Weighting):
        raise TrainingError(f"{declaration.implementation} gives no Weighting.")
    return weighting.to(context.device)


def build_schedule(recipe: Recipe) -> Schedule:
    """Build the schedule of a recipe. Its implementation: a `Schedule`."""
    implementation, declaration = _find(recipe, Part.SCHEDULE)
    schedule = implementation(declaration)
    if not isinstance(schedule, Schedule):
        raise TrainingError(f"{declaration.implementation} gives no Schedule.")
    return schedule


def build_optimiser(recipe: Recipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Build the optimiser of a recipe. Its implementation: a function of groups, recipe, declaration."""
    implementation, declaration = _find(recipe, Part.OPTIMISER)
    optimiser: torch.optim.Optimizer = implementation(groups, recipe, declaration)
    return optimiser


def _find(recipe: Recipe, part: Part) -> tuple[Any, Declaration]:
    declaration = get_declaration(part, recipe.method(part))
    return implementation_of(declaration, part.value), declaration
