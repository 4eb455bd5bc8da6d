"""Recipes of jobs in tests: how one stands among the parameters of the built-in trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.trainings.recipes import BuiltInParameters, Recipe


def by(recipe: Recipe, tuning_samples: int = 0) -> Mapping[str, Any]:
    """Return the trainer's parameters of a job that trains with this recipe."""
    return BuiltInParameters(recipe, tuning_samples).as_mapping()


def recipe_in(spec: JobSpec) -> Recipe:
    """Return the recipe of a specification."""
    return BuiltInParameters.from_mapping(spec.trainer_parameters).recipe
