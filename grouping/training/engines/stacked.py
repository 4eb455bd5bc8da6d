"""Stacked engine: trains many networks of equal widths as one, with the weights of all in one vector.

The members share the seed, so they see the same rows in the same order; they differ in their tasks. A step
is a batched product per layer and per kind of heads, forwards and backwards, and one step of the optimiser.

A member's floats do not depend on which other members are in the stack, nor on how many: on a CPU, with one
thread, they are the same bits whatever the batching, also for a member alone. That rests on how matrix
products are asked for (`products`), on where the weights lie (`layout`) and on the length of the batches
(`batches`), and is tested for many shapes. The floats differ from those of `Training` by rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from grouping.domain.recipes import Recipe
from grouping.domain.trials import TrialRequest
from grouping.errors import TrainingError
from grouping.recipes.stackable import is_stackable
from grouping.training.blueprint import Blueprint
from grouping.training.cost import scaled_widths
from grouping.training.data import TrainingData
from grouping.training.engines.batches import batches
from grouping.training.engines.engine_run import EngineRun
from grouping.training.engines.heads import sort_heads
from grouping.training.engines.stacked_network import StackedNetwork
from grouping.training.engines.states import load_member, state_of_member
from grouping.training.evaluation import Evaluation, evaluate
from grouping.training.loop import decayed
from grouping.training.losses import StackableLoss
from grouping.training.methods import build_encoder, build_optimiser, build_sampling


def can_stack(data: TrainingData, request: TrialRequest, recipe: Recipe) -> bool:
    """Return whether this engine can train the request: plain networks, without measuring affinities."""
    is_plain = not request.measures_affinity and is_stackable(recipe)
    return is_plain and not unstackable_tasks(data, request)


def unstackable_tasks(data: TrainingData, request: TrialRequest) -> list[str]:
    """Return the tasks of the network whose loss has no `StackableLoss`."""
    norms = data.normalisations
    tasks = data.tasks_of(request.network.group)
    return [task.name for task in tasks if not isinstance(norms[task.name].function, StackableLoss)]


class StackedTraining(EngineRun):
    """Run of networks of equal widths, trained as one; see the module."""

    def __init__(
        self,
        data: TrainingData,
        requests: Sequence[TrialRequest],
        recipe: Recipe,
        states: Sequence[Mapping[str, Tensor] | None] | None = None,
    ) -> None:
        """Start anew or from the states of the members.

        Args:
            data: the data set.
            requests: one per member; all of the same size, seed and number of epochs.
            recipe: one that can be stacked.
            states: state of each member, all with the same number of epochs.

        Raises:
            TrainingError: if the members cannot be trained together, or a state is of another architecture.
        """
        if len({(request.network.size, request.seed, request.fidelity) for request in requests}) != 1:
            raise TrainingError("The members of a stack need one size, one seed and one length.")
        first = requests[0]
        self.requests = tuple(requests)
        self.n_epochs = recipe.epochs_at(first.fidelity)
        self.epoch = 0
        self._data, self._recipe, self._seed = data, recipe, first.seed
        self._groups = [data.tasks_of(request.network.group) for request in requests]
        encoder = build_encoder(recipe, data.n_features)
        widths = scaled_widths(encoder, recipe.hidden, first.network.size)
        self._n_layers = len(widths)
        self._sampling = build_sampling(recipe, data)
        self._kinds = sort_heads(data, self._groups, self._sampling.labelled_shares)
        self._network = StackedNetwork(Blueprint(encoder, widths, (), first.seed), self._groups, self._kinds)
        self._weights = self._network.weights
        self._optimiser = build_optimiser(recipe, [{"params": [self._weights]}])
        if states is not None:
            self._load(states)

    def run_epoch(self) -> list[float]:
        """Carry out one epoch of every member, even of those that have diverged."""
        kinds, order = self._kinds, self._sampling.order(self._seed, self.epoch)
        n_steps = math.ceil(len(order) / self._sampling.rows_per_step)
        totals = [torch.zeros_like(kind.factors).flatten() for kind in kinds]
        (group,) = self._optimiser.param_groups
        with torch.no_grad():
            for number, batch in enumerate(batches(self._data, self._sampling, order, kinds)):
                share = self.epoch + number / n_steps
                group["lr"] = decayed(self._recipe.learning_rate, share, self._recipe.epochs)
                found = self._network.differentiate(batch.inputs, batch.targets, batch.n_rows)
                for total, losses in zip(totals, found, strict=True):
                    total += losses
                self._optimiser.step()
        self.epoch += 1
        sums = [0.0] * len(self.requests)
        for kind, total in zip(kinds, totals, strict=True):
            for (member, _), loss in zip(kind.owners, total.tolist(), strict=True):
                sums[member] += loss
        return [loss / n_steps for loss in sums]

    def evaluate(self, member: int) -> Evaluation:
        """Evaluate one member by itself, by the same operations as in `Training`."""
        norms = [self._data.normalisations[task.name] for task in self._groups[member]]
        return evaluate(self._data, norms, self.forward(member))

    def forward(self, member: int) -> Callable[[Tensor], list[Tensor]]:
        """Return a function from inputs to the outputs of one member as it is now."""
        # Copies begin with a line of the cache: where a member lies among the others must not matter.
        own = {name: value.clone() for name, value in self._own(self._weights.detach(), member).items()}
        return partial(self._outputs, own)

    def _outputs(self, own: Mapping[str, Tensor], inputs: Tensor) -> list[Tensor]:
        seen = inputs
        for layer in range(self._n_layers):
            name = f"network.stages.{layer}.0"
            seen = functional.linear(seen, own[f"{name}.weight"], own[f"{name}.bias"]).relu_()
        n_heads = (len(own) - 2 * self._n_layers) // 2
        names = [f"network.heads.{place}" for place in range(n_heads)]
        return [functional.linear(seen, own[f"{name}.weight"], own[f"{name}.bias"]) for name in names]

    def _own(self, vector: Tensor, member: int) -> dict[str, Tensor]:
        return self._network.layout.of_member(vector, member)

    def state_dict(self, member: int) -> dict[str, Tensor]:
        """Return the state of one member, as if it had been trained by itself."""
        own = state_of_member(self._network.layout, self._weights, self._optimiser, member)
        return {"epoch": torch.tensor(self.epoch), **own}

    def _load(self, states: Sequence[Mapping[str, Tensor] | None]) -> None:
        epochs = {0 if state is None else int(state["epoch"]) for state in states}
        if len(epochs) != 1:
            raise TrainingError("The members of a stack must have carried out the same number of epochs.")
        (self.epoch,) = epochs
        for member, state in enumerate(states):
            if state is not None:
                load_member(self._network.layout, self._weights, self._optimiser, member, state)
