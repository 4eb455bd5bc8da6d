"""Recipes drawn around that of a job, to be tried for each grouping that a verdict compares.

Drawn are learning rate, weight decay, epochs; depth with the widths that cost as much, for fully connected
layers; dropout, where the encoder has it; and the weighting of the losses, where the data allow another one.
The same numbers are drawn whatever is allowed, so that a recipe's epochs are known before the data are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grouping.domain.trainings.recipes import MAX_EPOCHS, MAX_WIDTH, Method, Recipe

RATE_FACTOR = 10.0
"""Learning rates are drawn within this factor of the given one, up and down, evenly in the logarithm."""
WEIGHT_DECAYS = (1e-3, 10.0)
"""Weight decays are drawn between these, evenly in the logarithm; one in six is 0."""
EPOCH_FACTORS = (0.25, 0.5, 1.0, 2.0)
DEPTHS = (1, 2, 3)
DROPOUTS = (0.0, 0.1, 0.3, 0.5)
WEIGHTINGS = (Method("equal"), Method("uncertainty"))
ENCODER_OF_ANY_DEPTH = "mlp"


def draw_recipes(
    recipe: Recipe, n: int, seed: int, n_features: int, weightings: Sequence[Method] = ()
) -> tuple[Recipe, ...]:
    """Return the given recipe first, then variations of it drawn from the seed.

    Args:
        recipe: recipe of the job.
        n: number of recipes, the given one included.
        seed: seed of the draws.
        n_features: width of the inputs.
        weightings: weightings that may be drawn beside that of the recipe.
    """
    generator = np.random.default_rng([seed, 16])
    return (recipe, *(_drawn(recipe, generator, n_features, weightings) for _ in range(n - 1)))


def _drawn(
    recipe: Recipe, generator: np.random.Generator, n_features: int, weightings: Sequence[Method]
) -> Recipe:
    rate, decay, has_decay, epochs, depth, dropout, weighting = generator.random(7).tolist()
    low, high = map(math.log, WEIGHT_DECAYS)
    changes: dict[str, Any] = {
        "learning_rate": min(100.0, recipe.learning_rate * RATE_FACTOR ** (2.0 * rate - 1.0)),
        "weight_decay": math.exp(low + decay * (high - low)) if has_decay > 1 / 6 else 0.0,
        "epochs": min(MAX_EPOCHS, max(1, round(recipe.epochs * _one_of(EPOCH_FACTORS, epochs)))),
        "weighting": _one_of((recipe.weighting, *weightings), weighting),
    }
    if recipe.encoder.name == ENCODER_OF_ANY_DEPTH:
        changes["hidden"] = widths_of_depth(recipe.hidden, _one_of(DEPTHS, depth), n_features)
    if "dropout" in recipe.encoder.parameters:
        drawn = {**recipe.encoder.parameters, "dropout": _one_of(DROPOUTS, dropout)}
        changes["encoder"] = replace(recipe.encoder, parameters=drawn)
    return replace(recipe, **changes)


def _one_of(choices: Sequence[Any], share: float) -> Any:
    return choices[int(share * len(choices))]


def widths_of_depth(hidden: tuple[int, ...], depth: int, n_features: int) -> tuple[int, ...]:
    """Return equal widths of so many fully connected layers that cost at most as much as the given ones.

    Those given are returned where the depth is theirs.

    Args:
        hidden: widths of the layers that set the cost, in multiply-adds without heads.
        depth: number of layers.
        n_features: width of the inputs.
    """
    if depth == len(hidden):
        return hidden
    most = sum(before * width for before, width in zip((n_features, *hidden), hidden, strict=False))
    widths = range(1, MAX_WIDTH + 1)
    fitting = (width for width in reversed(widths) if width * (n_features + (depth - 1) * width) <= most)
    width = next(fitting, 0)
    return (width,) * depth if width else hidden
