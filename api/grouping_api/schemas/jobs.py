"""Jobs, their progress, trials and events as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import Field

from grouping.domain.engines import Engine
from grouping.domain.jobs import Event, Job, JobSpec, JobState, Ledger, StopReason
from grouping.domain.recipes import Method, Precision, Recipe
from grouping.domain.trials import Purpose, Trial, TrialState
from grouping.store import ProgressRow
from grouping_api.schemas.common import Output, finite, moment, moment_of


class MethodOut(Output):
    """A method, with all its parameters."""

    name: str
    parameters: dict[str, Any]

    @classmethod
    def of(cls, method: Method) -> Self:
        """From the domain."""
        return cls(name=method.name, parameters=dict(method.parameters))


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

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """From the domain."""
        return cls(
            hidden=list(recipe.hidden),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            encoder=MethodOut.of(recipe.encoder),
            sharing=MethodOut.of(recipe.sharing),
            weighting=MethodOut.of(recipe.weighting),
            schedule=MethodOut.of(recipe.schedule),
            optimiser=MethodOut.of(recipe.optimiser),
            precision=recipe.precision,
        )


class TrainingBudgetOut(Output):
    """The most a job may spend; null means no limit."""

    trainings: int | None
    epochs: int | None
    seconds: float | None


class StrategyChoiceOut(Output):
    """The strategy of a job."""

    name: str
    parameters: dict[str, Any]


class SpecOut(Output):
    """What was asked for, with all defaults filled in."""

    problem: str
    tasks: list[str]
    strategy: StrategyChoiceOut
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

    @classmethod
    def of(cls, spec: JobSpec) -> Self:
        """From the domain."""
        limits = spec.training_budget
        return cls(
            problem=spec.problem,
            tasks=list(spec.tasks),
            strategy=StrategyChoiceOut(name=spec.strategy, parameters=dict(spec.strategy_parameters)),
            max_group_size=spec.max_group_size,
            single_sizes=list(spec.single_sizes),
            budgets_snt=list(spec.budgets_snt),
            n_seeds=spec.n_seeds,
            n_confirmation_seeds=spec.n_confirmation_seeds,
            training_budget=TrainingBudgetOut(
                trainings=limits.trainings, epochs=limits.epochs, seconds=limits.seconds
            ),
            recipe=RecipeOut.of(spec.recipe),
            tuning_samples=spec.tuning_samples,
            weights=dict(spec.weights),
            seed=spec.seed,
            reuse_jobs=list(spec.reuse_jobs),
        )


class JobOut(Output):
    """A job as it stands."""

    id: str
    name: str
    state: JobState
    stop_reason: StopReason | None = Field(description="Why it ended, once succeeded.")
    error: str | None = Field(description="What went wrong, once failed.")
    score_table_id: str = Field(description="The score table that its trials fill.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
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

    @classmethod
    def of(cls, job: Job) -> Self:
        """From the domain."""
        return cls(
            id=job.id,
            name=job.spec.name,
            state=job.state,
            stop_reason=job.stop_reason,
            error=job.error,
            score_table_id=job.score_table_id,
            created_at=moment_of(job.created_s),
            started_at=moment(job.started_s),
            finished_at=moment(job.finished_s),
            spec=SpecOut.of(job.spec),
            recipe=RecipeOut.of(job.recipe),
            data_digest=job.data_digest,
            versions=dict(job.versions),
            engine=job.engine,
        )


class JobPage(Output):
    """Jobs, newest first."""

    items: list[JobOut]
    next_page_token: str | None = Field(description="Give it back as `page_token`; null on the last page.")


class LedgerOut(Output):
    """What a job has spent so far, every attempt counted."""

    trainings: int
    epochs: int
    seconds: float

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        """From the domain."""
        return cls(trainings=ledger.trainings, epochs=ledger.epochs, seconds=ledger.seconds)


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

    @classmethod
    def of(cls, row: ProgressRow) -> Self:
        """From the store."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ProgressOut(Output):
    """How far a job is."""

    state: JobState
    spent: LedgerOut
    training_budget: TrainingBudgetOut
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
    network: str
    group: list[str]
    size: float
    cost_snt: float
    purpose: Purpose
    seed: int
    fidelity: float
    state: TrialState
    attempts: int
    planned_epochs: int
    epochs: int
    seconds: float | None
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    reused_from: ReusedFromOut | None = Field(
        description="Where it was trained, if its outcome was copied; epochs and seconds are those there."
    )
    scores: list[TaskScoreOut]

    @classmethod
    def of(cls, trial: Trial, order: tuple[str, ...]) -> Self:
        """From the store, with tasks in the job's order."""
        scores = [
            TaskScoreOut(**{name: getattr(score, name) for name in TaskScoreOut.model_fields})
            for score in trial.scores
        ]
        return cls(
            id=trial.id,
            position=trial.position,
            network=trial.network.name(order),
            group=[task for task in order if task in trial.network.group],
            size=trial.network.size,
            cost_snt=trial.network.cost_snt,
            purpose=trial.purpose,
            seed=trial.seed,
            fidelity=trial.fidelity,
            state=trial.state,
            attempts=trial.attempts,
            planned_epochs=trial.planned_epochs,
            epochs=trial.epochs,
            seconds=finite(trial.seconds),
            error=trial.error,
            started_at=moment(trial.started_s),
            finished_at=moment(trial.finished_s),
            reused_from=None
            if trial.reused_from is None
            else ReusedFromOut(job_id=trial.reused_from[0], trial_id=trial.reused_from[1]),
            scores=scores,
        )


class TrialList(Output):
    """The trials of a job, in the order of its plan."""

    items: list[TrialOut]


class EventOut(Output):
    """Something that happened to a job."""

    number: int = Field(description="Counted from 1 within the job, without gaps.")
    at: datetime
    kind: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """From the domain."""
        return cls(number=event.number, at=moment_of(event.at_s), kind=event.kind, data=dict(event.data))


class EventPage(Output):
    """Events of a job, oldest first."""

    items: list[EventOut]
    next_after: int = Field(description="Give it back as `after` for what happens next.")
    state: JobState = Field(description="State of the job when the events were read.")
