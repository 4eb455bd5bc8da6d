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
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from types import FrameType

import ray

from grouping.domain.datasets import Dataset
from grouping.domain.networks import Network
from grouping.domain.recipes import Recipe
from grouping.domain.tasks import Task
from grouping.errors import GroupingError, InvalidInputError, TrainingError
from grouping.problems.problem import Problem
from grouping.problems.registry import get_problem
from grouping_workers.cluster import ActorPool, PreparedData, connect, count_workers, gpu_share, is_alive
from grouping_workers.messages import (
    Answer,
    Compare,
    Compared,
    Ended,
    Measure,
    Measured,
    Measurement,
    Order,
    Prepare,
    Prepared,
    Refused,
    Resized,
    Rest,
    Train,
    Tune,
)
from grouping_workers.settings import DriverSettings

logger = logging.getLogger(__name__)

BUSY_POLL_S = 0.2
IDLE_POLL_S = 0.02
HEALTH_CHECK_S = 5.0
DATA_SEED = 0
"""The split is the same in every job on a problem, so that scores of two jobs may be compared."""


def run_driver(pipe: Connection, settings: DriverSettings) -> None:
    """Answer orders from the pipe until its other end closes.

    Args:
        pipe: one end of the pipe to the dispatcher.
        settings: where to train, and with what.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s driver: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the dispatcher's to handle
    signal.signal(signal.SIGTERM, _exit_on_signal)
    orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(pipe, orders), daemon=True).start()
    # PyTorch takes seconds to import, and Ray, which is only waited for, as long to start.
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
    """Import it, and count a network once: that imports much more."""
    importlib.import_module("grouping_workers.actors")
    _count([Network.of("any")], 1, (Task.regression("any"),), Recipe())


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
        self._data: PreparedData | None = None
        self._checked_at = time.monotonic()

    def run(self) -> None:
        """Loop until the dispatcher is gone."""
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
            self._pool.submit(order, self._require_data())
            return
        if isinstance(order, Rest):
            if self._settings.is_shared:  # a private cluster keeps its warm workers for the next job
                self._pool.release_idle()
            return
        try:
            answer = self._answer(order)
        except GroupingError as error:
            answer = Refused(str(error))
        self._pipe.send(answer)

    def _answer(self, order: Prepare | Measure | Tune | Compare) -> Answer:
        if isinstance(order, Prepare):
            return self._prepare(order)
        if isinstance(order, Measure):
            return Measured(self._measure(self._require_data(), order.networks, order.recipe))
        if isinstance(order, Compare):
            return Compared(self._pool.compare_engines(self._require_data(), order))
        return self._tune(order)

    def _require_data(self) -> PreparedData:
        if self._data is None:
            raise AssertionError("The dispatcher orders trainings only after Prepare.")
        return self._data

    def _prepare(self, order: Prepare) -> Prepared:
        problem = get_problem(order.problem)
        tasks = tuple(task for task in problem.tasks if task.name in order.tasks)
        dataset = _load(problem)
        dataset.check_tasks(tasks)
        _check_encoder(order.recipe, dataset)
        self._data = data = PreparedData.put(dataset, tasks, self._data)
        self._pool.resize(count_workers(self._settings))
        self._pool.warm_up()
        measurements = self._measure(data, order.networks, order.recipe)
        return Prepared(dataset.digest(), measurements, self._pool.size, self._pool.versions())

    def _measure(
        self, data: PreparedData, networks: Sequence[Network], recipe: Recipe
    ) -> tuple[Measurement | None, ...]:
        """Multiply-adds counted here, latencies measured where the networks are trained."""
        counted = _count(networks, data.n_features, data.tasks, recipe)
        latencies = self._pool.measure_latencies(data, networks, recipe)
        return tuple(
            None if measurement is None else replace(measurement, latency_ms=latency)
            for measurement, latency in zip(counted, latencies, strict=True)
        )

    def _tune(self, order: Tune) -> Answer:
        from grouping_workers.tuning import tune_recipe  # Ray Tune is large, and most jobs tune nothing

        self._pool.clear()  # Ray Tune needs the processors that the actors hold
        return tune_recipe(self._require_data(), order, gpu_share(self._settings))


def _load(problem: Problem) -> Dataset:
    """The problem's data; whatever its own code raises fails the job, not this process."""
    try:
        return problem.load(DATA_SEED)
    except Exception as error:
        logger.exception("The data of problem %s could not be loaded", problem.name)
        raise TrainingError(
            f"The data of problem {problem.name!r} could not be loaded: {type(error).__name__}: {error}"
        ) from error


def _check_encoder(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse an encoder that cannot read these rows, rather than leave every network out one by one."""
    from grouping.training.methods import build_encoder  # see `run_driver`

    build_encoder(recipe, dataset.inputs.shape[1])


def _count(
    networks: Sequence[Network], n_features: int, tasks: tuple[Task, ...], recipe: Recipe
) -> list[Measurement | None]:
    """Multiply-adds and widths, in order; None for what is too small or too large to build.

    Asked for together as far as possible: what is alike is then counted once.
    """
    from grouping.training.cost import measure_costs  # see `run_driver`

    by_size: dict[float, list[int]] = {}
    for number, network in enumerate(networks):
        by_size.setdefault(network.size, []).append(number)
    found: list[Measurement | None] = [None] * len(networks)
    shares = list(by_size.values())
    while shares:
        share = shares.pop()
        try:
            costs = measure_costs(n_features, tasks, [networks[number] for number in share], recipe)
        except InvalidInputError as error:
            if len(share) == 1:
                logger.warning("Network %s is left out: %s", networks[share[0]], error)
            else:  # perhaps only one of them
                shares += [share[: len(share) // 2], share[len(share) // 2 :]]
            continue
        for number, cost in zip(share, costs, strict=True):
            measured = Network(networks[number].group, networks[number].size, cost.cost_snt)
            found[number] = Measurement(measured, cost.encoder_multiply_adds, cost.widths)
    return found
