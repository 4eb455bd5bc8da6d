"""Jobs: one grouping search as a user submits it, and the states it goes through."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from grouping.domain.engines import Engine
from grouping.domain.networks import Candidates
from grouping.domain.recipes import Method, Recipe
from grouping.errors import InvalidInputError

MAX_SEEDS = 50
MAX_BUDGETS = 50
MAX_REUSE_JOBS = 10
DEFAULT_STRATEGY = "adaptive"


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Accepted; waits for a dispatcher."""
    PREPARING = "preparing"
    """A dispatcher loads the data, measures inference costs and tunes the recipe if asked to."""
    RUNNING = "running"
    """Networks are trained to search for the grouping."""
    CONFIRMING = "confirming"
    """The chosen networks and the baselines are trained again with fresh seeds."""
    CANCELLING = "cancelling"
    """The user asked to end; the dispatcher stops what is in flight."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens unless the user resumes the job."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)

    @property
    def is_resumable(self) -> bool:
        """Whether ``resume`` continues from the stored scores."""
        return self in (JobState.FAILED, JobState.CANCELLED)


class StopReason(StrEnum):
    """Why a job that succeeded ended."""

    SEARCH_COMPLETE = "search_complete"
    """The strategy has trained all it wanted."""
    CONVERGED = "converged"
    """The strategy expects no improvement worth a further training."""
    TRAINING_BUDGET_SPENT = "training_budget_spent"


@dataclass(frozen=True, slots=True)
class TrainingBudget:
    """The most a search may spend, confirmation included; None means no limit.

    Trials are counted when they are planned; outcomes copied from another job are free. Attempts repeated
    after a crash come on top, as does the tuning of the recipe: the ledger of the job and its event
    ``recipe_tuned`` show them. A part is kept back from the search for the confirmation; see
    `grouping.domain.allowance`.

    Attributes:
        trainings: number of trials, of any size and length.
        epochs: sum of the epochs of all trials.
        seconds: sum of the training seconds of all trials, over all workers. Unlike the other two it
            depends on the machine, so that two runs of the same job may stop at different trials.
    """

    trainings: int | None = None
    epochs: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("trainings", "epochs", "seconds"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InvalidInputError(
                    f"The training budget in {name} must be positive; leave it out for no limit.",
                    pointer=f"/training_budget/{name}",
                )


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a user asks for.

    Attributes:
        problem: name of a registered problem.
        tasks: names of the tasks to group, in the problem's order.
        name: a label for people; may be empty.
        strategy: name of a registered strategy.
        strategy_parameters: its parameters.
        max_group_size: the largest group that is a candidate.
        single_sizes: further sizes of the single-task candidates, besides 1.
        budgets_snt: the inference budgets for which a grouping is recommended and confirmed, ascending.
        n_seeds: trainings of each network on which choices are made.
        n_confirmation_seeds: fresh trainings of the chosen networks and of the baselines; 0 for none.
        training_budget: the most the job may spend.
        recipe: how networks are built and trained.
        tuning_samples: learning rates and weight decays tried on the all-together network before the search;
            0 keeps the recipe as it is.
        weights: weights of tasks in the total loss; 1 where not given.
        seed: everything random in the job follows from it.
        reuse_jobs: identifiers of jobs whose outcomes are copied where training would give the same.
    """

    problem: str
    tasks: tuple[str, ...]
    name: str = ""
    strategy: str = DEFAULT_STRATEGY
    strategy_parameters: Mapping[str, Any] = field(default_factory=dict)
    max_group_size: int = 5
    single_sizes: tuple[float, ...] = (0.5,)
    budgets_snt: tuple[float, ...] = (1.0, 2.0, 3.0)
    n_seeds: int = 3
    n_confirmation_seeds: int = 5
    training_budget: TrainingBudget = TrainingBudget()
    recipe: Recipe = field(default_factory=Recipe)
    tuning_samples: int = 0
    weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    reuse_jobs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise InvalidInputError("Name each task once, and at least one.", pointer="/tasks")
        if not self.budgets_snt or len(self.budgets_snt) > MAX_BUDGETS:
            raise InvalidInputError(f"Give 1 to {MAX_BUDGETS} inference budgets.", pointer="/budgets_snt")
        if any(not (math.isfinite(budget) and budget > 0) for budget in self.budgets_snt):
            raise InvalidInputError(
                "An inference budget must be a positive number of SNT.", pointer="/budgets_snt"
            )
        if any(not (math.isfinite(size) and 0 < size <= 8) for size in self.single_sizes):
            raise InvalidInputError("Sizes must be above 0 and at most 8.", pointer="/single_sizes")
        if not 1 <= self.n_seeds <= MAX_SEEDS:
            raise InvalidInputError(f"Use 1 to {MAX_SEEDS} seeds.", pointer="/n_seeds")
        if not 0 <= self.n_confirmation_seeds <= MAX_SEEDS:
            raise InvalidInputError(
                f"Use 0 to {MAX_SEEDS} confirmation seeds.", pointer="/n_confirmation_seeds"
            )
        if self.max_group_size < 1:
            raise InvalidInputError("Groups have at least one task.", pointer="/max_group_size")
        if not 0 <= self.tuning_samples <= 100:
            raise InvalidInputError("Use 0 to 100 tuning samples.", pointer="/tuning_samples")
        if unknown := set(self.weights) - set(self.tasks):
            raise InvalidInputError(
                f"Weights for tasks that are not grouped: {', '.join(sorted(unknown))}.", pointer="/weights"
            )
        if any(not (math.isfinite(weight) and weight > 0) for weight in self.weights.values()):
            raise InvalidInputError("Weights must be positive numbers.", pointer="/weights")
        if len(self.reuse_jobs) > MAX_REUSE_JOBS:
            raise InvalidInputError(f"Reuse at most {MAX_REUSE_JOBS} jobs.", pointer="/reuse_jobs")
        object.__setattr__(self, "budgets_snt", tuple(sorted(set(self.budgets_snt))))
        object.__setattr__(self, "reuse_jobs", tuple(dict.fromkeys(self.reuse_jobs)))

    @property
    def chosen_strategy(self) -> Method:
        """The strategy by its name, with its parameters."""
        return Method(self.strategy, self.strategy_parameters)

    @property
    def candidates(self) -> Candidates:
        """Networks that may be chosen, at nominal cost."""
        return Candidates.of(self.tasks, max_group_size=self.max_group_size, single_sizes=self.single_sizes)

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """Seeds of the trials on which choices are made."""
        return tuple(self.seed * 1000 + i for i in range(self.n_seeds))

    @property
    def confirmation_seeds(self) -> tuple[int, ...]:
        """Seeds of the trials that confirm; disjoint from the search seeds."""
        return tuple(self.seed * 1000 + 500 + i for i in range(self.n_confirmation_seeds))

    @property
    def tuning_seed(self) -> int:
        """Seed of the recipe's tuning; none of the others, which it would flatter."""
        return self.seed * 1000 + 900


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a job has spent so far, every attempt counted and nothing that was copied.

    Attributes:
        trainings: trials started, repeated attempts included.
        epochs: epochs of the finished trials.
        seconds: training seconds of the finished trials, summed over workers.
    """

    trainings: int = 0
    epochs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands in the database. Times are seconds since 1970 in UTC.

    Attributes:
        id: its identifier.
        spec: what was asked for.
        state: where it stands.
        score_table_id: the table that its trials fill.
        stop_reason: why it ended, once succeeded.
        error: what went wrong, in words for the user, once failed.
        created_s: when it was accepted.
        started_s: when a dispatcher first took it.
        finished_s: when it reached a final state.
        data_digest: SHA-256 of the data it was trained on.
        versions: versions of the libraries that it began to be trained with, and what does their
            arithmetic; see `grouping.domain.arithmetic`.
        recipe: the recipe in use: that of the spec, or the tuned one.
        engine: how its networks are trained together, chosen once; None where a rule says it.
    """

    id: str
    spec: JobSpec
    state: JobState
    score_table_id: str
    stop_reason: StopReason | None = None
    error: str | None = None
    created_s: float = 0.0
    started_s: float | None = None
    finished_s: float | None = None
    data_digest: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=Recipe)
    engine: Engine | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job; numbered from 1 without gaps within the job.

    Attributes:
        number: position in the job's history.
        at_s: when, in seconds since 1970, UTC.
        kind: such as ``job_submitted`` or ``trial_succeeded``.
        data: details, ready for JSON.
    """

    number: int
    at_s: float
    kind: str
    data: Mapping[str, Any]
