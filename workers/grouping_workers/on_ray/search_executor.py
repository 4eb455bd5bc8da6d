"""Executor of `Search.run` on Ray: an actor for each training at a time, kept for the next one like it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError, RuntimeEnvSetupError

from grouping.domain.trainings.faults import Fault, LossCause
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import InvalidInputError, RetryTrainingError, TrainingError, WorkerLostError
from grouping.search.executors import Ended, Submitted
from grouping.trainers import Trainer, TrainingWorker, WorkerContext, WorkerSetup
from grouping.trainers.runtime_env import use_copy
from grouping.trainers.stack_training import train_stack
from grouping_workers.dispatch.reach import refuse_unreachable
from grouping_workers.on_ray.cluster import cluster_resources, connect
from grouping_workers.on_ray.held_actor import HeldActor
from grouping_workers.on_ray.losses import lost_with
from grouping_workers.on_ray.shipment import Shipment, failed_setup

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""Ray's own name for the address of a cluster to join."""
USUAL = Resources()
LONGEST_WAIT_S = 3600.0


class SearchActor:
    """Builds a worker once, and trains with it. Wrapped by `ray.remote`.

    Args:
        copied: folder of which this process works in a copy; None for none.
    """

    def __init__(self, copied: Path | None) -> None:
        if copied is not None:
            use_copy(copied, Path.cwd())
        self._number = 0

    def build(self, number: int, holder: Sequence[Any], checkpoints: Path | None) -> None:
        """Build the worker of that number from the setup to which there is a reference in a list, once."""
        if number == self._number:
            return
        setup: WorkerSetup = ray.get(holder[0])
        self._worker: TrainingWorker = setup.build(setup.data, WorkerContext())
        self._checkpoints = checkpoints
        self._number = number

    def train(self, requests: Sequence[TrialRequest]) -> tuple[TrialOutcome, ...]:
        """Train; what the worker raises is raised in the search."""
        return train_stack(self._worker, requests, self._checkpoints)


@dataclass(slots=True)
class _Running:
    """A training, from when its actor is asked for."""

    submitted: Submitted
    held: HeldActor
    is_built: bool = False
    ends_at: float = float("inf")


class OnRay:
    """Trains on Ray, each training with the resources that its trainer says.

    It joins the cluster of ``ray.init``, where that was called before; else the one at an address; else it
    starts one on this machine, which ends with the search.

    Args:
        workers: the most trainings at the same time; the number of processors of the cluster unless given.
            Those for which nothing is free wait.
        address: address of a cluster, such as ``"head:6379"``; that of ``RAY_ADDRESS`` unless given.
    """

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        self._workers = workers
        self._address = address or os.environ.get(ADDRESS_VARIABLE) or None
        self._is_ours = False
        self._idle: list[HeldActor] = []
        self._running: dict[Any, _Running] = {}
        self._n_setups = 0

    @property
    def size(self) -> int:
        """Number of trainings at a time."""
        return self._workers or max(1, USUAL.fit_into(cluster_resources()))

    def begin(self, trainer: Trainer, checkpoints: Path | None) -> None:
        """Store the setup in Ray, and what is shipped with it.

        Raises:
            InvalidInputError: if the setup cannot be pickled.
            TrainingError: if Ray does not take what is to be shipped.
        """
        while self._idle:
            self._idle.pop().end()  # what was shipped to them is another trainer's
        runtime_env = trainer.runtime_env()
        self._shipment = None if runtime_env is None else Shipment(runtime_env)
        self._n_setups += 1
        self._checkpoints = checkpoints
        setup = trainer.setup()
        try:
            self._holder = [ray.put(setup)]
        except TypeError as error:
            raise InvalidInputError(
                f"The setup of the trainer cannot be sent to another process: {error}. Train in threads, or "
                "keep in it what can be pickled."
            ) from error

    def submit(self, submitted: Submitted) -> None:
        """Start a training in an actor that holds its resources, as soon as there are any."""
        held = self._actor_with(submitted.resources or USUAL)
        self._build(_Running(submitted, held))

    def collect(self) -> Sequence[Ended]:
        """Return what ended, waiting for the first.

        Raises:
            TrainingError: if a worker cannot be built or a training raises, with its text.
            WorkerLostError: if a training needs more than the cluster has.
        """
        while True:
            left = min(one.ends_at for one in self._running.values()) - time.monotonic()
            timeout_s = min(max(0.0, left), LONGEST_WAIT_S)
            done, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
            ended = [end for reference in done if (end := self._end_of(reference)) is not None]
            if ended := [*ended, *self._end_overdue()]:
                return ended

    def _build(self, one: _Running) -> None:
        reference = one.held.actor.build.remote(self._n_setups, self._holder, self._checkpoints)
        self._running[reference] = one

    def _train(self, one: _Running) -> None:
        if one.submitted.deadline_s is not None:
            one.ends_at = time.monotonic() + one.submitted.deadline_s
        self._running[one.held.actor.train.remote(one.submitted.requests)] = one

    def _actor_with(self, resources: Resources) -> HeldActor:
        for n, held in enumerate(self._idle):
            if held.resources == resources:
                return self._idle.pop(n)
        while self._idle:
            self._idle.pop().end()  # they hold what is needed otherwise
        copied = None if self._shipment is None else self._shipment.copied
        return HeldActor.start(SearchActor, (copied,), resources, self._shipment)

    def _end_of(self, reference: Any) -> Ended | None:
        """Read what an actor answers; None while its training goes on."""
        one = self._running.pop(reference)
        number = one.submitted.number
        try:
            answer = ray.get(reference)
        except RayTaskError as error:
            if not isinstance(error.cause, RetryTrainingError):
                one.held.end()
                raise TrainingError(f"{type(error.cause).__name__}: {error.cause}\n\n{error}") from error
            self._idle.append(one.held)
            return Ended(number, None, str(error.cause), LossCause.BY_ITS_WORD)
        except RuntimeEnvSetupError as error:
            one.held.end()
            raise failed_setup(error) from error
        except RayError as error:
            one.held.end()
            lost = lost_with(error, number)
            return Ended(number, None, lost.reason, lost.loss)
        if not one.is_built:
            one.is_built = True
            self._train(one)
            return None
        self._idle.append(one.held)
        return Ended(number, answer)

    def _end_overdue(self) -> list[Ended]:
        now, ended = time.monotonic(), []
        for reference, one in list(self._running.items()):
            if one.ends_at <= now:
                del self._running[reference]
                one.held.end()
                seconds = one.submitted.deadline_s or 0.0
                error = f"Ended after {seconds:g} s, its deadline."
                failed = TrialOutcome(TrialState.FAILED, seconds=seconds, error=error, fault=Fault.DEADLINE)
                ended.append(Ended(one.submitted.number, (failed,) * len(one.submitted.requests)))
        return ended

    def __enter__(self) -> Self:
        if not ray.is_initialized():
            self._is_ours = True
            try:
                if self._address is not None:
                    refuse_unreachable(self._address)
                connect(self._address, self._workers, str(Path.cwd()))
            except (ConnectionError, RuntimeError, RayError) as error:
                told = str(error).strip().splitlines() or [type(error).__name__]
                raise WorkerLostError(f"The Ray cluster cannot be joined. {told[-1]}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for held in (*self._idle, *(one.held for one in self._running.values())):
            held.end()
        self._idle.clear()
        self._running.clear()
        if self._is_ours:
            ray.shutdown()
