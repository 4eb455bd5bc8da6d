"""Successive halving by Ray Tune: trains samples side by side and ends unpromising ones early."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import HyperBandScheduler

from grouping.scratch import scratch_folder
from grouping.trainers import StepResult, WorkerContext, WorkerSetup
from grouping_workers.on_ray.actors import Holder


class SteppedTrial(tune.Trainable):  # type: ignore[misc]  # Ray is untyped in parts
    """Ray Tune's trial of one sample: trains it step by step and reports the loss."""

    def setup(self, config: dict[str, Any], holder: Holder, context: WorkerContext) -> None:
        """Build the worker of this process; Ray Tune calls it."""
        setup: WorkerSetup = ray.get(holder[0])
        self._worker: Any = setup.build(setup.data, context)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another sample in this process: to start one costs more than to train it."""
        self._training = self._worker.begin(new_config["sample"])
        return True

    def step(self) -> dict[str, float]:
        """Carry out one step and report its loss."""
        result = self._training.step()
        return {"loss": result.loss, "epochs": result.epochs}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the sample, to go on later."""
        self._training.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Go on from what `save_checkpoint` wrote."""
        self._training.load(Path(str(checkpoint)))


def run_halving(
    holder: Holder,
    n_samples: int,
    max_steps: int,
    reduction: int,
    *,
    context: WorkerContext,
    gpu_share: float,
) -> Mapping[int, StepResult]:
    """Train samples with synchronous HyperBand; see `grouping.trainers.WorkerPool.successive_halving`.

    Args:
        holder: a list of the reference of a setup in the object store.
        n_samples, max_steps, reduction: as in `grouping.trainers.WorkerPool.successive_halving`.
        context: settings of workers.
        gpu_share: fraction of a GPU reserved per sample; 0 without GPUs.
    """
    # Ray Tune prints its configuration whatever the verbosity.
    with scratch_folder("grouping-tuning-") as folder, redirect_stdout(io.StringIO()):
        results = tune.Tuner(
            tune.with_parameters(
                tune.with_resources(SteppedTrial, {"cpu": 1, "gpu": gpu_share}),
                holder=holder,
                context=context,
            ),
            param_space={"sample": tune.grid_search(list(range(n_samples)))},
            tune_config=tune.TuneConfig(
                metric="loss",
                mode="min",
                scheduler=HyperBandScheduler(max_t=max_steps, reduction_factor=reduction),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="samples", storage_path=str(folder), stop={"training_iteration": max_steps}, verbose=0
            ),
        ).fit()
    rows = [results[i] for i in range(len(results))]
    return {
        row.config["sample"]: StepResult(
            float(row.metrics["loss"]), int(row.metrics["epochs"]), int(row.metrics["training_iteration"])
        )
        for row in rows
        if row.metrics and "loss" in row.metrics
    }
