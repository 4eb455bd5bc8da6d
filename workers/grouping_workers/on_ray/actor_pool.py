"""The pool of training actors on a Ray cluster."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from grouping.domain.trials import TrialOutcome, TrialState
from grouping.trainers import StepResult, WorkerContext, WorkerSetup
from grouping_workers.messages import Answer, Lost, Train, Trained
from grouping_workers.on_ray.cluster import gpu_share
from grouping_workers.settings import DriverSettings

logger = logging.getLogger(__name__)

MEASURING_TIMEOUT_S = 60.0
"""How long measurements are waited for; a cluster where nothing is free must not hold a job up for them."""


@dataclass(frozen=True, slots=True)
class StoredSetup:
    """A setup in Ray's object store, for workers to fetch, with its key."""

    reference: Any
    key: str


class ActorPool:
    """Pool of training actors, each with at most one order; orders wait here while all are busy.

    A lost actor is replaced, and its trainings reported as `Lost`. Not thread-safe. To trainers it is their
    `grouping.trainers.WorkerPool`.

    Args:
        size: the most actors.
        settings: settings of the driver.
    """

    def __init__(self, size: int, settings: DriverSettings | None = None) -> None:
        self._size = size
        self._settings = settings or DriverSettings()
        self._context = WorkerContext(self._settings.checkpoint_interval_s)
        self._idle: list[Any] = []
        self._n_started = 0
        self._waiting: deque[tuple[Train, StoredSetup]] = deque()
        self._running: dict[Any, tuple[Train, Any]] = {}
        self._stored: StoredSetup | None = None

    @property
    def is_busy(self) -> bool:
        """Whether any order is running or waiting."""
        return bool(self._running or self._waiting)

    @property
    def has_idle(self) -> bool:
        """Whether another order could start at once."""
        return len(self._running) < self._size

    @property
    def size(self) -> int:
        """Number of orders that run at the same time."""
        return self._size

    def resize(self, size: int) -> None:
        """Change the most actors; surplus ones go on, and no new ones start until fewer are left."""
        self._size = size
        self._start_waiting()

    def warm_up(self) -> None:
        """Start all actors at once, so that each is ready when its first order comes; returns at once."""
        while self._n_started < self._size:
            self._idle.append(self._new_actor())

    def release_idle(self) -> None:
        """End the actors that have nothing to do, and free the processors they hold."""
        for actor in self._idle:
            ray.kill(actor)
        self._n_started -= len(self._idle)
        self._idle.clear()

    def submit(self, order: Train, setup: WorkerSetup) -> None:
        """Start the trainings of an order as soon as an actor is free."""
        self._waiting.append((order, self._store(setup)))
        self._start_waiting()

    def ask(self, setup: WorkerSetup, method: str, *arguments: Any) -> Any:
        """Call a method of an idle worker and return its answer; None if no worker was free in time."""
        if not (self._idle or self._n_started < self._size):
            return None
        actor = self._idle.pop() if self._idle else self._new_actor()
        stored = self._store(setup)
        try:
            reference = actor.ask.remote([stored.reference], stored.key, method, arguments)
            found = ray.get(reference, timeout=MEASURING_TIMEOUT_S)
        except (RayTaskError, GetTimeoutError) as error:  # the actor is well, or still to come
            logger.warning("No answer to %s: %s", method, error)
            self._idle.append(actor)
            return None
        except RayError as error:
            logger.warning("The worker asked to %s was lost: %s", method, error)
            self._end(actor)
            return None
        self._idle.append(actor)
        return found

    def successive_halving(
        self, setup: WorkerSetup, n_samples: int, max_steps: int, reduction: int
    ) -> Mapping[int, StepResult]:
        """Train samples side by side and end unpromising ones early; end all actors first."""
        from grouping_workers.on_ray.halving import (
            run_halving,
        )  # Ray Tune is large, and most jobs tune nothing

        self.clear()  # Ray Tune needs the processors that the actors hold
        share = gpu_share(self._settings)
        return run_halving(setup, n_samples, max_steps, reduction, context=self._context, gpu_share=share)

    def collect(self, timeout_s: float) -> list[Answer]:
        """Return answers to orders that ended, waiting at most `timeout_s` for the first."""
        if not self._running:
            return []
        running = list(self._running)
        done, _ = ray.wait(running, num_returns=len(running), timeout=0)
        if not done:
            done, _ = ray.wait(running, num_returns=1, timeout=timeout_s)
        answers = [self._finish(reference) for reference in done]
        self._start_waiting()
        return answers

    def clear(self) -> None:
        """End all actors and their trainings. The next order starts new ones."""
        for actor in [*self._idle, *(actor for _, actor in self._running.values())]:
            ray.kill(actor)
        self._idle.clear()
        self._running.clear()
        self._waiting.clear()
        self._n_started = 0

    def _store(self, setup: WorkerSetup) -> StoredSetup:
        """Put a setup into the object store, unless it is the one that was put there last."""
        if self._stored is None or self._stored.key != setup.key:
            self._stored = StoredSetup(ray.put(setup), setup.key)
        return self._stored

    def _end(self, actor: Any) -> None:
        ray.kill(actor)
        self._n_started -= 1

    def _finish(self, reference: Any) -> Answer:
        order, actor = self._running.pop(reference)
        try:
            outcomes, environment, remarks = ray.get(reference)
        except RayTaskError as error:  # the worker is well: its code raised
            logger.warning("Order %d failed: %s", order.number, error)
            self._idle.append(actor)
            reason = f"{type(error.cause).__name__}: {error.cause}"
            failed = TrialOutcome(TrialState.FAILED, error=reason)
            return Trained(order.number, dict.fromkeys(order.requests, failed))
        except RayError as error:
            logger.warning("The worker of order %d was lost: %s", order.number, error)
            self._end(actor)
            return Lost(order.number, f"{type(error).__name__}: the worker died or could not be reached.")
        self._idle.append(actor)
        by_trial = dict(zip(order.requests, outcomes, strict=True))
        return Trained(order.number, by_trial, environment, remarks)

    def _start_waiting(self) -> None:
        while self._waiting and (self._idle or self._n_started < self._size):
            order, stored = self._waiting.popleft()
            actor = self._idle.pop() if self._idle else self._new_actor()
            requests = list(order.requests.values())
            reference = actor.train.remote([stored.reference], stored.key, requests, self._folder(order))
            self._running[reference] = (order, actor)

    def _folder(self, order: Train) -> Path | None:
        root = self._settings.checkpoints
        return None if root is None else root / order.job_id

    def _new_actor(self) -> Any:
        from grouping_workers.on_ray.actors import TrainingActor  # imports what trains: see `run_driver`

        self._n_started += 1
        share = gpu_share(self._settings)
        remote = ray.remote(num_cpus=1, num_gpus=share, scheduling_strategy="SPREAD")
        return remote(TrainingActor).remote(self._context)
