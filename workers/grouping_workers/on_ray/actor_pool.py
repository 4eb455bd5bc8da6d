"""The pool of training actors on a Ray cluster."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError, RuntimeEnvSetupError

from grouping.domain.trainings.faults import Fault, LossCause, is_out_of_memory
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import TrialOutcome, TrialState
from grouping.errors import RetryTrainingError
from grouping.trainers import StepResult, WorkerContext, WorkerSetup
from grouping.trainers.runtime_env import RuntimeEnv
from grouping_workers.job.executor import Lost, Trained, TrainingOrder
from grouping_workers.on_ray.cluster import cluster_resources, usual_resources
from grouping_workers.on_ray.held_actor import HeldActor
from grouping_workers.on_ray.losses import lost_with
from grouping_workers.on_ray.shipment import Shipment, failed_setup
from grouping_workers.on_ray.stored_setup import put_setup
from grouping_workers.settings import RaySettings

logger = logging.getLogger(__name__)

MEASURING_TIMEOUT_S = 60.0
"""How long measurements are waited for; a cluster where nothing is free must not hold a job up for them."""
GRACE_S = 30.0
"""Seconds beyond its deadline after which a training that does not end by itself is ended with its worker."""
SIZE_CHECK_S = 5.0


@dataclass(slots=True)
class _Running:
    order: TrainingOrder
    held: HeldActor
    begun: Any
    """Reference of an answer that the actor gives once it is up, before it trains."""
    ends_at: float | None = None

    def is_overdue(self, now: float) -> bool:
        """Tell whether the deadline is past, from when the actor was up: it may have to wait for room."""
        if self.order.deadline_s is None:
            return False
        if self.ends_at is None:
            if ray.wait([self.begun], timeout=0)[0]:
                self.ends_at = now + self.order.deadline_s + GRACE_S
            return False
        return now > self.ends_at


class ActorPool:
    """Pool of training actors, each with at most one order; orders wait here while there is no room.

    A lost actor is replaced, and its trainings reported as `Lost`. Not thread-safe. To trainers it is their
    `grouping.trainers.WorkerPool`.

    Args:
        settings: the cluster, and what its workers may use.
    """

    def __init__(self, settings: RaySettings) -> None:
        self._settings = settings
        self._context = WorkerContext(settings.checkpoint_interval_s)
        self._usual = usual_resources(settings)
        self._cluster = cluster_resources()
        self._looked_at = time.monotonic()
        self._share = 1.0
        self._idle: list[HeldActor] = []
        self._waiting: deque[tuple[TrainingOrder, _StoredSetup]] = deque()
        self._running: dict[Any, _Running] = {}
        self._stored: _StoredSetup | None = None
        self._folder: Path | None = None
        self._mailbox: Any = None
        self._shipment: Shipment | None = None

    def begin_job(self, job_id: str, mailbox: Any, runtime_env: RuntimeEnv | None = None) -> None:
        """Keep checkpoints in the folder of this job, and give workers what they need.

        Args:
            job_id: identifier of the job.
            mailbox: where workers report to; None for nowhere.
            runtime_env: what Ray brings to them; None for nothing.

        Raises:
            TrainingError: if Ray does not take that.
        """
        root = self._settings.checkpoints
        self._folder = None if root is None else root / job_id
        self._mailbox = mailbox
        if runtime_env is not None or self._shipment is not None:
            self.release_idle()  # they are as the last job needed them
        self._shipment = None if runtime_env is None else Shipment(runtime_env)

    @property
    def size(self) -> int:
        """Number of usual orders that run at the same time."""
        return max(1, int(self._most(self._usual) * self._share + 1e-9))

    @property
    def is_busy(self) -> bool:
        """Whether any order is running or waiting."""
        return bool(self._running or self._waiting)

    @property
    def wanted(self) -> float:
        """Share of the cluster that the present orders could use, in [0, 1]."""
        orders = [one.order for one in self._running.values()] + [order for order, _ in self._waiting]
        used = sum(1 / self._most(order.resources or self._usual) for order in orders)
        # Room for one more, as what is planned next is not here yet.
        return min(1.0, used + 1 / self._most(self._usual))

    def resize(self, share: float) -> None:
        """Change the share of the cluster that may be used; what runs beyond it runs to its end."""
        if time.monotonic() - self._looked_at >= SIZE_CHECK_S:
            self._looked_at = time.monotonic()
            self._cluster = cluster_resources()
        self._share = share
        while self._idle and self._held() > share + 1e-9:
            self._idle.pop().end()
        self._start_waiting()

    def warm_up(self) -> None:
        """Start as many usual actors as there is room for; returns at once."""
        while self._has_room(self._usual):
            self._idle.append(self._new_actor(self._usual))

    def release_idle(self) -> None:
        """End the actors that have nothing to do, and free the processors they hold."""
        for held in self._idle:
            held.end()
        self._idle.clear()

    def submit(self, order: TrainingOrder, setup: WorkerSetup) -> None:
        """Start the trainings of an order as soon as there is room."""
        if order.is_alone:
            self.release_idle()  # they hold memory
        self._waiting.append((order, self._store(setup)))
        self._start_waiting()

    def ask(self, setup: WorkerSetup, method: str, *arguments: Any) -> Any:
        """Call a method of an idle worker and return its answer; None if no worker was free in time."""
        if not self._idle and not self._has_room(self._usual):
            return None
        held = self._idle.pop() if self._idle else self._new_actor(self._usual)
        stored = self._store(setup)
        try:
            reference = held.actor.ask.remote([stored.reference], stored.key, method, arguments)
            found = ray.get(reference, timeout=MEASURING_TIMEOUT_S)
        except RuntimeEnvSetupError as error:
            held.end()
            raise failed_setup(error) from error
        except (RayTaskError, GetTimeoutError) as error:  # the actor is well, or still to come
            logger.warning("No answer to %s: %s", method, error)
            self._idle.append(held)
            return None
        except RayError as error:
            logger.warning("The worker asked to %s was lost: %s", method, error)
            held.end()
            return None
        self._idle.append(held)
        return found

    def successive_halving(
        self, setup: WorkerSetup, n_samples: int, max_steps: int, reduction: int
    ) -> Mapping[int, StepResult]:
        """Train samples side by side and end unpromising ones early; end all actors first."""
        # Ray Tune is large, and most jobs tune nothing.
        from grouping_workers.on_ray.halving import run_halving

        self.end_running()
        self.release_idle()  # Ray Tune needs the processors that the actors hold
        reference, gpus = self._put(setup), self._usual.gpus
        return run_halving(
            [reference], n_samples, max_steps, reduction, context=self._context, gpu_share=gpus
        )

    def collect(self, timeout_s: float) -> list[Trained | Lost]:
        """Return answers to orders that ended, waiting at most `timeout_s` for the first."""
        if not self._running:
            time.sleep(timeout_s if self._waiting else 0)
            return []
        running = list(self._running)
        done, _ = ray.wait(running, num_returns=len(running), timeout=0)
        if not done:
            done, _ = ray.wait(running, num_returns=1, timeout=timeout_s)
        answers = [self._finish(reference) for reference in done]
        answers += self._end_overdue()
        self._start_waiting()
        return answers

    def end_running(self) -> None:
        """End the trainings that run, and forget what waits."""
        for one in self._running.values():
            one.held.end()
        self._running.clear()
        self._waiting.clear()

    def _most(self, resources: Resources) -> int:
        """Return how many trainings fit into the whole cluster, at least one."""
        most = max(1, resources.fit_into(self._cluster))
        limit = self._settings.n_workers
        return most if limit is None else min(most, limit)

    def _held(self) -> float:
        """Return the share of the cluster that the actors hold."""
        held = [*self._idle, *(one.held for one in self._running.values())]
        return sum(1 / self._most(one.resources) for one in held)

    def _has_room(self, resources: Resources) -> bool:
        """Tell whether another actor fits into the share; a first one always does."""
        is_first = not self._idle and not self._running
        return is_first or self._held() + 1 / self._most(resources) <= self._share + 1e-9

    def _store(self, setup: WorkerSetup) -> _StoredSetup:
        """Put a setup into the object store, unless it is the one that was put there last."""
        if self._stored is None or self._stored.key != setup.key:
            self._stored = _StoredSetup(self._put(setup), setup.key, setup)
        return self._stored

    def _put(self, setup: WorkerSetup) -> Any:
        return put_setup(setup, is_one_machine=not self._settings.is_shared)

    def _finish(self, reference: Any) -> Trained | Lost:
        one = self._running.pop(reference)
        order = one.order
        try:
            outcomes, environment, remarks = ray.get(reference)
        except RayTaskError as error:  # the worker is well: its code raised
            logger.warning("Order %d failed: %s", order.number, error)
            self._idle.append(one.held)
            if isinstance(error.cause, RetryTrainingError):
                return Lost(order.number, str(error.cause), LossCause.BY_ITS_WORD)
            reason = f"{type(error.cause).__name__}: {error.cause}"
            fault = Fault.RESOURCES if is_out_of_memory(error.cause) else Fault.USER
            return Trained(order.number, dict.fromkeys(order.requests, _failed(reason, fault)))
        except RuntimeEnvSetupError as error:
            one.held.end()
            raise failed_setup(error) from error
        except RayError as error:
            logger.warning("The worker of order %d was lost: %s", order.number, error)
            one.held.end()
            return lost_with(error, order.number)
        self._idle.append(one.held)
        by_trial = dict(zip(order.requests, outcomes, strict=True))
        return Trained(order.number, by_trial, environment, remarks)

    def _end_overdue(self) -> list[Trained | Lost]:
        """End trainings that hang: their deadline is past, and they did not end by themselves.

        Which of several it was is not known: they are lost, to be trained one by one.
        """
        ended: list[Trained | Lost] = []
        now = time.monotonic()
        for reference, one in list(self._running.items()):
            if one.is_overdue(now):
                del self._running[reference]
                one.held.end()
                order = one.order
                if len(order.requests) > 1:
                    reason = (
                        f"{len(order.requests)} networks that were trained as one were ended at their "
                        f"deadline of {order.deadline_s:g} s."
                    )
                    ended.append(Lost(order.number, reason))
                else:
                    reason = f"It was ended at its deadline of {order.deadline_s:g} s."
                    failed = _failed(reason, Fault.DEADLINE)
                    ended.append(Trained(order.number, dict.fromkeys(order.requests, failed)))
        return ended

    def _start_waiting(self) -> None:
        while self._waiting:
            resources = self._waiting[0][0].resources or self._usual
            held = self._actor_with(resources)
            if held is None:
                return
            order, stored = self._waiting.popleft()
            begun = held.actor.process_id.remote()
            reference = held.actor.train.remote(
                [stored.reference], stored.key, dict(order.requests), self._folder, self._mailbox
            )
            self._running[reference] = _Running(order, held, begun)

    def _actor_with(self, resources: Resources) -> HeldActor | None:
        """Return an idle actor that holds these resources, or a new one; None if there is no room."""
        for n, held in enumerate(self._idle):
            if held.resources == resources:
                return self._idle.pop(n)
        while self._idle and not self._has_room(resources):
            self._idle.pop().end()  # it holds what is needed otherwise
        return self._new_actor(resources) if self._has_room(resources) else None

    def _new_actor(self, resources: Resources) -> HeldActor:
        from grouping_workers.on_ray.actors import TrainingActor  # imports what trains

        copied = None if self._shipment is None else self._shipment.copied
        return HeldActor.start(TrainingActor, (self._context, copied), resources, self._shipment)


@dataclass(frozen=True, slots=True)
class _StoredSetup:
    """A setup in Ray's object store, for workers to fetch, with its key.

    The setup itself is kept too: what is handed over by path is there as long as this process holds it.
    """

    reference: Any
    key: str
    setup: WorkerSetup


def _failed(reason: str, fault: Fault) -> TrialOutcome:
    return TrialOutcome(TrialState.FAILED, error=reason, fault=fault)
