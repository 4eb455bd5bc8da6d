"""Executor: whatever carries out the trainings of one job, such as Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.trainings.faults import LossCause
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.trainers import Prepared, Trainer


@dataclass(frozen=True, slots=True)
class Ready:
    """A job that is prepared.

    Attributes:
        prepared: what the trainer found out while it prepared the job.
        measured: one per network asked for, in order; None for one that cannot be built.
        environment: libraries and processor that a worker trains with.
    """

    prepared: Prepared
    measured: tuple[MeasuredNetwork | None, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """Trainings that one worker carries out as one.

    Attributes:
        number: identifies the order in its answer; never used twice by one job.
        requests: what to train, by trial.
        resources: what the worker holds; None until the executor, which knows what is usual, has said it.
        deadline_s: seconds after which it is ended; None where neither job nor trainer says it.
        limit_s: seconds after which it hangs, where there is no deadline; None while nothing is known of how
            long trainings take.
        is_alone: whether it is in quarantine: nothing else of the job is in training, nor waits in a worker.
    """

    number: int
    requests: Mapping[str, TrialRequest]
    resources: Resources | None = None
    deadline_s: float | None = None
    limit_s: float | None = None
    is_alone: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """The trainings of an order ended.

    Attributes:
        number: number of the order.
        outcomes: one for each trial, by trial.
        environment: what the worker trained them with; empty where its code raised.
        remarks: what the user should know about it, by kind of event.
    """

    number: int
    outcomes: Mapping[str, TrialOutcome]
    environment: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """The trainings of an order were lost: with their worker, or one of them asked for another attempt.

    Attributes:
        number: number of the order.
        reason: reason, in words for the user.
        loss: how they were lost.
    """

    number: int
    reason: str
    loss: LossCause = LossCause.WITH_WORKER


@dataclass(frozen=True, slots=True)
class Report:
    """Report of a training while it ran.

    Attributes:
        trial: the trial.
        points: further points of its learning curves, in order.
        log: further output, as it was written.
    """

    trial: str
    points: tuple[Progress, ...] = ()
    log: str = ""


class JobExecutor(Protocol):
    """Carries out the trainings of one job at a time. Used by one thread.

    An exception that is no `GroupingError` means that the executor can no longer be used: the process ends,
    and another one goes on.
    """

    @property
    def size(self) -> int:
        """Number of orders that run at the same time; it may change."""

    def prepare(self, trainer: Trainer, networks: Sequence[Network]) -> Ready:
        """Have the trainer prepare its job, and measure what networks cost.

        Raises:
            GroupingError: if the job cannot be trained.
        """

    def measure(self, networks: Sequence[Network]) -> tuple[MeasuredNetwork | None, ...]:
        """Measure further networks of the prepared job; None for one that cannot be built."""

    def submit(self, order: TrainingOrder) -> None:
        """Start the trainings of an order as soon as there is room."""

    def collect(self, timeout_s: float) -> list[Trained | Lost]:
        """Return answers to orders that ended, waiting at most so long for the first."""

    def reports(self) -> list[Report]:
        """Return what trainings told since the last call."""

    def end_job(self) -> None:
        """End the orders that still run, and free what other users could use."""
