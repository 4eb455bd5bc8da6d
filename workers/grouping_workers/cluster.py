"""Connecting to Ray, and the pool of training actors on it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from grouping.domain.datasets import Dataset
from grouping.domain.engines import EngineChoice
from grouping.domain.networks import Network
from grouping.domain.recipes import Recipe
from grouping.domain.tasks import Task
from grouping.domain.trials import TrialOutcome, TrialState
from grouping_workers.environment import library_versions
from grouping_workers.messages import Answer, Compare, Lost, Train, Trained
from grouping_workers.settings import DriverSettings

logger = logging.getLogger(__name__)

LOCAL_OBJECT_STORE_BYTES = 512 * 2**20
MEASURING_TIMEOUT_S = 60.0
"""How long measurements are waited for; a cluster where nothing is free must not hold a job up for them."""


def connect(address: str | None, n_workers: int | None, empty_folder: str) -> None:
    """Join the cluster at `address`, or start a private one on this machine.

    Args:
        address: as ``ray.init`` takes it; None starts a local cluster that ends with this process.
        n_workers: processors of the local cluster; all unless given.
        empty_folder: Ray lets its workers import from the folder in which it is started. This one has nothing
            that could be taken for one of our modules, and has to last as long as the cluster.

    Raises:
        RayError, ConnectionError: if there is no cluster at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    # Unset, Ray warns on every start that a later release will stop hiding GPUs from CPU-only tasks.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
    if address is None:
        address = "local"  # otherwise Ray joins whatever cluster it finds on this machine
        options |= {
            "num_cpus": n_workers,
            "include_dashboard": False,
            "object_store_memory": LOCAL_OBJECT_STORE_BYTES,
        }
    with contextlib.chdir(empty_folder):
        ray.init(address=address, **options)


def is_alive() -> bool:
    """Whether any node of the cluster is left; without one, nothing that is submitted will ever run."""
    return any(node["Alive"] for node in ray.nodes())


def count_workers(settings: DriverSettings) -> int:
    """Workers at the same time: one per processor of the cluster, as many as may share its GPUs."""
    resources = ray.cluster_resources()
    n_workers = max(1, int(resources.get("CPU", 1)))
    if gpus := int(resources.get("GPU", 0)):
        n_workers = min(n_workers, gpus * settings.trials_per_gpu)
    return n_workers if settings.n_workers is None else min(settings.n_workers, n_workers)


def gpu_share(settings: DriverSettings) -> float:
    """Of a GPU, for each worker; 0 where the cluster has none."""
    return 1 / settings.trials_per_gpu if ray.cluster_resources().get("GPU", 0.0) else 0.0


@dataclass(frozen=True, slots=True)
class PreparedData:
    """A data set in the object store.

    Attributes:
        reference: where it is.
        digest: identifies data set and tasks.
        tasks: the tasks of the job.
        n_features: columns of the inputs.
    """

    reference: Any
    digest: str
    tasks: tuple[Task, ...]
    n_features: int

    @classmethod
    def put(
        cls, dataset: Dataset, tasks: tuple[Task, ...], before: PreparedData | None = None
    ) -> PreparedData:
        """Put a data set into the object store, unless it is what was put there before."""
        names = ",".join(task.name for task in tasks)
        digest = f"{dataset.digest()} {names}"
        if before is not None and (before.digest, before.tasks) == (digest, tasks):
            return before
        return cls(ray.put(dataset), digest, tasks, n_features=dataset.inputs.shape[1])


class ActorPool:
    """Training actors, each with at most one order; orders wait here while all are busy.

    A lost actor is replaced, and its trainings reported as `Lost`. Not thread-safe.

    Args:
        size: the most actors.
        settings: what the actors may use.
    """

    def __init__(self, size: int, settings: DriverSettings | None = None) -> None:
        self._size = size
        self._settings = settings or DriverSettings()
        self._idle: list[Any] = []
        self._n_started = 0
        self._waiting: deque[tuple[Train, PreparedData]] = deque()
        self._running: dict[Any, tuple[Train, Any]] = {}

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
        """Orders that run at the same time."""
        return self._size

    def resize(self, size: int) -> None:
        """Use more actors, or no new ones until fewer are left."""
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

    def submit(self, order: Train, data: PreparedData) -> None:
        """Start the trainings of an order as soon as an actor is free."""
        self._waiting.append((order, data))
        self._start_waiting()

    def measure_latencies(
        self, data: PreparedData, networks: Sequence[Network], recipe: Recipe
    ) -> tuple[float | None, ...]:
        """Latencies of networks as an idle actor measures them; None for all where none can be had."""
        found: tuple[float | None, ...] | None = None
        if networks:
            found = self._ask("measure_latencies", *_held(data), networks, recipe)
        return (None,) * len(networks) if found is None else found

    def versions(self) -> dict[str, str]:
        """What an idle actor trains with; the libraries here alone where none can be had."""
        found: dict[str, str] | None = self._ask("versions")
        return library_versions() if found is None else found

    def compare_engines(self, data: PreparedData, order: Compare) -> EngineChoice | None:
        """The fastest engine, as an idle actor measures it; None where none can be had."""
        own = replace(order.work, n_networks=-(-order.work.n_networks // self._size))
        found: EngineChoice | None = self._ask("compare_engines", *_held(data), replace(order, work=own))
        return found

    def _ask(self, method: str, *arguments: object) -> Any:
        """What a measuring method of an actor answers; None where that cannot be had in time."""
        if not (self._idle or self._n_started < self._size):
            return None
        actor = self._idle.pop() if self._idle else self._new_actor()
        try:
            found = ray.get(getattr(actor, method).remote(*arguments), timeout=MEASURING_TIMEOUT_S)
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

    def collect(self, timeout_s: float) -> list[Answer]:
        """Answers to the orders that ended, waiting at most `timeout_s` for the first."""
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
        """End all actors, and with them whatever they train. The next order starts new ones."""
        for actor in [*self._idle, *(actor for _, actor in self._running.values())]:
            ray.kill(actor)
        self._idle.clear()
        self._running.clear()
        self._waiting.clear()
        self._n_started = 0

    def _end(self, actor: Any) -> None:
        ray.kill(actor)
        self._n_started -= 1

    def _finish(self, reference: Any) -> Answer:
        order, actor = self._running.pop(reference)
        try:
            outcomes, versions, company = ray.get(reference)
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
        return Trained(order.number, dict(zip(order.requests, outcomes, strict=True)), versions, company)

    def _start_waiting(self) -> None:
        while self._waiting and (self._idle or self._n_started < self._size):
            order, data = self._waiting.popleft()
            actor = self._idle.pop() if self._idle else self._new_actor()
            reference = actor.train.remote(
                *_held(data),
                list(order.requests.values()),
                order.recipe,
                self._folder(order),
                order.engine,
            )
            self._running[reference] = (order, actor)

    def _folder(self, order: Train) -> Path | None:
        root = self._settings.checkpoints
        return None if root is None else root / order.job_id

    def _new_actor(self) -> Any:
        from grouping_workers.actors import TrainingActor  # imports PyTorch: see `run_driver`

        self._n_started += 1
        remote = ray.remote(num_cpus=1, num_gpus=gpu_share(self._settings), scheduling_strategy="SPREAD")
        return remote(TrainingActor).remote(self._settings.checkpoint_interval_s)


def _held(data: PreparedData) -> tuple[list[Any], str, tuple[Task, ...]]:
    """The arguments by which an actor gets at the data: a reference in a list is not fetched for it."""
    return [data.reference], data.digest, data.tasks
