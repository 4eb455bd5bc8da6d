"""What a user sends."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from grouping.domain.jobs import DEFAULT_STRATEGY, MAX_BUDGETS, MAX_REUSE_JOBS, MAX_SEEDS
from grouping.domain.recipes import MAX_EPOCHS, MAX_WIDTH, Precision
from grouping.domain.tasks import MAX_NAME_LENGTH
from grouping.wire.common import MAX_SAFE_INTEGER, Input, JsonObject, PlainText

MAX_TASKS = 200

Name = Annotated[PlainText, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
Budget = Annotated[float, Field(gt=0, le=10_000)]
JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="Identifier of a job.")]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]

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
    """Which strategy decides what to train."""

    name: Name = Field(default=DEFAULT_STRATEGY, description="One of GET /v1/strategies.")
    parameters: JsonObject = Field(default_factory=dict, description="By the strategy's JSON Schema.")


class TrainingBudgetIn(Input):
    """The most the job may spend, confirmation included; what is left out has no limit."""

    trainings: Count | None = Field(default=None, description="Number of trainings, of any size and length.")
    epochs: Count | None = Field(default=None, description="Sum of the epochs of all trainings.")
    seconds: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        default=None, description="Sum of the training seconds over all workers."
    )


class MethodIn(Input):
    """A method by its name, with its parameters."""

    name: Name = Field(description="One of GET /v1/recipes.")
    parameters: JsonObject = Field(default_factory=dict, description="By the method's JSON Schema.")


class RecipeIn(Input):
    """How networks are built and trained; what is left out is taken from the problem's own recipe."""

    hidden: list[Annotated[int, Field(ge=1, le=MAX_WIDTH)]] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="Widths of the full-size encoder's stages.",
    )
    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=100)] | None = None
    weight_decay: Annotated[float, Field(ge=0, le=100)] | None = None
    encoder: MethodIn | None = Field(default=None, description="What the stages are.")
    sharing: MethodIn | None = Field(default=None, description="Which of them the tasks share, and how.")
    weighting: MethodIn | None = Field(default=None, description="How the losses are combined.")
    schedule: MethodIn | None = Field(default=None, description="Which tasks are trained when.")
    optimiser: MethodIn | None = Field(default=None, description="What takes the steps.")
    precision: Annotated[Precision, Field(strict=False)] | None = Field(
        default=None, description="In what numbers the layers compute while they are trained."
    )


class JobRequest(Input):
    """A grouping search: which tasks should share a network, within an inference budget."""

    problem: Name = Field(description="One of GET /v1/problems.")
    tasks: list[Name] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_TASKS,
        description="Tasks to group; all of the problem's if left out.",
    )
    name: Annotated[PlainText, Field(max_length=200)] = Field(default="", description="A label for people.")
    strategy: StrategyIn = Field(default_factory=lambda: StrategyIn())
    max_group_size: Annotated[int, Field(ge=1, le=MAX_TASKS)] | None = Field(
        default=None, description="The largest group that is a candidate; the number of tasks if left out."
    )
    single_sizes: list[Annotated[float, Field(gt=0, le=8)]] = Field(
        default_factory=lambda: [0.5],
        max_length=16,
        description="Further sizes of the single-task candidates, besides 1.",
    )
    budgets_snt: list[Budget] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_BUDGETS,
        description="Inference budgets to recommend a grouping for, in standard network times (the full-size "
        "network costs 1); 1, 2, ... up to the number of tasks if left out.",
    )
    n_seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS)] = Field(
        default=3, description="Trainings of each network on which choices are made."
    )
    n_confirmation_seeds: Annotated[int, Field(ge=0, le=MAX_SEEDS)] = Field(
        default=5, description="Fresh trainings of the chosen networks and of the baselines; 0 for none."
    )
    training_budget: TrainingBudgetIn = Field(default_factory=lambda: TrainingBudgetIn())
    recipe: RecipeIn = Field(default_factory=lambda: RecipeIn())
    tuning_samples: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="Learning rates and weight decays tried before the search; 0 keeps the recipe."
    )
    weights: dict[Name, Annotated[float, Field(gt=0, le=1e6)]] = Field(
        default_factory=dict,
        max_length=MAX_TASKS,
        description="Weights of tasks in the total loss; 1 if left out.",
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER // 10_000)] = Field(
        default=0, description="Everything random in the job follows from it."
    )
    reuse_jobs: list[JobId] = Field(
        default_factory=list,
        max_length=MAX_REUSE_JOBS,
        description="Jobs on the same problem whose outcomes are copied, at no cost, where training would "
        "give the same: data, recipe, group, size and seed agree. Seeds follow from `seed`: use theirs.",
    )


class CloneRequest(Input):
    """A job like another, with changes; what is left out is as there, the recipe as it was tuned there."""

    add_tasks: list[Name] = Field(
        default_factory=list, max_length=MAX_TASKS, description="Tasks of the problem to group as well."
    )
    drop_tasks: list[Name] = Field(
        default_factory=list, max_length=MAX_TASKS, description="Tasks to leave out."
    )
    name: Annotated[PlainText, Field(max_length=200)] | None = Field(
        default=None, description="A label for people; that of the other job if left out."
    )
    strategy: StrategyIn | None = None
    max_group_size: Annotated[int, Field(ge=1, le=MAX_TASKS)] | None = Field(
        default=None, description="If left out, that of the other job, or all tasks where it took all tasks."
    )
    single_sizes: list[Annotated[float, Field(gt=0, le=8)]] | None = Field(default=None, max_length=16)
    budgets_snt: list[Budget] | None = Field(default=None, min_length=1, max_length=MAX_BUDGETS)
    n_seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS)] | None = None
    n_confirmation_seeds: Annotated[int, Field(ge=0, le=MAX_SEEDS)] | None = None
    training_budget: TrainingBudgetIn | None = Field(
        default=None, description="Replaces that of the other job as a whole; what is copied costs nothing."
    )
    recipe: RecipeIn = Field(
        default_factory=lambda: RecipeIn(), description="Changing it leaves nothing to be reused."
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER // 10_000)] | None = Field(
        default=None, description="Changing it leaves nothing to be reused."
    )
    weights: dict[Name, Annotated[float, Field(gt=0, le=1e6)]] | None = Field(
        default=None, max_length=MAX_TASKS
    )
