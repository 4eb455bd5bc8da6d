"""Jobs, their progress, trials and events as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AliasPath, Field

from grouping.domain.engines import Engine
from grouping.domain.jobs import JobState, StopReason
from grouping.domain.recipes import Precision
from grouping.domain.trials import Purpose, TrialState
from grouping.wire.common import Finite, Group, NetworkLabel, Output


class MethodOut(Output):
    """A method, with all its parameters."""

    name: str
    parameters: dict[str, Any]


class RecipeOut(Output):
    """How networks are built and trained."""

    hidden: list[int]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    encoder: MethodOut
    sharing: MethodOut
    weighting: MethodOut
    schedule: MethodOut
    optimiser: MethodOut
    precision: Precision


class TrainingBudgetOut(Output):
    """The most a job may spend; null means no limit."""

    trainings: int | None
    epochs: int | None
    seconds: Finite


class StrategyChoiceOut(Output):
    """The strategy of a job."""

    name: str
    parameters: dict[str, Any]


class SpecOut(Output):
    """What was asked for, with all defaults filled in."""

    problem: str
    tasks: list[str]
    strategy: StrategyChoiceOut = Field(validation_alias="chosen_strategy")
    max_group_size: int
    single_sizes: list[float]
    budgets_snt: list[float]
    n_seeds: int
    n_confirmation_seeds: int
    training_budget: TrainingBudgetOut
    recipe: RecipeOut
    tuning_samples: int
    weights: dict[str, float]
    seed: int
    reuse_jobs: list[str] = Field(description="Jobs whose outcomes are copied where they are the same.")


class JobOut(Output):
    """A job as it stands."""

    id: str
    name: str = Field(validation_alias=AliasPath("spec", "name"))
    state: JobState
    stop_reason: StopReason | None = Field(description="Why it ended, once succeeded.")
    error: str | None = Field(description="What went wrong, once failed.")
    score_table_id: str = Field(description="The score table that its trials fill.")
    created_at: datetime = Field(validation_alias="created_s")
    started_at: datetime | None = Field(validation_alias="started_s")
    finished_at: datetime | None = Field(validation_alias="finished_s")
    spec: SpecOut
    recipe: RecipeOut = Field(description="The recipe in use: that of the spec, or the tuned one.")
    data_digest: str | None = Field(description="SHA-256 of the data it was trained on.")
    versions: dict[str, str] = Field(
        description="Versions of the libraries that it began to be trained with, and what does their "
        "arithmetic: `processor`, `instructions`, `blas`, `device`."
    )
    engine: Engine | None = Field(
        description="How its networks are trained together, chosen once when it is prepared; null before "
        "that, and where a rule decides."
    )


class JobPage(Output):
    """Jobs, newest first."""

    items: list[JobOut]
    next_page_token: str | None = Field(
        validation_alias="next_token", description="Give it back as `page_token`; null on the last page."
    )


class LedgerOut(Output):
    """What a job has spent so far, every attempt counted."""

    trainings: int
    epochs: int
    seconds: float


class ProgressRowOut(Output):
    """How many trials of one kind stand in which state."""

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
    """How far a job is."""

    state: JobState
    spent: LedgerOut
    training_budget: TrainingBudgetOut = Field(validation_alias=AliasPath("spec", "training_budget"))
    rows: list[ProgressRowOut]


class TaskScoreOut(Output):
    """What a trial scored on one of its tasks; losses are normalised, lower is better."""

    task: str
    validation_loss: float
    test_loss: float
    validation_metric: float
    test_metric: float


class ReusedFromOut(Output):
    """The training whose outcome was copied; its job may have been deleted since."""

    job_id: str
    trial_id: str


class TrialOut(Output):
    """One training of one network."""

    id: str
    position: int
    network: NetworkLabel
    group: Group = Field(validation_alias="network")
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
    started_at: datetime | None = Field(validation_alias="started_s")
    finished_at: datetime | None = Field(validation_alias="finished_s")
    reused_from: ReusedFromOut | None = Field(
        description="Where it was trained, if its outcome was copied; epochs and seconds are those there."
    )
    scores: list[TaskScoreOut]


class TrialList(Output):
    """The trials of a job, in the order of its plan."""

    items: list[TrialOut]


class EventOut(Output):
    """Something that happened to a job."""

    number: int = Field(description="Counted from 1 within the job, without gaps.")
    at: datetime = Field(validation_alias="at_s")
    kind: str
    data: dict[str, Any]


class EventPage(Output):
    """Events of a job, oldest first."""

    items: list[EventOut]
    next_after: int = Field(description="Give it back as `after` for what happens next.")
    state: JobState = Field(description="State of the job when the events were read.")
