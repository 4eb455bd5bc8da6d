"""The built-in trainer: PyTorch networks under a recipe, on the data of a problem.

Where a job is planned, it imports no PyTorch. The implementation is `grouping.training.trainer`, which is
imported by name when a job is prepared.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from grouping.domain.affinities.methods import METHODS
from grouping.domain.fields import from_plain
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.percentages import percent
from grouping.domain.trainings.datasets import DataDigests, Dataset
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import (
    LATER_FIELDS,
    MAX_EPOCHS,
    BuiltInParameters,
    Method,
    Part,
    Precision,
    Recipe,
)
from grouping.domain.trainings.trials import EpochsOf, Trial, TrialRequest
from grouping.errors import InvalidInputError, TrainingError, pointing_below
from grouping.parameters import build
from grouping.problems.problem import DATA_SEED, Problem
from grouping.problems.registry import get_problem
from grouping.recipes import check_named_tasks, check_trainable, complete, epochs_of
from grouping.recipes.drawing import draw_recipes
from grouping.recipes.schedules import FineTuning
from grouping.recipes.stackable import is_stackable
from grouping.shared_arrays import with_shared_inputs
from grouping.trainers.stacks import make_stacks
from grouping.trainers.trainer import Prepared, Stack, Trainer, TrainerRequest
from grouping.trainers.workers import WorkerPool, WorkerSetup

logger = logging.getLogger(__name__)

IMPLEMENTATION = "grouping.training.trainer"
WORTH_STACKING = 16
"""Networks in a stack beyond which another one costs about as much as the first ones did."""


class BuiltIn(Trainer):
    """Trainer that trains with PyTorch, many small networks at once.

    Its parameters are `BuiltInParameters`; of the recipe a user gives what differs from the problem's own. It
    settles ``recipe`` (as tuned), ``engine``, ``recipes`` where it draws some to be tuned, and ``data``, the
    digests of its parts. The operator may set ``engine``, to be used in place of the fastest.
    """

    name: ClassVar[str] = DEFAULT_TRAINER
    title: ClassVar[str] = "PyTorch"
    description: ClassVar[str] = (
        "Trains networks of shared layers and a head per task on the data of a problem, under a recipe."
    )
    parameters: ClassVar[type[Any] | None] = BuiltInParameters
    measures_affinities: ClassVar[bool] = True
    needs_problem: ClassVar[bool] = True
    plans_continuously: ClassVar[bool] = False
    makes_splits: ClassVar[bool] = True
    tells_progress: ClassVar[bool] = False
    tunes: ClassVar[bool] = True

    @classmethod
    def warm_up(cls) -> None:
        """Import PyTorch, and do once what takes seconds the first time."""
        importlib.import_module(IMPLEMENTATION).warm_up()

    @classmethod
    def complete(cls, request: TrainerRequest) -> Mapping[str, Any]:
        """Take from the problem's recipe what is left out, and refuse a recipe that cannot be trained."""
        problem = get_problem(request.problem)
        given = {**asdict(problem.recipe), **request.parameters.get("recipe", {})}
        parameters = build(
            BuiltInParameters, {**request.parameters, "recipe": given}, what="built-in trainer"
        )
        with pointing_below("/recipe", always=True):
            recipe = complete(parameters.recipe)
            check_named_tasks(recipe, [task.name for task in problem.tasks])
            # Tuning trains one network of all tasks.
            largest = len(request.tasks) if parameters.tuning_samples else request.largest
            check_trainable(recipe, request.tasks, largest)
        return replace(parameters, recipe=recipe).as_mapping()

    @classmethod
    def in_use(cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Return the recipe as tuned, not to be tuned again."""
        train_share = BuiltInParameters.from_mapping(parameters).train_share
        return BuiltInParameters(recipe_in_use(parameters, settled), train_share=train_share).as_mapping()

    @classmethod
    def scores_depend_on(
        cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """Return the recipe in use, which is not known before it is tuned, and a share of the rows."""
        if settled is None and BuiltInParameters.from_mapping(parameters).tuning_samples:
            return None
        return {**asdict(recipe_in_use(parameters, settled)), **_train_share(parameters)}

    @classmethod
    def data_digests(cls, settled: Mapping[str, Any]) -> DataDigests | None:
        """Return the digests of inputs, split and targets; None for jobs from before they were settled."""
        data = settled.get("data")
        return None if data is None else from_plain(DataDigests, data)

    @classmethod
    def durations_depend_on(
        cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """Return the recipe in use without what changes nothing in the time of an epoch."""
        recipe = replace(recipe_in_use(parameters, settled), epochs=1, learning_rate=1, weight_decay=0)
        return {**asdict(recipe), **_train_share(parameters)}

    @classmethod
    def in_words(cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None) -> str:
        """Describe the recipe in use, and the engine once it is chosen."""
        recipe, engine = recipe_in_use(parameters, settled), (settled or {}).get("engine")
        shares = _train_share(parameters).values()
        return ", ".join(
            [
                f"widths {'×'.join(map(str, recipe.hidden))}",
                f"{recipe.epochs} epochs",
                f"batch {recipe.batch_size}",
                f"learning rate {recipe.learning_rate:g}",
                f"weight decay {recipe.weight_decay:g}",
                *(f"{part.words} {recipe.method(part).name}" for part in Part if _is_told(part, recipe)),
                *([] if recipe.precision is Precision.FLOAT32 else [str(recipe.precision)]),
                *([f"patience {recipe.patience} epochs"] if recipe.patience else []),
                *([f"gradients clipped at {recipe.gradient_clip:g}"] if recipe.gradient_clip else []),
                *(f"{percent(share, 1)} of the training rows" for share in shares),
                *([f"engine {engine}"] if engine else []),
            ]
        )

    @classmethod
    def affinity_methods(cls, parameters: Mapping[str, Any]) -> frozenset[str]:
        """Return the methods that need the sharing of the recipe."""
        sharing = recipe_in_use(parameters, None).sharing.name
        return frozenset(name for name, method in METHODS.items() if method.needs_sharing == sharing)

    @classmethod
    def n_together(cls, parameters: Mapping[str, Any]) -> int:
        """Return the networks of a stack that still gain by each other, where the recipe can be stacked."""
        return WORTH_STACKING if is_stackable(recipe_in_use(parameters, None)) else 1

    @classmethod
    def preparation(cls, parameters: Mapping[str, Any]) -> str:
        """Name the tuning of the recipe."""
        return "tuning the recipe" if BuiltInParameters.from_mapping(parameters).tuning_samples else ""

    @classmethod
    def on_share(cls, parameters: Mapping[str, Any], share: float) -> Mapping[str, Any]:
        """Train for more epochs as the rows become fewer."""
        given = BuiltInParameters.from_mapping(parameters)
        recipe = _with_epochs(given.recipe, round(given.recipe.epochs / share), " or a larger share")
        return replace(given, recipe=recipe, train_share=given.train_share * share).as_mapping()

    @classmethod
    def from_source(cls, parameters: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        """Train by the schedule ``fine-tuning``, in place of the schedule of the recipe."""
        given = BuiltInParameters.from_mapping(parameters)
        recipe = _with_epochs(given.recipe, 2 * given.recipe.epochs)
        schedule = Method(FineTuning.name, {"source_task": source, "source_share": 0.5})
        return replace(given, recipe=complete(replace(recipe, schedule=schedule))).as_mapping()

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe in use: the tuned one, once there is one."""
        return recipe_in_use(self.job.parameters, self.job.settled)

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """Recipes drawn to be tuned, its own first; until the job is prepared right in their epochs only."""
        if settled := (self.job.settled or {}).get("recipes"):
            return tuple(Recipe.from_mapping(drawn) for drawn in settled)
        tuning = self.job.terms.tuning
        return () if tuning is None else draw_recipes(self.recipe, tuning.n_recipes, self.job.seed, 1)

    @property
    def engine(self) -> Engine:
        """The engine that trains the networks of the job."""
        return Engine((self.job.settled or {}).get("engine") or Engine.AUTO)

    def epochs_of(self, n_tasks: int, fidelity: float) -> int:
        """Return the epochs of a training, including those that prepare its network."""
        return self._epochs_of(n_tasks, fidelity)

    def epochs_of_recipe(self, recipe: int, n_tasks: int) -> int:
        """Return the epochs of a training under a drawn recipe."""
        return epochs_of(self.recipes[recipe])(n_tasks, 1.0)

    def stacks(self, planned: Sequence[Trial], n_workers: int) -> list[Stack]:
        """Cut planned trials into stacks of networks of one kind."""
        is_timed = self.job.terms.training_budget.seconds is not None
        return make_stacks(
            planned, n_workers, self.engine, is_timed=is_timed, split_of=self.job.terms.split_of
        )

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

    def checkpoint_of(self, request: TrialRequest, checkpoints: Path) -> Path | None:
        """Return the file in which the state of the training is kept."""
        path: Path = self._session.checkpoint_of(request, checkpoints)
        return path

    @cached_property
    def _epochs_of(self) -> EpochsOf:
        return epochs_of(self.recipe)

    @cached_property
    def _session(self) -> Any:
        problem = get_problem(self.job.problem)
        tasks = tuple(task for task in problem.tasks if task.name in self.job.tasks)
        share = BuiltInParameters.from_mapping(self.job.parameters).train_share
        dataset = with_shared_inputs(_load(problem).on_share(share, DATA_SEED))
        dataset.check_tasks(tasks)
        session = importlib.import_module(IMPLEMENTATION).TrainingSession
        others = []
        for number in range(1, 1 + len(self.job.terms.split_seeds)):
            others.append(_load(problem, number).on_share(share, DATA_SEED))
            others[-1].check_tasks(tasks)
        return session(self.job, tasks, dataset, self.recipe, others)


def _is_told(part: Part, recipe: Recipe) -> bool:
    """Return whether a line about a recipe names the method of a part: not what hardly anybody changes."""
    return part.value not in LATER_FIELDS or recipe.method(part).name != Recipe().method(part).name


def recipe_in_use(parameters: Mapping[str, Any], settled: Mapping[str, Any] | None) -> Recipe:
    """Return the recipe of a job of the built-in trainer: the tuned one, once there is one."""
    tuned = (settled or {}).get("recipe")
    return BuiltInParameters.from_mapping(parameters if tuned is None else {"recipe": tuned}).recipe


def recipe_of(job: Job) -> Recipe:
    """Return the recipe in use of a job of the built-in trainer."""
    return recipe_in_use(job.spec.trainer_parameters, job.settled)


def _train_share(parameters: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the share of the training rows by its name; nothing where that is all of them.

    So nothing changes in what is kept of jobs from before there were shares.
    """
    share = BuiltInParameters.from_mapping(parameters).train_share
    return {} if share == 1 else {"train_share": share}


def _with_epochs(recipe: Recipe, epochs: int, remedy: str = "") -> Recipe:
    if epochs > MAX_EPOCHS:
        raise InvalidInputError(
            f"With {recipe.epochs:,} epochs in the recipe this takes {epochs:,}, and at most {MAX_EPOCHS:,} "
            f"are accepted: choose fewer epochs{remedy}."
        )
    return replace(recipe, epochs=epochs)


def _load(problem: Problem, split: int = DATA_SEED) -> Dataset:
    """Load the problem's data; an exception of its code fails the job, not this process."""
    try:
        return problem.load(split)
    except Exception as error:
        which = f" with split {split + 1}" if split else ""
        logger.exception("The data of problem %s could not be loaded", problem.name)
        raise TrainingError(
            f"The data of problem {problem.name!r} could not be loaded{which}: "
            f"{type(error).__name__}: {error}"
        ) from error
