"""Worker of the built-in trainer: converts the data once and trains a stack at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.arithmetic import Stacking
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.engines import Engine, EngineChoice, WorkSize, engine_of_stack
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.splits import split_of
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState, Variant
from grouping.errors import InvalidInputError
from grouping.trainers.workers import TrainingWorker, WorkerContext
from grouping.training.checkpoints import CheckpointFolder, CheckpointKeeper
from grouping.training.cost import network_widths
from grouping.training.data import TrainingData
from grouping.training.devices import take_device
from grouping.training.engines import compare_engines, stacking_of, train_networks
from grouping.training.ensembles import train_ensemble
from grouping.training.environment import versions_here
from grouping.training.keeping import KeptTraining, WeightsKeeper
from grouping.training.latency import measure_latency
from grouping.training.methods import build_encoder, build_learning_rates, cost_key


@dataclass(frozen=True, slots=True)
class WorkerMaker:
    """Builds the worker of a job from its data set; see `grouping.trainers.WorkerSetup`.

    Attributes:
        digest: identifies data set and tasks.
        tasks: the tasks of the job.
        recipe: recipe of the trainings.
        engine: the engine of the job; networks that it cannot train are trained one by one.
        recipes: recipes that are tried while recipes are tuned, by number; that of the job first.
        split_seeds: seeds that are trained on the further splits, one on each in order.
    """

    digest: str
    tasks: tuple[Task, ...]
    recipe: Recipe
    engine: Engine = Engine.AUTO
    recipes: tuple[Recipe, ...] = ()
    split_seeds: tuple[int, ...] = ()

    def recipe_of(self, variant: Variant) -> Recipe:
        """Return the recipe of a training."""
        return self.recipes[variant.recipe] if variant.recipe else self.recipe

    def __call__(self, datasets: Sequence[Dataset], context: WorkerContext) -> BuiltInWorker:
        """Build the worker, on the device of this process; a data set for each split."""
        return BuiltInWorker(datasets, self, context)


class BuiltInWorker(TrainingWorker):
    """Trains networks of one job.

    Args:
        datasets: the data set as each split divides it.
        maker: maker that it was built by.
        context: settings of the worker.
    """

    def __init__(self, datasets: Sequence[Dataset], maker: WorkerMaker, context: WorkerContext) -> None:
        self._datasets = datasets
        self._device = take_device()
        self._data = TrainingData.from_dataset(datasets[0], maker.tasks, self._device)
        self._other: tuple[int, TrainingData] | None = None
        self._maker = maker
        self._context = context

    def train(
        self, requests: Sequence[TrialRequest], checkpoints: Path | None = None
    ) -> tuple[TrialOutcome, ...]:
        """Train networks of one stack, and go on from their checkpoints; ensembles begin anew."""
        variants: dict[Variant, list[int]] = {}
        for number, request in enumerate(requests):
            variants.setdefault(request.variant, []).append(number)
        outcomes: dict[int, TrialOutcome] = {}
        for variant, numbers in variants.items():
            wanted = [requests[number] for number in numbers]
            found = self._train_alike(wanted, self._maker.recipe_of(variant), checkpoints)
            outcomes |= zip(numbers, found, strict=True)
        return tuple(outcomes[number] for number in range(len(requests)))

    def _train_alike(
        self, requests: Sequence[TrialRequest], recipe: Recipe, checkpoints: Path | None
    ) -> tuple[TrialOutcome, ...]:
        """Train requests of one variant."""
        maker, data = self._maker, self._data_of(requests)
        if requests[0].variant.members > 1:
            own = engine_of_stack(maker.engine, 1)
            return tuple(train_ensemble(data, request, recipe, own) for request in requests)
        engine = engine_of_stack(maker.engine, len(requests))
        if checkpoints is None:
            return train_networks(data, requests, recipe, engine=engine)
        folder = CheckpointFolder(checkpoints, maker.digest, maker.tasks, recipe)
        interval_s = self._context.checkpoint_interval_s
        keeper = CheckpointKeeper(folder, requests, recipe, interval_s=interval_s)
        outcomes = list(train_networks(data, requests, recipe, keeper=keeper, engine=engine))
        for number, request in enumerate(requests):
            if outcomes[number].state is TrialState.FAILED and keeper.discard(request):
                # A checkpoint that does not fit, as after a plug-in was changed, must not fail a training.
                own = engine_of_stack(maker.engine, 1)
                (outcomes[number],) = train_networks(data, [request], recipe, keeper=keeper, engine=own)
        return tuple(keeper.with_own_epochs(*pair) for pair in zip(requests, outcomes, strict=True))

    def train_to_keep(
        self, requests: Sequence[TrialRequest], *, on_validation: bool = False
    ) -> tuple[KeptTraining, ...]:
        """Train networks of one stack under the recipe of the job as `train` does, and give their weights.

        Args:
            requests: what to train.
            on_validation: whether to train on the validation rows too.
        """
        maker, data = self._maker, self._data_of(requests)
        data = data.with_validation_trained() if on_validation else data
        keeper, engine = WeightsKeeper(), engine_of_stack(maker.engine, len(requests))
        outcomes = train_networks(data, requests, maker.recipe, keeper=keeper, engine=engine)
        encoder = build_encoder(maker.recipe, data.n_features)
        return tuple(
            KeptTraining(
                outcome,
                keeper.files[request],
                network_widths(
                    maker.recipe, encoder, data.tasks_of(request.network.group), request.network.size
                ),
            )
            if outcome.state is TrialState.SUCCEEDED
            else KeptTraining(outcome)
            for request, outcome in zip(requests, outcomes, strict=True)
        )

    def needs_validation(self) -> str:
        """Return what trainings need validation rows for, in words; empty where they do without."""
        recipe = self._maker.recipe
        if recipe.patience:
            return "patience"
        follows = build_learning_rates(recipe).follows_validation
        return f"learning-rate schedule {recipe.learning_rate_schedule.name!r}" if follows else ""

    def environment(self) -> Mapping[str, str]:
        """Return versions of libraries, and the arithmetic in effect."""
        return versions_here()

    def remarks(self, requests: Sequence[TrialRequest]) -> Mapping[str, str]:
        """Say whether fewer networks than usual can be trained together here."""
        is_stacked = self._maker.engine in (Engine.AUTO, Engine.STACKED) and len(requests) > 1
        stacking = (
            stacking_of(self._data_of(requests), self._maker.recipe, requests)
            if is_stacked
            else Stacking.FULL
        )
        return {"company_limited": stacking.reason} if stacking.reason else {}

    def _data_of(self, requests: Sequence[TrialRequest]) -> TrainingData:
        """Return the data of the split of a stack; of the further splits the last one is kept."""
        (split,) = {split_of(request.seed, self._maker.split_seeds) for request in requests}
        if not split:
            return self._data
        if self._other is None or self._other[0] != split:
            made = TrainingData.from_dataset(self._datasets[split], self._maker.tasks, self._device)
            self._other = (split, made)
        return self._other[1]

    # --- while the job is prepared

    def measure_latencies(self, networks: Sequence[Network]) -> tuple[float | None, ...]:
        """Measure milliseconds of a forward pass of one row through each network, here.

        Networks of one size that are built alike are measured once; None for a size that cannot be built.
        """
        tasks, recipe = self._maker.tasks, self._maker.recipe
        known: dict[object, float | None] = {}
        found: list[float | None] = []
        for network in networks:
            members = tuple(task for task in tasks if task.name in network.group)
            key = (network.size, cost_key(recipe, members))
            if key not in known:
                try:
                    seconds = measure_latency(
                        self._data.n_features, tasks, network, recipe, self._data.device
                    )
                    known[key] = 1000.0 * seconds
                except InvalidInputError:
                    known[key] = None
            found.append(known[key])
        return tuple(found)

    def compare_engines(self, work: WorkSize) -> EngineChoice:
        """Choose the engine for the networks of a job, by a few gradient steps here."""
        return compare_engines(self._data, work, self._maker.recipe)
