"""The built-in trainer where a job is prepared; `grouping.training.worker` is where it is trained."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from grouping.domain.jobs.job import TEST_PER_TRAIN
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import DataDigests, Dataset
from grouping.domain.trainings.engines import Engine, EngineChoice, WorkSize
from grouping.domain.trainings.recipes import BuiltInParameters, Part, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.recipes import check_trainable, complete, get_declaration
from grouping.recipes.drawing import WEIGHTINGS, draw_recipes
from grouping.trainers.trainer import Prepared, TrainerJob
from grouping.trainers.workers import WorkerPool, WorkerSetup
from grouping.training.checkpoints import CheckpointFolder
from grouping.training.cost import measure_costs
from grouping.training.devices import warm_up as warm_up_device
from grouping.training.environment import library_versions
from grouping.training.methods import build_encoder, check_labels
from grouping.training.tuning import Tuned, tune_recipe
from grouping.training.worker import WorkerMaker

logger = logging.getLogger(__name__)


def warm_up() -> None:
    """Do once what takes seconds the first time: a step of an optimiser, and the count of a network."""
    warm_up_device()
    _count([Network.of("any")], 1, (Task.regression("any"),), Recipe())


class TrainingSession:
    """Prepares one job.

    Args:
        job: what to train.
        tasks: the tasks of the job.
        dataset: data set to train on; fits the tasks.
        recipe: recipe of the trainings, before tuning.
        further: the data set as each further split divides it, in the order of their seeds.

    Raises:
        InvalidInputError: if the encoder cannot read the data, or the weighting needs more labels.
    """

    def __init__(
        self,
        job: TrainerJob,
        tasks: tuple[Task, ...],
        dataset: Dataset,
        recipe: Recipe,
        further: Sequence[Dataset] = (),
    ) -> None:
        self._job = job
        self._recipe = recipe
        self._tasks = tasks
        self._dataset = dataset
        self._datasets = (dataset, *further)
        self._digest = dataset.digest()
        self._engine = Engine((job.settled or {}).get("engine") or Engine.AUTO)
        self._recipes = tuple(map(Recipe.from_mapping, (job.settled or {}).get("recipes", ())))
        # Refused here, rather than with every network one by one.
        build_encoder(recipe, self._n_features)
        for divided in self._datasets:
            check_labels(recipe, {task.name: divided.labelled_share(task.name) for task in tasks})

    @property
    def _n_features(self) -> int:
        return int(self._dataset.inputs.shape[1])

    def prepare(self, pool: WorkerPool) -> Prepared:
        """Tune the recipe and choose the engine, unless that was done before."""
        if self._job.settled is not None:
            return Prepared(self._digest, self._job.settled)
        events: list[tuple[str, dict[str, Any]]] = []
        if n_samples := BuiltInParameters.from_mapping(self._job.parameters).tuning_samples:
            seed = self._job.seed
            tuned = tune_recipe(self._dataset, self._tasks, self._recipe, n_samples, seed, pool)
            self._recipe = tuned.recipe
            events.append(("recipe_tuned", _told(tuned)))
        self._recipes = self._drawn()
        choice = self._choose_engine(pool)
        self._engine = Engine.AUTO if choice is None else choice.engine
        if choice is not None and choice.reason:
            milliseconds = {name.value: value for name, value in choice.step_ms.items()}
            told = {"engine": choice.engine.value, "reason": choice.reason, "step_ms": milliseconds}
            events.append(("engine_chosen", told))
        settled: dict[str, Any] = {
            "recipe": asdict(self._recipe),
            "engine": None if choice is None else choice.engine.value,
            "data": asdict(self._data_digests()),
        }
        if self._recipes:
            settled["recipes"] = [asdict(recipe) for recipe in self._recipes]
        if len(self._datasets) > 1:
            settled[TEST_PER_TRAIN] = len(self._dataset.test) / len(self._dataset.train)
        return Prepared(self._digest, settled, tuple(events))

    def _drawn(self) -> tuple[Recipe, ...]:
        """Draw the recipes that are to be tuned; none where the job tunes nothing."""
        tuning = self._job.terms.tuning
        if tuning is None:
            return ()
        shares = {task.name: self._dataset.labelled_share(task.name) for task in self._tasks}
        fitting = []
        for weighting in WEIGHTINGS:
            with contextlib.suppress(InvalidInputError):  # it needs labels, or a task, that the data have not
                recipe = complete(replace(self._recipe, weighting=weighting))
                check_labels(recipe, shares)
                check_trainable(recipe, self._tasks, len(self._tasks))
                fitting.append(recipe.weighting)
        return draw_recipes(self._recipe, tuning.n_recipes, self._job.seed, self._n_features, fitting)

    def _data_digests(self) -> DataDigests:
        """Return what outcomes depend on in the data, part by part."""
        found = self._dataset.digests(task.name for task in self._tasks)
        sampling = get_declaration(Part.SAMPLING, self._recipe.sampling)
        if not getattr(sampling, "draws_by_task", True):
            return found
        # Which rows a step sees follows from the labels of all tasks of the job.
        drawn = json.dumps([found.split, found.targets], sort_keys=True).encode()
        return replace(found, split=hashlib.sha256(drawn).hexdigest())

    def measure(self, networks: Sequence[Network], pool: WorkerPool) -> tuple[MeasuredNetwork | None, ...]:
        """Count multiply-adds here; measure latencies where the networks are trained."""
        counted = _count(networks, self._n_features, self._tasks, self._recipe)
        latencies = pool.ask(self.setup(), "measure_latencies", networks) if networks else ()
        if latencies is None:
            latencies = (None,) * len(networks)
        return tuple(
            None if measured is None else replace(measured, latency_ms=latency)
            for measured, latency in zip(counted, latencies, strict=True)
        )

    def environment(self) -> dict[str, str]:
        """Return the versions of the libraries that train."""
        return library_versions()

    def checkpoint_of(self, request: TrialRequest, checkpoints: Path) -> Path:
        """Return the path of the checkpoint of a training, whether or not it exists."""
        maker = self._maker
        recipe = maker.recipe_of(request.variant)
        return CheckpointFolder(checkpoints, maker.digest, maker.tasks, recipe).path(request)

    def setup(self) -> WorkerSetup:
        """Return the setup from which workers are built."""
        names = ",".join(task.name for task in self._tasks)
        split_seeds = self._job.terms.split_seeds
        # Splits of one first split and number may still be others: the problem says how the rest is divided.
        of_splits = f" {self._job.problem} {split_seeds}" if split_seeds else ""
        key = f"{self._digest} {names} {self._recipe} {self._engine} {self._recipes}{of_splits}"
        return WorkerSetup(key, self._maker, self._datasets)

    @property
    def _maker(self) -> WorkerMaker:
        digest = f"{self._digest} {','.join(task.name for task in self._tasks)}"
        split_seeds = self._job.terms.split_seeds
        return WorkerMaker(digest, self._tasks, self._recipe, self._engine, self._recipes, split_seeds)

    def _choose_engine(self, pool: WorkerPool) -> EngineChoice | None:
        """Return the engine named by the operator, else the fastest; None if no worker could compare."""
        named = Engine(self._job.operator.get("engine", Engine.AUTO))
        if named is not Engine.AUTO:
            return EngineChoice(named, "named by the service")
        work = work_of(self._job, self._recipe)
        own = replace(work, n_networks=-(-work.n_networks // pool.size))
        choice: EngineChoice | None = pool.ask(self.setup(), "compare_engines", own)
        return choice


def work_of(job: TrainerJob, recipe: Recipe) -> WorkSize:
    """Return the work of a job as far as known before its search: training every candidate."""
    terms = job.terms
    budget, n_seeds = terms.training_budget, len(terms.search_seeds)
    tasks = job.tasks[: (min(terms.candidates.max_group_size, len(job.tasks)) + 1) // 2]
    n_trainings = terms.candidates.count * n_seeds
    if budget.trainings is not None:
        n_trainings = min(n_trainings, math.floor(budget.trainings))
    n_epochs = n_trainings * recipe.epochs
    return WorkSize(
        Network.of(*tasks),
        n_networks=max(1, n_trainings // n_seeds),
        # A budget in seconds ends at any trial, so that the seeds of a network would not stay together.
        n_seeds=n_seeds if budget.seconds is None else 1,
        n_epochs=n_epochs if budget.epochs is None else min(n_epochs, math.floor(budget.epochs)),
    )


def _told(tuned: Tuned) -> dict[str, Any]:
    return {
        "loss": tuned.loss,
        "first_loss": tuned.first_loss,
        "epochs": tuned.epochs,
        "learning_rate": tuned.recipe.learning_rate,
        "weight_decay": tuned.recipe.weight_decay,
    }


def _count(
    networks: Sequence[Network], n_features: int, tasks: tuple[Task, ...], recipe: Recipe
) -> list[MeasuredNetwork | None]:
    """Count multiply-adds and widths, in order; None for networks too small or too large to build.

    Networks are counted together as far as possible, so that those that are alike are counted once.
    """
    by_size: dict[float, list[int]] = {}
    for number, network in enumerate(networks):
        by_size.setdefault(network.size, []).append(number)
    found: list[MeasuredNetwork | None] = [None] * len(networks)
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
            found[number] = MeasuredNetwork(measured, cost.encoder_multiply_adds, cost.widths)
    return found
