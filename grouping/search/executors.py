"""Executors: where the trainings of `Search.run` are carried out.

One of your own, such as a cluster, is a class with the methods of `Executor`.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from grouping.domain.trainings.faults import LossCause
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.errors import InvalidInputError, RetryTrainingError
from grouping.extras import require
from grouping.trainers import NoReports, Trainer, TrainingWorker, WorkerContext
from grouping.trainers.stack_training import train_stack

EXECUTORS = ("in-process", "threads", "processes", "ray")
ON_RAY = "grouping_workers.on_ray.search_executor"
"""Module of the executor on Ray, which is imported by name: it stands above this one."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """Trainings that one worker carries out together.

    Attributes:
        number: number by which `Ended` names them.
        requests: what is trained.
        deadline_s: seconds after which they are to be ended and have failed, where that is possible; None for
            no end.
        resources: what they hold, where the executor can reserve that; None for one processor.
    """

    number: int
    requests: tuple[TrialRequest, ...]
    deadline_s: float | None = None
    resources: Resources | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """End of a training.

    Attributes:
        number: the number with which it was submitted.
        outcomes: an outcome for each request, in order; None if it was lost together with its worker.
        reason: why it was lost.
        loss: how it was lost.
    """

    number: int
    outcomes: tuple[TrialOutcome, ...] | None
    reason: str = ""
    loss: LossCause = LossCause.WITH_WORKER


class Executor(Protocol):
    """Carries out trainings, some at a time. A context manager; leaving it ends what is in training.

    Used by one thread: `begin`, then `submit` and `collect` in turn; again from `begin` on when nothing is in
    training.
    """

    @property
    def size(self) -> int:
        """Number of trainings at a time."""

    def begin(self, trainer: Trainer, checkpoints: Path | None) -> None:
        """Take the prepared trainer, from whose setup workers are built, and the folder for their files."""

    def submit(self, submitted: Submitted) -> None:
        """Start a training; only while fewer than `size` are in training."""

    def collect(self) -> Sequence[Ended]:
        """Return what ended, waiting for the first; only while something is in training.

        Raises:
            TrainingError: if a training raises; see `train_stack`.
        """

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers, also those that train."""


def executor_of(executor: Executor | str, workers: int | None) -> Executor:
    """Return the executor of a name, or the one given.

    Args:
        executor: one of `EXECUTORS`, or an executor.
        workers: number of trainings at a time, for a name; the number of processors unless given.

    Raises:
        InvalidInputError: if there is none of that name, or it has no such number of workers.
    """
    if workers is not None and workers < 1:
        raise InvalidInputError(f"At least one worker trains; got {workers}.")
    size = workers or os.cpu_count() or 1
    match executor:
        case "in-process" if workers not in (None, 1):
            raise InvalidInputError("One training at a time in this process: use threads or processes.")
        case "in-process":
            return InProcess()
        case "threads":
            return Threads(size)
        case "processes":
            from grouping.search.processes import ProcessExecutor

            return ProcessExecutor(size)
        case "ray":
            require("service")
            on_ray: Executor = importlib.import_module(ON_RAY).OnRay(workers)
            return on_ray
        case str():
            raise InvalidInputError(f"There is no executor {executor!r}: {', '.join(EXECUTORS)}.")
        case _:
            return executor


def processes_or_this_one(n: int) -> Executor:
    """Return an executor with `n` processes; for one, that is this process."""
    return executor_of("processes" if n > 1 else "in-process", n)


class InProcess:
    """Trains in this process and thread, one stack after another, while `collect` is called."""

    size = 1

    def begin(self, trainer: Trainer, checkpoints: Path | None) -> None:
        """Build the worker."""
        setup = trainer.setup()
        self._worker = setup.build(setup.data, WorkerContext())
        self._checkpoints = checkpoints
        self._submitted: list[Submitted] = []

    def submit(self, submitted: Submitted) -> None:
        """Keep it for `collect`; nothing can end it before it is done."""
        self._submitted.append(submitted)

    def collect(self) -> Sequence[Ended]:
        """Train what was submitted."""
        submitted = self._submitted.pop(0)
        try:
            outcomes = train_stack(self._worker, submitted.requests, self._checkpoints)
        except RetryTrainingError as error:
            return (Ended(submitted.number, None, str(error), LossCause.BY_ITS_WORD),)
        return (Ended(submitted.number, outcomes),)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Threads:
    """Trains in threads of this process, each with a worker of its own.

    A thread cannot be ended: deadlines are not kept, and what is in training when the executor is left goes
    on, told by `TrainingReports.is_cancelled` that nobody waits for it any more.

    Args:
        size: number of threads.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="training")
        self._futures: dict[Future[tuple[TrialOutcome, ...]], int] = {}
        self._reports = _UntilCancelled()

    def begin(self, trainer: Trainer, checkpoints: Path | None) -> None:
        """Keep the setup; a thread builds its worker when it first trains."""
        self._setup = trainer.setup()
        self._checkpoints = checkpoints
        self._own = threading.local()

    def submit(self, submitted: Submitted) -> None:
        """Start a training in a free thread."""
        self._futures[self._pool.submit(self._train, submitted.requests)] = submitted.number

    def collect(self) -> Sequence[Ended]:
        """Return what ended, waiting for the first."""
        done, _ = wait(self._futures, return_when=FIRST_COMPLETED)
        return tuple(_ended(self._futures.pop(future), future) for future in done)

    def _train(self, requests: Sequence[TrialRequest]) -> tuple[TrialOutcome, ...]:
        worker: TrainingWorker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = self._setup.build(
                self._setup.data, WorkerContext(reports=self._reports)
            )
        return train_stack(worker, requests, self._checkpoints)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reports.cancelled.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _ended(number: int, future: Future[tuple[TrialOutcome, ...]]) -> Ended:
    try:
        return Ended(number, future.result())
    except RetryTrainingError as error:
        return Ended(number, None, str(error), LossCause.BY_ITS_WORD)


class _UntilCancelled(NoReports):
    """Drops every report, and cancels once nobody waits any more."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def is_cancelled(self) -> bool:
        """Return whether nobody waits any more."""
        return self.cancelled.is_set()
