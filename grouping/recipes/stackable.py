"""Which recipes the stacked engine can train, as far as the recipe alone tells."""

from __future__ import annotations

from collections.abc import Mapping

from grouping.domain.trainings.recipes import Part, Precision, Recipe

STACKABLE: Mapping[Part, tuple[str, ...]] = {
    Part.ENCODER: ("mlp",),
    Part.SHARING: ("hard",),
    Part.WEIGHTING: ("equal",),
    Part.SCHEDULE: ("joint",),
    Part.OPTIMISER: ("adamw", "sgd"),
}
"""Methods that can be stacked, by part of the recipe."""


def is_stackable(recipe: Recipe) -> bool:
    """Return whether networks under a recipe can be stacked, if the losses of their tasks can."""
    methods_fit = all(recipe.method(part).name in names for part, names in STACKABLE.items())
    return methods_fit and recipe.precision is Precision.FLOAT32
