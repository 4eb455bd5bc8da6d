"""The built-in trainer: PyTorch networks under a recipe, on the data of a problem.

Where a job is planned, it imports no PyTorch. The implementation is `grouping.training.trainer`, which is
imported by name when a job is prepared.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from grouping.domain.datasets import Dataset
from grouping.domain.engines import Engine
from grouping.domain.jobs import DEFAULT_TRAINER
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.recipes import EpochsOf, Recipe
from grouping.domain.trials import Trial
from grouping.errors import TrainingError
from grouping.problems.problem import DATA_SEED, Problem
from grouping.problems.registry import get_problem
from grouping.recipes import epochs_of
from grouping.trainers.stacks import make_stacks
from grouping.trainers.trainer import Prepared, Stack, Trainer, WorkerPool, WorkerSetup

logger = logging.getLogger(__name__)

IMPLEMENTATION = "grouping.training.trainer"


@dataclass(frozen=True, slots=True)
class NoParameters:
    """A job gives the built-in trainer its recipe and no parameters."""


class BuiltIn(Trainer):
    """Trainer that trains with PyTorch, many small networks at once.

    Its parameters are ``recipe``, ``tuning_samples`` and ``tuning_seed``; it settles ``recipe`` (as tuned)
    and ``engine``. The operator may set ``engine``, to be used in place of the fastest.
    """

    name: ClassVar[str] = DEFAULT_TRAINER
    title: ClassVar[str] = "PyTorch"
    description: ClassVar[str] = (
        "Trains networks of shared layers and a head per task on the data of a problem, under a recipe."
    )
    parameters: ClassVar[type[Any] | None] = NoParameters
    measures_affinities: ClassVar[bool] = True

    @classmethod
    def warm_up(cls) -> None:
        """Import PyTorch, and do once what takes seconds the first time."""
        importlib.import_module(IMPLEMENTATION).warm_up()

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe in use: the tuned one, once there is one."""
        settled = self.job.settled or {}
        return Recipe.from_mapping(settled.get("recipe") or self.job.parameters["recipe"])

    @property
    def engine(self) -> Engine:
        """The engine that trains the networks of the job."""
        return Engine((self.job.settled or {}).get("engine") or Engine.AUTO)

    def epochs_of(self, n_tasks: int, fidelity: float) -> int:
        """Return the epochs of a training, including those that prepare its network."""
        return self._epochs_of(n_tasks, fidelity)

    def stacks(self, planned: Sequence[Trial], n_workers: int) -> list[Stack]:
        """Cut planned trials into stacks of networks of one kind."""
        is_timed = self.job.terms.training_budget.seconds is not None
        return make_stacks(planned, n_workers, self.engine, is_timed=is_timed)

    def prepare(self, pool: WorkerPool) -> Prepared:
        """Load the data, tune the recipe if asked to, and choose the engine, the latter two once."""
        prepared: Prepared = self._session.prepare(pool)
        return prepared

    def measure(self, networks: Sequence[Network], pool: WorkerPool) -> tuple[MeasuredNetwork | None, ...]:
        """Count multiply-adds here; measure latencies where the networks are trained."""
        measured: tuple[MeasuredNetwork | None, ...] = self._session.measure(networks, pool)
        return measured

    def environment(self) -> Mapping[str, str]:
        """Return versions of the libraries that train."""
        versions: Mapping[str, str] = self._session.environment()
        return versions

    def setup(self) -> WorkerSetup:
        """Return the data set and how to build a worker on it."""
        setup: WorkerSetup = self._session.setup()
        return setup

    @cached_property
    def _epochs_of(self) -> EpochsOf:
        return epochs_of(self.recipe)

    @cached_property
    def _session(self) -> Any:
        problem = get_problem(self.job.problem)
        tasks = tuple(task for task in problem.tasks if task.name in self.job.tasks)
        dataset = _load(problem)
        dataset.check_tasks(tasks)
        session = importlib.import_module(IMPLEMENTATION).TrainingSession
        return session(self.job, tasks, dataset, self.recipe)


def _load(problem: Problem) -> Dataset:
    """Load the problem's data; an exception of its code fails the job, not this process."""
    try:
        return problem.load(DATA_SEED)
    except Exception as error:
        logger.exception("The data of problem %s could not be loaded", problem.name)
        raise TrainingError(
            f"The data of problem {problem.name!r} could not be loaded: {type(error).__name__}: {error}"
        ) from error
