"""Requests that submit or clone a job, with the fields that the domain declares and no others."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Interval
from pydantic import Discriminator, Field, Tag

from grouping.domain.constraints import Constraints
from grouping.domain.fields import declared
from grouping.domain.jobs.specification import (
    DEFAULT_STRATEGY,
    DEFAULT_TRAINER,
    NOT_CLONED,
    PARAMETERS,
    JobSpec,
    TrainingBudget,
)
from grouping.domain.jobs.task_definitions import Positive, SizeVariant, TaskDefinition
from grouping.domain.tasks import MAX_TASKS, Scale
from grouping.domain.trainings.recipes import BuiltInParameters, Method, Recipe
from grouping.domain.trainings.resources import StatedResources
from grouping.wire.base_types import Input, JsonObject
from grouping.wire.constraints import ConstraintsIn
from grouping.wire.constraints import Name as Name
from grouping.wire.derived import Derived, Nested, requested
from grouping.wire.results import FinishedResultsIn

MAX_RESULT_FILES = 10
"""The most sets of finished results that come with a job."""

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


def _number_or_rule(value: object) -> str:
    return "(rule)" if isinstance(value, str) else "(number)"


@requested(TaskDefinition, nested={})
class TaskIn(Input, Derived):
    """A task that the job defines itself, of which the trainer reports a value."""

    scale: Annotated[
        Annotated[Positive, Tag("(number)")] | Annotated[Scale, Field(strict=False), Tag("(rule)")],
        Discriminator(_number_or_rule),
    ] = Field(default=Scale.SINGLE, description=declared(TaskDefinition)["scale"].doc)


@requested(SizeVariant, nested={}, without=frozenset({"is_to_be_measured"}))
class SizeIn(Input, Derived):
    """A size that the trainer can build, by its name."""

    cost: Annotated[
        Annotated[Annotated[float, Interval(gt=0, le=1000)], Tag("(number)")]
        | Annotated[Literal["measured"], Tag("(rule)")],
        Discriminator(_number_or_rule),
    ] = Field(
        description=f"{declared(SizeVariant)['cost'].doc} `measured`, with a width: it is measured once, by "
        "what trainings of one epoch report as `cost_snt`, when the job is prepared; where a search file is "
        "run with a command, before it is submitted."
    )


@requested(StatedResources, nested={})
class StatedResourcesIn(Input, Derived):
    """What each training holds while it runs; what is left out is as the trainer says."""


def _name_or_task(value: object) -> str:
    return "(name)" if isinstance(value, str) else "(task)"


NamedOrDefined = Annotated[
    Annotated[Name, Tag("(name)")] | Annotated[TaskIn, Tag("(task)")], Discriminator(_name_or_task)
]
"""The name of a task of the problem, or the definition of a task where there is none."""

NESTED: Nested = {
    Method: MethodIn,
    TrainingBudget: TrainingBudgetIn,
    Recipe: RecipeIn,
    SizeVariant: SizeIn,
    Constraints: ConstraintsIn,
    StatedResources: StatedResourcesIn,
}


@requested(BuiltInParameters, nested=NESTED)
@requested(JobSpec, nested=NESTED, without=PARAMETERS | {"definitions"})
class JobRequest(Input, Derived):
    """A grouping search: which tasks should share a network, within an inference budget.

    A job names a problem, or it defines its tasks and names a trainer that knows what to train for them.
    `recipe`, `tuning_samples` and `train_share` are short for those parameters of the built-in trainer.
    """

    tasks: Annotated[list[NamedOrDefined], Field(min_length=1, max_length=MAX_TASKS)] | None = Field(
        default=None,
        description="Tasks to group: names of the problem's, all of them if left out; or, without a problem, "
        "definitions.",
    )
    strategy: StrategyIn = Field(default_factory=StrategyIn)
    trainer: TrainerIn = Field(default_factory=TrainerIn)
    results: list[FinishedResultsIn] = Field(
        default_factory=list,
        max_length=MAX_RESULT_FILES,
        description="Trainings that were carried out before, which count as trained and cost nothing.",
    )

    @property
    def defined(self) -> tuple[TaskIn, ...]:
        """Definitions of the tasks; empty where the tasks are those of a problem."""
        return tuple(task for task in self.tasks or () if isinstance(task, TaskIn))

    @property
    def named(self) -> tuple[str, ...] | None:
        """Names of the tasks; None for all of the problem's."""
        if self.tasks is None:
            return None
        return tuple(task if isinstance(task, str) else task.name for task in self.tasks)


@requested(JobSpec, nested=NESTED, without=PARAMETERS | NOT_CLONED, is_partial=True)
class CloneRequest(Input, Derived):
    """A copy of another job with changes; fields left out are taken from it, the recipe as tuned there.

    A training budget replaces that of the other job as a whole; copied outcomes cost nothing. With another
    recipe or seed no outcome can be reused. Parameters are changed one by one where the trainer stays.
    """

    add_tasks: list[NamedOrDefined] = Field(
        default_factory=list,
        max_length=MAX_TASKS,
        description="Tasks to group as well: names of the problem's; or definitions, where the other job "
        "defines its tasks.",
    )
    drop_tasks: list[Name] = Field(
        default_factory=list, max_length=MAX_TASKS, description="Tasks to leave out."
    )
    strategy: StrategyIn | None = None
    trainer: TrainerIn | None = None
    recipe: RecipeIn = Field(default_factory=RecipeIn)
    results: list[FinishedResultsIn] = Field(
        default_factory=list,
        max_length=MAX_RESULT_FILES,
        description="Further trainings that were carried out elsewhere, which count as trained.",
    )
