"""Construction of the parts of a training from the methods that a recipe names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Part, Recipe
from grouping.errors import InvalidInputError, TrainingError
from grouping.recipes import Declaration, get_declaration
from grouping.training.augmentation import Augmentation
from grouping.training.blueprint import Blueprint, Encoder
from grouping.training.data import TrainingData
from grouping.training.implementations import implementation_of
from grouping.training.learning_rates import LearningRateSchedule
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sampling import Sampling
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


def build_sampling(recipe: Recipe, data: TrainingData) -> Sampling:
    """Build the sampling of a recipe. Its implementation: a `Sampling`.

    Raises:
        InvalidInputError: as `check_labels`.
    """
    shares = {name: norm.labelled_share for name, norm in data.normalisations.items()}
    check_labels(recipe, shares)
    implementation, declaration = _find(recipe, Part.SAMPLING)
    sampling = implementation(data, recipe.batch_size, declaration)
    if not isinstance(sampling, Sampling):
        raise TrainingError(f"{declaration.implementation} gives no Sampling.")
    return sampling


def check_labels(recipe: Recipe, labelled_shares: Mapping[str, float]) -> None:
    """Check that a weighting which compares the losses of all tasks gets one of each in every step.

    Args:
        recipe: recipe of the trainings.
        labelled_shares: share of the training rows that have a label, by task.

    Raises:
        InvalidInputError: if a step may be without a label of a task.
    """
    lacking = [name for name, share in labelled_shares.items() if share < 1]
    is_plain = recipe.weighting.name == "equal"
    if not lacking or is_plain or _find(recipe, Part.SAMPLING)[0].gives_labels_of_every_task:
        return
    raise InvalidInputError(
        f"The weighting {recipe.weighting.name!r} compares the losses of all tasks in every step, and not "
        f"every row has a label of {', '.join(lacking[:5])}{' ...' if lacking[5:] else ''}: choose the "
        "sampling 'by-task', which draws rows of each task, or the weighting 'equal'.",
        pointer="/sampling",
    )


def build_learning_rates(recipe: Recipe) -> LearningRateSchedule:
    """Build the learning-rate schedule of a recipe. Its implementation: a `LearningRateSchedule`."""
    implementation, declaration = _find(recipe, Part.LEARNING_RATE_SCHEDULE)
    rates = implementation(declaration)
    if not isinstance(rates, LearningRateSchedule):
        raise TrainingError(f"{declaration.implementation} gives no LearningRateSchedule.")
    return rates


def build_augmentation(recipe: Recipe, data: TrainingData) -> Augmentation:
    """Build the augmentation of a recipe. Its implementation: an `Augmentation`.

    Raises:
        InvalidInputError: if the augmentation cannot read the data.
    """
    implementation, declaration = _find(recipe, Part.AUGMENTATION)
    augmentation = implementation(data, declaration)
    if not isinstance(augmentation, Augmentation):
        raise TrainingError(f"{declaration.implementation} gives no Augmentation.")
    return augmentation


def build_optimiser(recipe: Recipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Build the optimiser of a recipe. Its implementation: a function of groups, recipe, declaration."""
    implementation, declaration = _find(recipe, Part.OPTIMISER)
    optimiser: torch.optim.Optimizer = implementation(groups, recipe, declaration)
    return optimiser


def _find(recipe: Recipe, part: Part) -> tuple[Any, Declaration]:
    declaration = get_declaration(part, recipe.method(part))
    return implementation_of(declaration, part.words), declaration
