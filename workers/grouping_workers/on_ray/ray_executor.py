"""Executor on a Ray cluster: the pool of actors, for one job at a time."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ray.exceptions import RayError

from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.trainings.resources import Resources
from grouping.errors import GroupingError, TrainingError, WorkerLostError
from grouping.trainers import Trainer, WorkerSetup
from grouping_workers.job.control import Control
from grouping_workers.job.executor import Lost, Ready, Report, Trained, TrainingOrder
from grouping_workers.on_ray.actor_pool import ActorPool
from grouping_workers.on_ray.cluster import cluster_resources, require_alive, usual_resources
from grouping_workers.on_ray.reports import Mailbox
from grouping_workers.on_ray.shares import Share, ToldShare
from grouping_workers.settings import RaySettings

logger = logging.getLogger(__name__)


class RayExecutor:
    """Trains on the Ray cluster that this process has joined.

    See `grouping_workers.job.executor.JobExecutor`.

    Args:
        settings: the cluster, and what its workers may use.
        control: connection to the dispatcher.
    """

    def __init__(self, settings: RaySettings, control: Control) -> None:
        self._settings = settings
        self._share = Share(uuid.uuid4().hex) if settings.is_shared else ToldShare(control)
        self._mailbox = Mailbox()
        self._pool = ActorPool(settings)
        self._trainer: Trainer | None = None
        self._setup: WorkerSetup | None = None
        self._has_ended = False

    @property
    def size(self) -> int:
        """Number of orders that run at the same time."""
        return self._pool.size

    def warm_up(self) -> None:
        """Start the workers of a cluster that nobody else uses before there is a job; returns at once."""
        if not self._settings.is_shared:
            self._pool.warm_up()

    def prepare(self, trainer: Trainer, networks: Sequence[Network]) -> Ready:
        """Have the trainer prepare its job, and measure what networks cost."""
        with _ray_may_be_lost():
            mailbox = self._mailbox.address if trainer.tells_progress else None
            self._pool.begin_job(trainer.job.id, mailbox, trainer.runtime_env())
            self._refuse_what_never_fits(trainer, networks)
            self._follow_share()
        with _code_of_the_trainer():
            prepared = trainer.prepare(self._pool)
            self._trainer, self._setup = trainer, trainer.setup()
            self._pool.warm_up()
            measured = trainer.measure(networks, self._pool)
            environment = self._pool.ask(self._setup, "environment") or trainer.environment()
        return Ready(prepared, measured, dict(environment))

    def measure(self, networks: Sequence[Network]) -> tuple[MeasuredNetwork | None, ...]:
        """Measure further networks of the prepared job."""
        with _code_of_the_trainer():
            return self._require_prepared()[0].measure(networks, self._pool)

    def submit(self, order: TrainingOrder) -> None:
        """Start the trainings of an order as soon as there is room."""
        with _ray_may_be_lost():
            trainer, setup = self._require_prepared()
            self._pool.submit(self._complete(order, trainer), setup)

    def _complete(self, order: TrainingOrder, trainer: Trainer) -> TrainingOrder:
        """Fill in what the worker holds, and the end of trainings for which nobody states one."""
        usual = usual_resources(self._settings)
        networks = {request.network.key: request.network for request in order.requests.values()}
        wanted = (trainer.trainings.resources(network, usual) or usual for network in networks.values())
        deadline_s = order.deadline_s
        if deadline_s is None:
            known = (self._settings.training_s, order.limit_s)
            deadline_s = min((limit for limit in known if limit is not None), default=None)
        return replace(order, resources=Resources.of_all(wanted), deadline_s=deadline_s)

    def collect(self, timeout_s: float) -> list[Trained | Lost]:
        """Return answers to orders that ended, waiting at most so long for the first."""
        with _ray_may_be_lost():
            require_alive()
            self._follow_share()
            answers = self._pool.collect(timeout_s)
            self._has_ended = bool(answers)
            return answers

    def reports(self) -> list[Report]:
        """Return what trainings told since the last call."""
        with _ray_may_be_lost():
            return self._mailbox.take(is_complete=self._has_ended)

    def end_job(self) -> None:
        """End what still runs; keep idle workers only where nobody else could use their processors."""
        with _ray_may_be_lost():
            self._pool.end_running()
            if self._settings.is_shared or self._share.has_others:
                self._pool.release_idle()
            self._share.leave()
            self._mailbox.close()
        self._trainer = self._setup = None

    def _follow_share(self) -> None:
        self._pool.resize(self._share.renew(self._pool.wanted))

    def _require_prepared(self) -> tuple[Trainer, WorkerSetup]:
        if self._trainer is None or self._setup is None:
            raise AssertionError("Trainings are ordered only after `prepare`.")
        return self._trainer, self._setup

    def _refuse_what_never_fits(self, trainer: Trainer, networks: Sequence[Network]) -> None:
        """Refuse trainings that need more than a cluster of fixed size has, before they wait for ever."""
        there = cluster_resources()
        usual = usual_resources(self._settings)
        for network in networks:
            wanted = trainer.trainings.resources(network, usual) or usual
            if wanted.fit_into(there) == 0 and not self._settings.is_shared:
                raise TrainingError(
                    f"The training of {network} needs {wanted.in_words()}, and Ray has "
                    f"{', '.join(f'{amount:g} {name}' for name, amount in sorted(there.items()))}."
                )


@contextmanager
def _ray_may_be_lost() -> Iterator[None]:
    """Take any error but our own for a sign that the cluster cannot be used any more."""
    try:
        yield
    except GroupingError:
        raise
    except Exception as error:
        raise WorkerLostError(f"Ray failed: {type(error).__name__}: {error}") from error


@contextmanager
def _code_of_the_trainer() -> Iterator[None]:
    """Have whatever a trainer raises fail the job, and an error of Ray end the process."""
    try:
        yield
    except GroupingError:
        raise
    except RayError as error:
        raise WorkerLostError(f"Ray failed: {type(error).__name__}: {error}") from error
    except Exception as error:
        logger.exception("The trainer failed")
        raise TrainingError(f"The trainer failed: {type(error).__name__}: {error}") from error
