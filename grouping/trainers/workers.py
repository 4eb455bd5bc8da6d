"""Workers, in which the networks of a trainer are trained, and the pool of their processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest


class TrainingReports(Protocol):
    """Takes what a worker tells while it trains, and tells it when to stop. Safe to use from any thread."""

    def progress(self, request: TrialRequest, progress: Progress) -> None:
        """Take a point of the learning curves of a training."""

    def log(self, request: TrialRequest, text: str) -> None:
        """Take further output of a training, as it was written."""

    def is_cancelled(self) -> bool:
        """Tell whether nobody waits for the present trainings any more; their outcomes will be dropped."""


class NoReports:
    """Drops every report, and never cancels."""

    def progress(self, request: TrialRequest, progress: Progress) -> None:
        """Drop it."""

    def log(self, request: TrialRequest, text: str) -> None:
        """Drop it."""

    def is_cancelled(self) -> bool:
        """Return False."""
        return False


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Settings that a worker is given.

    Attributes:
        checkpoint_interval_s: about how many seconds there should be between two checkpoints of a training.
        reports: where it tells progress, and learns whether to stop.
    """

    checkpoint_interval_s: float = 30.0
    reports: TrainingReports = field(default_factory=NoReports)


class TrainingWorker(ABC):
    """Trains networks in a process of its own, which it keeps for many requests. Used by one thread."""

    @abstractmethod
    def train(
        self, requests: Sequence[TrialRequest], checkpoints: Path | None = None
    ) -> Sequence[TrialOutcome]:
        """Train networks and score them on every task of their group.

        The same request gives the same outcome, whatever was trained before and whatever is trained with it,
        as far as the trainer promises that at all.

        Args:
            requests: what to train: of one `Stack`, or a part of it.
            checkpoints: a folder of this job's own that survives the process; None if nothing is to be kept.
                What an earlier attempt left there may be gone on from.

        Returns:
            An outcome for each request, in order. What can never work is a failed outcome. An exception means
            that the request failed; of several requests each is then tried alone.
        """

    def environment(self) -> Mapping[str, str]:
        """Return what scores depend on beside the job: versions of libraries, kind of processor."""
        return {}

    def remarks(self, requests: Sequence[TrialRequest]) -> Mapping[str, str]:
        """Return remarks for the user on how these were trained, by kind of event; told once per job."""
        return {}


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """Builder of a worker with its data, for another process; picklable.

    Attributes:
        key: two setups with one key build the same worker.
        build: makes the worker from `data`.
        data: what all workers share; large arrays in it are not copied within a node.
    """

    key: str
    build: Callable[[Any, WorkerContext], TrainingWorker]
    data: Any = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """The state of a stepped training after a step.

    Attributes:
        loss: lower is better; finite.
        epochs: epochs carried out so far.
        n_steps: steps carried out so far.
    """

    loss: float
    epochs: int
    n_steps: int = 0


class SteppedTraining(Protocol):
    """A training that goes step by step, and can be put aside."""

    def step(self) -> StepResult:
        """Carry out the next step."""

    def save(self, folder: Path) -> None:
        """Write what `load` needs to go on."""

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote."""


class WorkerPool(Protocol):
    """The processes that train, as a trainer may use them while it prepares."""

    @property
    def size(self) -> int:
        """Number of stacks that are trained at the same time."""

    def ask(self, setup: WorkerSetup, method: str, *arguments: Any) -> Any:
        """Call a method of an idle worker and return its answer; None if no worker was free in time."""

    def successive_halving(
        self, setup: WorkerSetup, n_samples: int, max_steps: int, reduction: int
    ) -> Mapping[int, StepResult]:
        """Train samples side by side, and end unpromising ones early.

        The worker of the setup has a method ``begin(sample)`` that gives a `SteppedTraining`. All samples
        must train one and the same network: losses of different groups say nothing about each other.

        Args:
            setup: setup of the worker.
            n_samples: number of samples, which are numbered from 0.
            max_steps: steps of a sample that goes to the end.
            reduction: one in so many samples goes on after each comparison.

        Returns:
            Where each sample ended; those that failed are left out.
        """
