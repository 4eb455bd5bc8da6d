"""Answers with jobs, their progress, trials and events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AliasPath, Field

from grouping.domain.constraints import Constraints
from grouping.domain.fields import declared
from grouping.domain.jobs.job import JobState, Stop, StopReason
from grouping.domain.jobs.specification import PARAMETERS, JobSpec, TrainingBudget
from grouping.domain.jobs.task_definitions import SizeVariant, TaskDefinition
from grouping.domain.tasks import Scale
from grouping.domain.trainings.faults import Fault
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.resources import StatedResources
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.wire.base_types import Finite, Group, NetworkLabel, NextPage, Output, Sentences
from grouping.wire.constraints import ConstraintsOut
from grouping.wire.derived import Derived, answered


class MethodOut(Output):
    """A method, strategy or trainer by its name, with its parameters."""

    name: str
    parameters: dict[str, Any]


@answered(Recipe, nested={Method: MethodOut})
class RecipeOut(Output, Derived):
    """How networks are built and trained."""


@answered(TrainingBudget, nested={})
class TrainingBudgetOut(Output, Derived):
    """The most a job may spend; null means no limit."""


@answered(TaskDefinition, nested={})
class TaskDefinitionOut(Output, Derived):
    """A task that the job defines itself."""

    scale: float | Scale = Field(description=declared(TaskDefinition)["scale"].doc)


@answered(SizeVariant, nested={})
class SizeOut(Output, Derived):
    """A size that the trainer can build, by its name."""


@answered(StatedResources, nested={})
class StatedResourcesOut(Output, Derived):
    """What the job states that each training holds; null where it leaves that to its trainer."""


@answered(
    JobSpec,
    nested={
        TrainingBudget: TrainingBudgetOut,
        TaskDefinition: TaskDefinitionOut,
        SizeVariant: SizeOut,
        Constraints: ConstraintsOut,
        StatedResources: StatedResourcesOut,
    },
    without=PARAMETERS | {"name", "tags"},
)
class SpecOut(Output, Derived):
    """Specification of a job, with all defaults filled in."""

    strategy: MethodOut = Field(validation_alias="chosen_strategy")
    trainer: MethodOut = Field(validation_alias="chosen_trainer")


class MissingTrainingOut(Output):
    """A planned training without which a job has succeeded."""

    trial: str
    network: str
    purpose: Purpose
    seed: int
    fault: Fault
    error: str = Field(description="Reason, cut after 300 characters; that of the trial is complete.")


class MissingOut(Output):
    """Planned trainings without which a job has succeeded, as they could not be carried out."""

    count: int
    trainings: list[MissingTrainingOut] = Field(description="The first 20, in the order of the plan.")


class JobOut(Output):
    """A job in its present state."""

    id: str
    name: str
    note: str
    tags: list[str]
    state: JobState
    stop_reason: StopReason | None = Field(description="Reason why it ended, once succeeded.")
    stop: Stop | None = Field(
        description="What a user who stopped it wants no more of: training to search, or any training."
    )
    error: str | None = Field(description="What went wrong, once failed.")
    is_degraded: bool = Field(
        description="Whether it has succeeded without some of its planned trainings. Resume tries them again."
    )
    missing: MissingOut
    score_table_id: str = Field(description="The score table that its trials fill.")
    created_at: datetime = Field(validation_alias="created_s")
    started_at: datetime | None = Field(validation_alias="started_s")
    finished_at: datetime | None = Field(validation_alias="finished_s")
    spec: SpecOut
    data_digest: str | None = Field(description="SHA-256 of the data it was trained on.")
    versions: dict[str, str] = Field(
        description="Versions of the libraries that it began to be trained with, and what does their "
        "arithmetic: `processor`, `instructions`, `blas`, `device`."
    )
    settled: dict[str, Any] = Field(
        description="Facts that its trainer settled before the first training; of the built-in one the "
        "`recipe` in use, as tuned, the `engine`, null where a rule decides, the `recipes` that are tried "
        "where each is tuned, and `data`, digests of inputs, split and the target of each task. Empty before "
        "that."
    )


class JobPage(Output):
    """Jobs, in the order asked for."""

    items: list[JobOut]
    next_page_token: NextPage


class JobDeletionOut(Output):
    """A job that is deleted, or would be, and what becomes of what depends on it."""

    job: JobOut
    is_deleted: bool = Field(description="False for a dry run.")
    n_trainings: int = Field(description="Trainings that go with it.")
    n_groupings: int = Field(description="Stored groupings of its score table, which go with it.")
    copied_by: list[str] = Field(description="Jobs that have copied outcomes of it, and keep them.")
    wanted_by: list[str] = Field(
        description="Jobs under way that may still copy outcomes of it; without it they train them."
    )
    sentences: Sentences


class LedgerOut(Output):
    """Spending of a job so far; every attempt counts."""

    trainings: int
    epochs: int
    seconds: float


class ProgressRowOut(Output):
    """Number of trials of one kind in each state."""

    purpose: Purpose
    group_size: int
    size: float
    fidelity: float
    planned: int
    running: int
    succeeded: int
    diverged: int
    failed: int
    skipped: int


class ProgressOut(Output):
    """Progress of a job."""

    state: JobState
    spent: LedgerOut
    training_budget: TrainingBudgetOut = Field(validation_alias=AliasPath("spec", "training_budget"))
    rows: list[ProgressRowOut]
    dispatchers: int = Field(
        description="Dispatchers at work on the service, heard from within 30 s; without any, jobs wait."
    )
    notes: list[str] = Field(
        description="What is missing in the job, or what it waits for, and what to do about it; in sentences."
    )


class TaskScoreOut(Output):
    """Losses and metrics of a trial on one of its tasks; null where a trainer gives none.

    Losses are lower better. Of a task that the job defines, the metric is what the trainer reported.
    """

    task: str
    validation_loss: float
    test_loss: Finite
    validation_metric: Finite
    test_metric: Finite


class ReusedFromOut(Output):
    """Origin of a copied outcome: the training it comes from, whose job may have been deleted since."""

    job_id: str
    trial_id: str


class ToldFromOut(Output):
    """Origin of a result from outside, by the word of whoever told it."""

    source: str = Field(description="Such as the name of a file; may be empty.")
    told_by: str = Field(description="Who told it; may be empty.")
    told_at: datetime = Field(validation_alias="at_s")


class TrialOut(Output):
    """One training of one network."""

    id: str
    position: int
    network: NetworkLabel
    group: Group = Field(validation_alias=AliasPath("network", "group"))
    size: float = Field(validation_alias=AliasPath("network", "size"))
    cost_snt: float = Field(validation_alias=AliasPath("network", "cost_snt"))
    purpose: Purpose
    seed: int
    fidelity: float
    state: TrialState
    attempts: int
    planned_epochs: int
    epochs: int
    seconds: Finite
    error: str | None
    fault: Fault | None = Field(
        description="Class of what went wrong, once diverged or failed: its own code or input, divergence, "
        "its deadline, or memory. Losses of machines are repeated and end no training."
    )
    started_at: datetime | None = Field(validation_alias="started_s")
    finished_at: datetime | None = Field(validation_alias="finished_s")
    reused_from: ReusedFromOut | None = Field(
        description="Where it was trained, if its outcome was copied; epochs and seconds are those there."
    )
    told: ToldFromOut | None = Field(
        description="Where the result comes from, if it was told from outside and not trained by any job."
    )
    artefact: str | None = Field(description="What its training keeps, as it told: a path or an address.")
    scores: list[TaskScoreOut]


class ProgressPointOut(Output):
    """A point of the learning curves of a trial."""

    step: float = Field(description="How far the training was, in its own unit, such as epochs.")
    values: dict[str, float] = Field(description="What was measured there, by name.")


class TrialProgressOut(Output):
    """The learning curves of a trial: at most 500 points, of a longer training at equal distances."""

    items: list[ProgressPointOut]


class TrialLogOut(Output):
    """The log of a trial: beginning and end, with a line between that says what was left out."""

    text: str
    dropped: int = Field(description="Number of characters that were left out.")


class TrialList(Output):
    """The trials of a job, in the order of its plan."""

    items: list[TrialOut]


class EventOut(Output):
    """An event in the history of a job."""

    number: int = Field(description="Counted from 1 within the job, without gaps.")
    at: datetime = Field(validation_alias="at_s")
    kind: str
    data: dict[str, Any]


class EventPage(Output):
    """Events of a job, oldest first."""

    items: list[EventOut]
    next_after: int = Field(description="Pass it as `after` to get the events that follow.")
    state: JobState = Field(description="State of the job when the events were read.")
