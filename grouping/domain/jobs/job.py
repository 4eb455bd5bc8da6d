"""Jobs: a grouping search that a user has submitted, and the states it goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.trainings.faults import NOTHING_MISSING, Missing
from grouping.domain.trainings.splits import FreshSplits

TEST_PER_TRAIN = "test_per_train"
"""What a trainer settles under this name: test rows by training rows of each of several splits."""


class JobState(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    """Accepted; waits for a dispatcher."""
    PREPARING = "preparing"
    """The trainer prepares: it loads its data, measures inference costs and settles what it needs."""
    RUNNING = "running"
    """Networks are trained to search for the grouping."""
    CONFIRMING = "confirming"
    """The chosen networks and the baselines are trained again with fresh seeds."""
    PAUSING = "pausing"
    """The user asked to pause; no training begins, and those under way are finished."""
    PAUSED = "paused"
    """Nothing is trained until the user resumes the job."""
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
    def is_at_rest(self) -> bool:
        """Whether nothing more happens unless the user asks for it: the job has ended or is paused."""
        return self.is_final or self is JobState.PAUSED

    @property
    def is_resumable(self) -> bool:
        """Whether the job has ended, and ``resume`` continues from the stored scores."""
        return self in (JobState.FAILED, JobState.CANCELLED)


class StopReason(StrEnum):
    """Reason why a job that succeeded ended."""

    SEARCH_COMPLETE = "search_complete"
    """The strategy has trained all it wanted."""
    CONVERGED = "converged"
    """The strategy expects no improvement worth a further training."""
    TRAINING_BUDGET_SPENT = "training_budget_spent"
    STOPPED_BY_USER = "stopped_by_user"
    """The user asked to recommend from what is there."""


class Stop(StrEnum):
    """What a user who stopped a job wants no more of; it is recommended from what is there."""

    SEARCH = "search"
    """No further training to search; what is chosen is still confirmed with fresh seeds, under one recipe."""
    ALL = "all"
    """No training at all, those under way included."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Spending of a job so far; every attempt counts, copied outcomes do not.

    Attributes:
        trainings: number of trials started, repeated attempts included.
        epochs: epochs of the finished trials.
        seconds: training seconds of the finished trials, summed over workers.
    """

    trainings: int = 0
    epochs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job and its present state. Times are seconds since 1970 in UTC.

    Attributes:
        id: identifier of the job.
        spec: specification of the job.
        state: its present state.
        score_table_id: identifier of the score table that its trials fill.
        stop_reason: reason why it ended, once succeeded.
        error: what went wrong, in words for the user, once failed.
        created_s: time at which it was accepted.
        started_s: time at which a dispatcher first took it.
        finished_s: time at which it reached a final state.
        data_digest: SHA-256 of the data it was trained on.
        versions: versions of the libraries, and the arithmetic, of its first preparation; see
            `grouping.domain.trainings.arithmetic`.
        settled: facts that its trainer settled before the first training, and that must not change; see
            `grouping.trainers.Prepared`.
        is_taken: whether a dispatcher holds it.
        name: its present name, by which people recognise it.
        note: note of its users; may be empty.
        tags: its present tags.
        stop: what the user who stopped it wants no more of; None unless it was stopped.
        missing: planned trainings without which it has succeeded, as they could not be carried out.
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
    settled: Mapping[str, Any] = field(default_factory=dict)
    is_taken: bool = False
    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    stop: Stop | None = None
    missing: Missing = NOTHING_MISSING

    @property
    def is_degraded(self) -> bool:
        """Whether it has succeeded without some of its planned trainings; it can be resumed for them."""
        return self.missing.count > 0

    @property
    def fresh_splits(self) -> FreshSplits | None:
        """What its verdict needs to know of its splits; None where it has one."""
        if not self.spec.split_seeds:
            return None
        first = self.spec.confirmation_seeds[0]
        return FreshSplits(first, self.spec.split_seeds, float(self.settled.get(TEST_PER_TRAIN, 1.0)))


@dataclass(frozen=True, slots=True)
class Event:
    """An event in the history of a job; events are numbered from 1 without gaps within the job.

    Attributes:
        number: position in the job's history.
        at_s: time in seconds since 1970, UTC.
        kind: kind of event, such as ``job_submitted`` or ``trial_succeeded``.
        data: details, ready for JSON.
    """

    number: int
    at_s: float
    kind: str
    data: Mapping[str, Any]
