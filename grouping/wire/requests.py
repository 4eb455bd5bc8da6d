"""Requests that submit or clone a job, with the fields that the domain declares and no others."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from grouping.domain.jobs import (
    DEFAULT_STRATEGY,
    DEFAULT_TRAINER,
    NOT_CLONED,
    PARAMETERS,
    JobSpec,
    TrainingBudget,
)
from grouping.domain.recipes import BuiltInParameters, Method, Recipe
from grouping.domain.tasks import MAX_NAME_LENGTH, MAX_TASKS
from grouping.wire.base_types import Input, JsonObject, PlainText
from grouping.wire.derived import Derived, Nested, requested

Name = Annotated[PlainText, Field(min_length=1, max_length=MAX_NAME_LENGTH)]

EXAMPLE: dict[str, Any] = {
    "problem": "digits",
    "name": "digits, budgets 1 to 3",
    "strategy": {"name": DEFAULT_STRATEGY, "parameters": {}},
    "budgets_snt": [1, 2, 3],
    "n_seeds": 3,
    "n_confirmation_seeds": 5,
    "training_budget": {"trainings": 400},
    "recipe": {"epochs": 25},
    "seed": 0,
}


class StrategyIn(Input):
    """Strategy that decides which networks are trained."""

    name: Name = Field(
        default=DEFAULT_STRATEGY, description="Name of a strategy; GET /v1/strategies lists them."
    )
    parameters: JsonObject = Field(
        default_factory=dict, description="Parameters of the strategy, by its JSON Schema."
    )


class TrainerIn(Input):
    """Name and parameters of the trainer."""

    name: Name = Field(default=DEFAULT_TRAINER, description="One of GET /v1/trainers.")
    parameters: JsonObject = Field(default_factory=dict, description="By the trainer's JSON Schema.")


class MethodIn(Input):
    """Name and parameters of a method."""

    name: Name = Field(description="Name of a method; GET /v1/recipes lists them.")
    parameters: JsonObject = Field(
        default_factory=dict, description="Parameters of the method, by its JSON Schema."
    )


@requested(TrainingBudget, nested={})
class TrainingBudgetIn(Input, Derived):
    """The most the job may spend, confirmation included; what is left out has no limit."""


@requested(Recipe, nested={Method: MethodIn}, is_partial=True)
class RecipeIn(Input, Derived):
    """How networks are built and trained; what is left out is taken from the problem's own recipe."""


NESTED: Nested = {Method: MethodIn, TrainingBudget: TrainingBudgetIn, Recipe: RecipeIn}


@requested(BuiltInParameters, nested=NESTED)
@requested(JobSpec, nested=NESTED, without=PARAMETERS)
class JobRequest(Input, Derived):
    """A grouping search: which tasks should share a network, within an inference budget.

    `recipe`, `tuning_samples` and `train_share` are short for those parameters of the built-in trainer.
    """

    strategy: StrategyIn = Field(default_factory=StrategyIn)
    trainer: TrainerIn = Field(default_factory=TrainerIn)


@requested(JobSpec, nested=NESTED, without=PARAMETERS | NOT_CLONED, is_partial=True)
class CloneRequest(Input, Derived):
    """A copy of another job with changes; fields left out are taken from it, the recipe as tuned there.

    A training budget replaces that of the other job as a whole; copied outcomes cost nothing. With another
    recipe or seed no outcome can be reused. Parameters are changed one by one where the trainer stays.
    """

    add_tasks: list[Name] = Field(
        default_factory=list, max_length=MAX_TASKS, description="Tasks of the problem to group as well."
    )
    drop_tasks: list[Name] = Field(
        default_factory=list, max_length=MAX_TASKS, description="Tasks to leave out."
    )
    strategy: StrategyIn | None = None
    trainer: TrainerIn | None = None
    recipe: RecipeIn = Field(default_factory=RecipeIn)
