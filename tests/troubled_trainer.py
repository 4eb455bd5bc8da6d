"""A trainer whose trainings do what a test asks for: die, hang, raise, or wait for each other."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grouping.domain.networks import Candidates, Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialRequest, TrialState
from grouping.search import Search
from grouping.strategies import get_strategy
from grouping.trainers import Trainer, TrainerJob, TrainingWorker, WorkerContext, WorkerSetup

NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class Troubles:
    """What happens, by the name of the network.

    Attributes:
        folder: where every start of a training leaves a file.
        deaths: how often the process dies that trains it.
        raises: networks whose training raises.
        hangs: networks whose training never ends.
        is_built: whether workers can be built.
    """

    folder: Path
    deaths: Mapping[str, int] = field(default_factory=dict)
    raises: frozenset[str] = frozenset()
    hangs: frozenset[str] = frozenset()
    is_built: bool = True

    def starts(self, name: str) -> list[Path]:
        """Starts of the training of a network, by the processes that made them."""
        return sorted(self.folder.glob(f"{name} *"))


class Worker(TrainingWorker):
    def __init__(self, data: Troubles, context: WorkerContext) -> None:
        if not data.is_built:
            raise ValueError("no data")
        self.troubles = data

    def train(
        self, requests: Sequence[TrialRequest], checkpoints: Path | None = None
    ) -> Sequence[TrialOutcome]:
        return [self.one(request) for request in requests]

    def one(self, request: TrialRequest) -> TrialOutcome:
        name, troubles = request.network.name(NAMES), self.troubles
        (troubles.folder / f"{name} {request.seed} {os.getpid()} {time.monotonic_ns()}").touch()
        if len(troubles.starts(name)) <= troubles.deaths.get(name, 0):
            os._exit(3)
        if name in troubles.raises:
            raise ValueError(f"no gradient in {name}")
        if name in troubles.hangs:
            threading.Event().wait()
        losses = {task: loss_of(request.network, task, request.seed) for task in request.network.group}
        scores = tuple(TaskScore(task, loss, loss + 0.01) for task, loss in losses.items())
        return TrialOutcome(TrialState.SUCCEEDED, scores)


def loss_of(network: Network, task: str, seed: int) -> float:
    """A loss that depends on group, size, task and seed alone."""
    return 0.3 + 0.05 * len(network.group) + 0.01 * NAMES.index(task) - 0.02 * network.size + 0.001 * seed


class Troubled(Trainer):
    name = "troubled"
    title = "Troubled"
    description = "Trains nothing, with troubles."

    def __init__(self, troubles: Troubles, deadline_s: float | None = None) -> None:
        super().__init__(TrainerJob("none", NAMES, new_search().terms))
        self.troubles = troubles
        self.limit_s = deadline_s

    def setup(self) -> WorkerSetup:
        return WorkerSetup("troubled", Worker, self.troubles)

    def deadline_s(self, network: Network, fidelity: float) -> float | None:
        return self.limit_s if network.name(NAMES) in self.troubles.hangs else None


def new_search(strategy: str = "exhaustive", **more: object) -> Search:
    """A search among ten networks of three tasks, confirmed with two fresh seeds."""
    return Search(
        get_strategy(strategy),
        [Task.regression(name) for name in NAMES],
        Candidates.of(NAMES, single_sizes=(0.5,)),
        budgets_snt=(1.0, 2.0),
        confirmation_seeds=(8, 9),
        **more,  # type: ignore[arg-type]
    )
