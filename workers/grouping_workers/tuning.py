"""Tuning the recipe with Ray Tune before a search.

Learning rate and weight decay are sampled and the network of all tasks is trained under each. Unpromising
samples stop early by HyperBand (Li et al., JMLR 2018) in its synchronous form: a paused training is
checkpointed and continued, and the halving waits for every sample of its bracket, so that the same seed
gives the same recipe on any number of workers. Only trainings of one and the same network are compared;
losses of different groups never stop each other.
"""

from __future__ import annotations

import dataclasses
import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune
from ray.tune.schedulers import HyperBandScheduler
from safetensors.torch import load_file, save_file

from grouping.domain.networks import Network
from grouping.domain.recipes import Recipe
from grouping.domain.trials import TrialRequest
from grouping.errors import TrainingError
from grouping.training.data import TrainingData
from grouping.training.devices import take_device
from grouping.training.loop import Training
from grouping_workers.cluster import PreparedData
from grouping_workers.messages import Tune, Tuned

DIVERGED_LOSS = 1e9
"""Ranks a diverged sample last; a finite number, since Ray Tune compares it."""
LEARNING_RATE_FACTOR = 10.0
"""Learning rates are sampled within this factor of the given one, up and down, evenly in the logarithm."""
WEIGHT_DECAYS = (0.0, 1e-4, 1e-3, 1e-2)
REDUCTION = 3


def sample_recipes(recipe: Recipe, n_samples: int, seed: int) -> list[Recipe]:
    """The given recipe first, then variations of it drawn from the seed."""
    generator = np.random.default_rng(seed)
    recipes = [recipe]
    for _ in range(n_samples - 1):
        factor = LEARNING_RATE_FACTOR ** generator.uniform(-1.0, 1.0)
        decay = float(generator.choice(WEIGHT_DECAYS))
        recipes.append(
            dataclasses.replace(recipe, learning_rate=recipe.learning_rate * factor, weight_decay=decay)
        )
    return recipes


class TuningTrial(tune.Trainable):  # type: ignore[misc]  # Ray is untyped in parts
    """One sample: trains all tasks together, an epoch per step, and reports the mean validation loss."""

    def setup(
        self, config: dict[str, Any], holder: list[ray.ObjectRef], data: PreparedData, recipes: list[Recipe]
    ) -> None:
        """Build the network of this sample; Ray Tune calls it."""
        self._tensors = TrainingData.from_dataset(ray.get(holder[0]), data.tasks, take_device())
        self._recipes = recipes
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another sample in this process: to start one costs more than to train it."""
        group = Network.of(*(task.name for task in self._tensors.tasks))
        request = TrialRequest(group, seed=new_config["seed"])
        self._training = Training(self._tensors, request, self._recipes[new_config["sample"]])
        return True

    def step(self) -> dict[str, float]:
        """Train for an epoch."""
        self._training.run_epoch()
        losses = np.asarray(self._training.evaluate().validation_losses)
        loss = float(losses.mean()) if np.isfinite(losses).all() else DIVERGED_LOSS
        return {"loss": min(loss, DIVERGED_LOSS), "epochs": self._training.spent}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write weights, optimiser and epoch."""
        save_file(self._training.state_dict(), Path(checkpoint_dir) / "training.safetensors")

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Continue from what `save_checkpoint` wrote."""
        self._training.load_state_dict(load_file(Path(str(checkpoint)) / "training.safetensors"))


def tune_recipe(data: PreparedData, order: Tune, gpu_share: float = 0.0) -> Tuned:
    """Search for a better recipe; the given one is the first sample.

    Args:
        data: what is trained on.
        order: what to try.
        gpu_share: of a GPU, for each training.

    Raises:
        TrainingError: if every sample failed or diverged.
    """
    recipes = sample_recipes(order.recipe, order.n_samples, order.seed)
    epochs = order.recipe.epochs
    # Ray Tune prints its configuration whatever the verbosity.
    with tempfile.TemporaryDirectory(prefix="grouping-tuning-") as folder, redirect_stdout(io.StringIO()):
        results = tune.Tuner(
            tune.with_parameters(
                tune.with_resources(TuningTrial, {"cpu": 1, "gpu": gpu_share}),
                holder=[data.reference],
                data=dataclasses.replace(data, reference=None),
                recipes=recipes,
            ),
            param_space={"sample": tune.grid_search(list(range(len(recipes)))), "seed": order.seed},
            tune_config=tune.TuneConfig(
                metric="loss",
                mode="min",
                scheduler=HyperBandScheduler(max_t=epochs, reduction_factor=REDUCTION),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="recipe", storage_path=folder, stop={"training_iteration": epochs}, verbose=0
            ),
        ).fit()
    rows = [results[i] for i in range(len(results))]
    finished = {r.config["sample"]: r.metrics for r in rows if r.metrics and "loss" in r.metrics}
    spent = sum(int(metrics["epochs"]) for metrics in finished.values())
    # Only samples that ran to the end are comparable, and the least of equal losses is the first sample.
    complete = {s: float(m["loss"]) for s, m in finished.items() if m["training_iteration"] >= epochs}
    if not complete or min(complete.values()) >= DIVERGED_LOSS:
        raise TrainingError("No recipe that was tried could be trained: lower the learning rate.")
    best = min(sorted(complete), key=lambda sample: complete[sample])
    first = float(finished[0]["loss"]) if 0 in finished else float("inf")
    return Tuned(recipes[best], complete[best], first, spent)
