"""Sparse sharing (Sun et al., AAAI 2020): a subnetwork of one encoder for each task, found by pruning.

Before the joint training, each task is trained alone in rounds (iterative magnitude pruning: Frankle and
Carbin, ICLR 2019). Each round starts from the same initial weights, those of the joint training, times the
task's mask; afterwards the share `rate` of the weights left that are smallest in magnitude leaves the mask.
Of the masks of all rounds, from the full one on, the task keeps the one whose network had the least
validation loss, the first of equals. In the joint training, task t sees the encoder with the weights
``mask_t * W``: where masks overlap, tasks share weights.

What differs from the paper: every step trains all tasks, by the recipe's weighting, and not one task at a
time; there is no joint training before the pruning. Matrices and convolutions of the stages are pruned,
compared over all of them; offsets, scales of normalisation, embeddings and heads are not. A task alone has
the plain encoder and no pruning.

Cost: each task runs a network of its own, so `T` tasks cost `T` encoders. Weights of zero count like others:
the masks have no structure that dense kernels could skip, and how many zeros there are is not known before
the data are seen. The preparation trains each task ``rounds + 1`` times for `round_epochs` of the epochs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from grouping.domain.affinities.joint_runs import MASK_OVERLAP
from grouping.recipes.sharing_from_data import Sparse
from grouping.training.blueprint import Blueprint
from grouping.training.methods import build_encoder
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.columns import matrices
from grouping.training.sharing.preparation import first_training
from grouping.training.sharing.pruning import PruningRound, prune_in_rounds

if TYPE_CHECKING:
    from grouping.domain.trainings.recipes import Recipe
    from grouping.training.data import TrainingData


class SparseSharing(MultiTaskNetwork):
    """Network of one encoder with a mask of weights per task; see the module.

    Attributes:
        stages: the base encoder.
        masks: for each stage, by the name of a weight in it, the name of the buffer ``[T, *shape]`` with the
            entries that a task uses; none for a task alone.
    """

    def __init__(self, blueprint: Blueprint, parameters: Sparse) -> None:
        super().__init__(blueprint)
        self._pruning = parameters
        self._widths = blueprint.widths
        self.stages = blueprint.stages()
        self.heads = blueprint.heads()
        self.masks: list[dict[str, str]] = []
        n_tasks = len(self.task_names)
        for i, stage in enumerate(self.stages):
            weights = matrices(stage) if n_tasks > 1 else {}
            self.masks.append({name: f"mask_{i}_{k}" for k, name in enumerate(weights)})
            for name, weight in weights.items():
                full = torch.ones((n_tasks, *weight.shape), dtype=torch.bool, device=weight.device)
                self.register_buffer(self.masks[i][name], full)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the output of the masked encoder of each task."""
        return [self._run(inputs, task) for task in range(len(self.task_names))]

    def _run(self, inputs: Tensor, task: int) -> Tensor:
        features = inputs
        for stage, masks in zip(self.stages, self.masks, strict=True):
            weights = dict(stage.named_parameters())
            own = {name: weights[name] * self.get_buffer(mask)[task] for name, mask in masks.items()}
            features = functional_call(stage, own, (features,))
        return features

    def preparation(self, data: TrainingData, recipe: Recipe, seed: int, done: int = 0) -> Iterator[int]:
        """Find the mask of each task. After an interruption only the interrupted task is repeated.

        Where a training does not stay finite, the epochs that its task skips count all the same.
        """
        if len(self.task_names) == 1:
            return
        chosen = self._pruning
        epochs = chosen.epochs_of_a_task(recipe)
        # The masks of a task are there once the first epoch of the next one is.
        n_found = max(0, done - 1) // epochs
        for number, task in enumerate(self.task_names):
            if number < n_found:
                continue
            start = partial(
                first_training, data, (task,), recipe, seed, widths=self._widths, share=chosen.round_epochs
            )
            rounds = yield from _counted(
                prune_in_rounds(start, rounds=chosen.rounds, rate=chosen.rate), number * epochs
            )
            if not rounds:  # no training stayed finite, nor will this one
                continue
            best = min(rounds, key=lambda one: one.validation_loss)
            for i, masks in enumerate(self.masks):
                for name, mask in masks.items():
                    self.get_buffer(mask)[number] = best.masks[f"{i}.{name}"]

    def affinities(self) -> Mapping[str, Tensor]:
        """Return the overlap of the masks; on the diagonal the share of the weights each task keeps."""
        if len(self.task_names) == 1:
            return {}
        return {MASK_OVERLAP: torch.diagonal_scatter(self.overlap(), self.densities())}

    def overlap(self) -> Tensor:
        """Compute the share of weights both tasks use among those either uses: ``[T, T]``, float64."""
        used = self._used()
        both = used @ used.T
        each = used.sum(dim=1)
        share: Tensor = both / (each[:, None] + each[None, :] - both)
        return share.cpu()

    def densities(self) -> Tensor:
        """Compute the share of prunable weights that each task uses, ``[T]``, float64."""
        return self._used().mean(dim=1).cpu()

    def _used(self) -> Tensor:
        """Return the weights that each task uses, ``[T, weights]``, 0 or 1; a single task has one entry."""
        names = [name for masks in self.masks for name in masks.values()]
        if not names:
            return torch.ones(len(self.task_names), 1, dtype=torch.float64)
        return torch.cat([self.get_buffer(name).flatten(1) for name in names], dim=1).double()


def _counted(
    pruning: Generator[None, None, list[PruningRound]], before: int
) -> Generator[int, None, list[PruningRound]]:
    """Run the rounds of a task and yield the epochs so far, of which `before` came earlier."""
    while True:
        try:
            next(pruning)
        except StopIteration as end:
            rounds: list[PruningRound] = end.value
            return rounds
        before += 1
        yield before


def overlap_affinity(
    data: TrainingData, tasks: Sequence[str], recipe: Recipe, seed: int, parameters: Sparse | None = None
) -> NDArray[np.float64]:
    """Measure how alike tasks are by the weights pruning leaves them: ``[T, T]``, symmetric, 0 to 1.

    It is the share of weights that both tasks use among those that either uses (intersection over union);
    higher is more alike, the diagonal is 1. No joint training is needed: a task's mask does not depend on
    others. Two masks that keep the shares p and q of the weights at random overlap by ``pq / (p + q - pq)``:
    compare with that where tasks keep different shares.

    Args:
        data: the data set.
        tasks: names of the tasks, in the order of the answer.
        recipe: encoder, widths and optimiser; the other parts are not read.
        seed: seed of the initial weights.
        parameters: parameters of the pruning; the defaults unless given.

    Raises:
        TrainingError: if the data does not have one of the tasks.
    """
    encoder = build_encoder(recipe, data.n_features)
    members = data.tasks_of(frozenset(tasks))
    blueprint = Blueprint(encoder, recipe.hidden, members, seed)
    network = SparseSharing(blueprint, parameters or Sparse()).to(data.device)
    network.prepare(data, recipe, seed)
    order = [network.task_names.index(task) for task in tasks]
    overlap: NDArray[np.float64] = network.overlap().numpy()
    return overlap[np.ix_(order, order)]
