"""The Ray driver: a child process of the dispatcher that turns orders into answers.

It is a process of its own because a dead Ray cluster ends its driver without an exception. It holds
nothing that cannot be made again, and ends when the dispatcher does.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import signal
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from types import FrameType

import ray

from grouping.errors import GroupingError
from grouping.trainers import DEFAULT_TRAINER, Trainer, WorkerSetup, get_trainer
from grouping_workers.messages import (
    Answer,
    Ended,
    Measure,
    Measured,
    Order,
    Prepare,
    Ready,
    Refused,
    ReleaseWorkers,
    Resized,
    Train,
)
from grouping_workers.on_ray.actor_pool import ActorPool
from grouping_workers.on_ray.cluster import connect, count_workers, is_alive
from grouping_workers.settings import DriverSettings

logger = logging.getLogger(__name__)

BUSY_POLL_S = 0.2
IDLE_POLL_S = 0.02
HEALTH_CHECK_S = 5.0


def run_driver(pipe: Connection, settings: DriverSettings) -> None:
    """Answer orders from the pipe until its other end closes.

    Args:
        pipe: one end of the pipe to the dispatcher.
        settings: settings of the driver.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s driver: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the dispatcher's to handle
    signal.signal(signal.SIGTERM, _exit_on_signal)
    orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(pipe, orders), daemon=True).start()
    # What trains takes seconds to import, and Ray, which is only waited for, as long to start.
    threading.Thread(target=_import_what_trains, daemon=True).start()
    folder = tempfile.TemporaryDirectory(prefix="grouping-driver-")
    try:
        connect(settings.address, settings.n_workers, folder.name)
        Driver(pipe, orders, settings).run()
    except Exception as error:
        with contextlib.suppress(OSError):
            pipe.send(Ended(f"{type(error).__name__}: {error}"))
        raise
    finally:
        ray.shutdown()
        folder.cleanup()


def _import_what_trains() -> None:
    importlib.import_module("grouping_workers.on_ray.actors")
    get_trainer(DEFAULT_TRAINER).warm_up()


def _exit_on_signal(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def _read_orders(pipe: Connection, orders: queue.SimpleQueue[Order | None]) -> None:
    """Move orders into the queue; at the end of the pipe ask the driver to end, then insist."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            orders.put(pipe.recv())
    orders.put(None)
    threading.Timer(10.0, os._exit, args=(1,)).start()


class Driver:
    """Carries out orders one after another; trainings run on the actor pool meanwhile."""

    def __init__(
        self,
        pipe: Connection,
        orders: queue.SimpleQueue[Order | None],
        settings: DriverSettings,
    ) -> None:
        self._pipe = pipe
        self._orders = orders
        self._settings = settings
        self._pool = ActorPool(count_workers(settings), settings)
        if not settings.is_shared:
            self._pool.warm_up()  # while the dispatcher still looks for a job
        self._trainer: Trainer | None = None
        self._setup: WorkerSetup | None = None
        self._checked_at = time.monotonic()

    def run(self) -> None:
        """Answer orders until the dispatcher is gone."""
        with contextlib.suppress(BrokenPipeError):
            while True:
                try:
                    order = self._next_order()
                except queue.Empty:
                    pass
                else:
                    if order is None:
                        return
                    self._carry_out(order)
                for answer in self._pool.collect(IDLE_POLL_S if self._pool.has_idle else BUSY_POLL_S):
                    self._pipe.send(answer)
                self._check_health()

    def _check_health(self) -> None:
        """Follow the cluster's size; end when it is gone, so that the dispatcher starts another driver."""
        if time.monotonic() - self._checked_at < HEALTH_CHECK_S:
            return
        self._checked_at = time.monotonic()
        if not is_alive():
            raise SystemExit("Every node of the Ray cluster is dead.")
        n_workers = count_workers(self._settings)
        if n_workers != self._pool.size:
            self._pool.resize(n_workers)
            self._pipe.send(Resized(self._pool.size))

    def _next_order(self) -> Order | None:
        if self._pool.is_busy:
            return self._orders.get_nowait()
        return self._orders.get()

    def _carry_out(self, order: Order) -> None:
        if isinstance(order, Train):
            self._pool.submit(order, self._require_prepared()[1])
            return
        if isinstance(order, ReleaseWorkers):
            if self._settings.is_shared:  # a private cluster keeps its warm workers for the next job
                self._pool.release_idle()
            return
        answer: Answer
        try:
            answer = self._prepare(order) if isinstance(order, Prepare) else self._measure(order)
        except GroupingError as error:
            answer = Refused(str(error))
        except Exception as error:  # whatever a plug-in raises fails the job, not this process
            logger.exception("The trainer failed on %s", type(order).__name__)
            answer = Refused(f"The trainer failed: {type(error).__name__}: {error}")
        self._pipe.send(answer)

    def _require_prepared(self) -> tuple[Trainer, WorkerSetup]:
        if self._trainer is None or self._setup is None:
            raise AssertionError("The dispatcher orders trainings only after Prepare.")
        return self._trainer, self._setup

    def _prepare(self, order: Prepare) -> Ready:
        trainer = get_trainer(order.trainer)(order.job)
        self._pool.resize(count_workers(self._settings))
        prepared = trainer.prepare(self._pool)
        self._trainer, self._setup = trainer, trainer.setup()
        self._pool.warm_up()
        measured = trainer.measure(order.networks, self._pool)
        environment = self._pool.ask(self._setup, "environment") or trainer.environment()
        return Ready(prepared, measured, self._pool.size, dict(environment))

    def _measure(self, order: Measure) -> Measured:
        trainer, _ = self._require_prepared()
        return Measured(trainer.measure(order.networks, self._pool))
