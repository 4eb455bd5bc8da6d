"""The Ray actor that trains: long-lived, one thread, its data kept between trainings.

A fresh process or Ray task per small network costs several times the training itself, so an actor trains
one stack of networks after another and converts the shared data to tensors once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import ray

from grouping.domain.arithmetic import Company
from grouping.domain.engines import Engine, EngineChoice, engine_of_stack
from grouping.domain.networks import Network
from grouping.domain.recipes import Recipe
from grouping.domain.tasks import Task
from grouping.domain.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import GroupingError, InvalidInputError
from grouping.training.checkpoints import CheckpointFolder, CheckpointKeeper
from grouping.training.data import TrainingData
from grouping.training.devices import take_device, warm_up
from grouping.training.engines import company_of, compare_engines, train_networks
from grouping.training.latency import measure_latency
from grouping.training.methods import cost_key
from grouping_workers.environment import versions_here
from grouping_workers.messages import Compare

logger = logging.getLogger(__name__)


class TrainingActor:
    """Trains one stack at a time. Wrapped by `ray.remote` in the driver.

    Args:
        interval_s: seconds between two checkpoints of a training.
    """

    def __init__(self, interval_s: float) -> None:
        self._device = take_device()
        self._interval_s = interval_s
        self._digest: str | None = None
        self._data: TrainingData | None = None
        warm_up()

    def process_id(self) -> int:
        """The actor's process, for people and for tests that kill it."""
        return os.getpid()

    def train(
        self,
        holder: list[ray.ObjectRef],
        digest: str,
        tasks: tuple[Task, ...],
        requests: Sequence[TrialRequest],
        recipe: Recipe,
        checkpoints: Path | None,
        engine: Engine = Engine.AUTO,
    ) -> tuple[tuple[TrialOutcome, ...], dict[str, str], Company]:
        """Train and score networks.

        Args:
            holder: a list of one reference to the data set, fetched only when it is not here yet.
            digest: identifies data set and tasks.
            tasks: the tasks of the job.
            requests: networks, seeds and fidelities.
            recipe: how to train.
            checkpoints: folder of the job's checkpoints; None for none.
            engine: that of the job; what it cannot carry out is trained one by one.

        Returns:
            An outcome for each, in order; what this worker trains with; and in what company it trained them.
            What can never work is a failed outcome, not an exception.
        """
        try:
            data = self._require_data(holder, digest, tasks)
        except GroupingError as error:
            outcomes = tuple(TrialOutcome(TrialState.FAILED, error=str(error)) for _ in requests)
            return outcomes, versions_here(), Company.ANY
        folder = None if checkpoints is None else CheckpointFolder(checkpoints, digest, tasks, recipe)
        outcomes = self._train_all(data, requests, recipe, folder, engine)
        is_stacked = engine in (Engine.AUTO, Engine.STACKED)
        company = company_of(data, recipe, requests) if is_stacked and len(requests) > 1 else Company.ANY
        return outcomes, versions_here(), company

    def _train_all(
        self,
        data: TrainingData,
        requests: Sequence[TrialRequest],
        recipe: Recipe,
        folder: CheckpointFolder | None,
        engine: Engine,
    ) -> tuple[TrialOutcome, ...]:
        try:
            return self._train(data, requests, recipe, folder, engine)
        except Exception as error:
            if len(requests) == 1:
                return (_failed(error),)
            logger.exception("A stack of %d networks failed; each is trained alone now", len(requests))
        outcomes: list[TrialOutcome] = []
        for request in requests:
            try:
                outcomes += self._train(data, [request], recipe, folder, engine)
            except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is that network's outcome
                outcomes.append(_failed(error))
        return tuple(outcomes)

    def versions(self) -> dict[str, str]:
        """What this worker trains with, its arithmetic included."""
        return versions_here()

    def measure_latencies(
        self,
        holder: list[ray.ObjectRef],
        digest: str,
        tasks: tuple[Task, ...],
        networks: Sequence[Network],
        recipe: Recipe,
    ) -> tuple[float | None, ...]:
        """Milliseconds of a forward pass of one row through each network, here.

        Networks of one size that are built alike are measured once; None for a size that cannot be built.
        """
        data = self._require_data(holder, digest, tasks)
        known: dict[object, float | None] = {}
        found: list[float | None] = []
        for network in networks:
            members = tuple(task for task in tasks if task.name in network.group)
            key = (network.size, cost_key(recipe, members))
            if key not in known:
                try:
                    seconds = measure_latency(data.n_features, tasks, network, recipe, data.device)
                    known[key] = 1000.0 * seconds
                except InvalidInputError:
                    known[key] = None
            found.append(known[key])
        return tuple(found)

    def compare_engines(
        self, holder: list[ray.ObjectRef], digest: str, tasks: tuple[Task, ...], order: Compare
    ) -> EngineChoice:
        """The engine to train the networks of a job with, by a few gradient steps here."""
        data = self._require_data(holder, digest, tasks)
        return compare_engines(data, order.work, order.recipe)

    def _require_data(
        self, holder: list[ray.ObjectRef], digest: str, tasks: tuple[Task, ...]
    ) -> TrainingData:
        if digest != self._digest or self._data is None:
            self._data = TrainingData.from_dataset(ray.get(holder[0]), tasks, self._device)
            self._digest = digest
        return self._data

    def _train(
        self,
        data: TrainingData,
        requests: Sequence[TrialRequest],
        recipe: Recipe,
        folder: CheckpointFolder | None,
        engine: Engine,
    ) -> tuple[TrialOutcome, ...]:
        engine = engine_of_stack(engine, len(requests))
        if folder is None:
            return train_networks(data, requests, recipe, engine=engine)
        keeper = CheckpointKeeper(folder, requests, recipe, interval_s=self._interval_s)
        outcomes = list(train_networks(data, requests, recipe, keeper=keeper, engine=engine))
        for number, request in enumerate(requests):
            if outcomes[number].state is TrialState.FAILED and keeper.discard(request):
                # A checkpoint that does not fit, as after a plug-in was changed, must not fail a training.
                own = engine_of_stack(engine, 1)
                (outcomes[number],) = train_networks(data, [request], recipe, keeper=keeper, engine=own)
        return tuple(keeper.told(*pair) for pair in zip(requests, outcomes, strict=True))


def _failed(error: Exception) -> TrialOutcome:
    text = str(error) if isinstance(error, GroupingError) else f"{type(error).__name__}: {error}"
    return TrialOutcome(TrialState.FAILED, error=text)
