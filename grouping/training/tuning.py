"""Tuning of the recipe before a search.

Learning rate and weight decay are sampled and the network of all tasks is trained under each. Unpromising
samples stop early by HyperBand (Li et al., JMLR 2018) in its synchronous form: a paused training is
checkpointed and continued, and the halving waits for every sample of its bracket, so that the same seed
gives the same recipe on any number of workers. Only trainings of one and the same network are compared;
losses of different groups never stop each other.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.errors import TrainingError
from grouping.trainers.workers import StepResult, TrainingWorker, WorkerContext, WorkerPool, WorkerSetup
from grouping.training.data import TrainingData
from grouping.training.devices import take_device
from grouping.training.loop import Training

DIVERGED_LOSS = 1e9
"""Ranks a diverged sample last; a finite number, since losses of samples are compared."""
LEARNING_RATE_FACTOR = 10.0
"""Learning rates are sampled within this factor of the given one, up and down, evenly in the logarithm."""
WEIGHT_DECAYS = (0.0, 1e-4, 1e-3, 1e-2)
REDUCTION = 3


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best recipe found by tuning.

    Attributes:
        recipe: the recipe.
        loss: mean validation loss of all tasks together under it; lower is better.
        first_loss: the last loss under the recipe it started from, which may have been stopped early.
        epochs: epochs spent over all samples.
    """

    recipe: Recipe
    loss: float
    first_loss: float
    epochs: int


def sample_recipes(recipe: Recipe, n_samples: int, seed: int) -> list[Recipe]:
    """Return the given recipe first, then variations of it drawn from the seed."""
    generator = np.random.default_rng(seed)
    recipes = [recipe]
    for _ in range(n_samples - 1):
        factor = LEARNING_RATE_FACTOR ** generator.uniform(-1.0, 1.0)
        decay = float(generator.choice(WEIGHT_DECAYS))
        recipes.append(
            dataclasses.replace(recipe, learning_rate=recipe.learning_rate * factor, weight_decay=decay)
        )
    return recipes


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """Builds the worker that trains samples from the data set; see `grouping.trainers.WorkerSetup`."""

    tasks: tuple[Task, ...]
    recipes: tuple[Recipe, ...]
    seed: int

    def __call__(self, dataset: Dataset, context: WorkerContext) -> SampleWorker:
        """Build the worker on the device of this process."""
        return SampleWorker(TrainingData.from_dataset(dataset, self.tasks, take_device()), self)


class SampleWorker(TrainingWorker):
    """Trains all tasks together under sampled recipes, an epoch per step."""

    def __init__(self, data: TrainingData, maker: SampleMaker) -> None:
        self._data = data
        self._maker = maker

    def begin(self, sample: int) -> SampleTraining:
        """Begin the training of a sample."""
        network = Network.of(*(task.name for task in self._data.tasks))
        request = TrialRequest(network, seed=self._maker.seed)
        return SampleTraining(Training(self._data, request, self._maker.recipes[sample]))

    def train(self, requests: Any, checkpoints: Path | None = None) -> tuple[TrialOutcome, ...]:
        """Raise NotImplementedError: samples are trained step by step."""
        raise NotImplementedError


class SampleTraining:
    """The training of one sample; see `grouping.trainers.SteppedTraining`."""

    def __init__(self, training: Training) -> None:
        self._training = training

    def step(self) -> StepResult:
        """Train for an epoch, unless ended early; the loss is the mean validation loss of the tasks."""
        if not self._training.is_finished:
            self._training.run_epoch()
        losses = np.asarray(self._training.evaluate().validation_losses)
        loss = float(losses.mean()) if np.isfinite(losses).all() else DIVERGED_LOSS
        return StepResult(min(loss, DIVERGED_LOSS), self._training.spent)

    def save(self, folder: Path) -> None:
        """Write weights, optimiser and epoch."""
        save_file(self._training.state_dict(), folder / "training.safetensors")

    def load(self, folder: Path) -> None:
        """Continue from what `save` wrote."""
        self._training.load_state_dict(load_file(folder / "training.safetensors"))


def tune_recipe(
    dataset: Dataset, tasks: tuple[Task, ...], recipe: Recipe, n_samples: int, seed: int, pool: WorkerPool
) -> Tuned:
    """Search for a better recipe; the given one is the first sample.

    Args:
        dataset: data set to train on.
        tasks: the tasks of the job.
        recipe: recipe to start from.
        n_samples: number of recipes tried, the first included.
        seed: seed of the samples and of their trainings.
        pool: trains them.

    Raises:
        TrainingError: if every sample failed or diverged.
    """
    recipes = sample_recipes(recipe, n_samples, seed)
    setup = WorkerSetup(f"tuning {seed} {recipes}", SampleMaker(tasks, tuple(recipes), seed), dataset)
    found = pool.successive_halving(setup, n_samples, recipe.epochs, REDUCTION)
    spent = sum(result.epochs for result in found.values())
    # Only samples that ran to the end are comparable, and the least of equal losses is the first sample.
    complete = {sample: result.loss for sample, result in found.items() if result.n_steps >= recipe.epochs}
    if not complete or min(complete.values()) >= DIVERGED_LOSS:
        raise TrainingError("No recipe that was tried could be trained: lower the learning rate.")
    best = min(sorted(complete), key=lambda sample: complete[sample])
    first = found[0].loss if 0 in found else float("inf")
    return Tuned(recipes[best], complete[best], first, spent)
