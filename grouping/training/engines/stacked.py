"""Stacked engine: trains many networks of equal widths as one, with the weights of all in one vector.

The members share the seed, so they see the same rows in the same order; they differ in their tasks. A step
is a batched product per layer and per kind of heads, forwards and backwards, and one step of the optimiser.

A member's floats do not depend on which other members are in the stack, nor on how many: on a CPU, with one
thread, they are the same bits whatever the batching, also for a member alone. That rests on how matrix
products are asked for (`products`), on where the weights lie (`layout`) and on the length of the batches
(`batches`), and is tested for many shapes. The floats differ from those of `Training` by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import TrainingError
from grouping.recipes.stackable import is_stackable
from grouping.training.blueprint import Blueprint, Encoder
from grouping.training.cost import scaled_widths
from grouping.training.data import TrainingData
from grouping.training.early_stopping import EarlyStopping
from grouping.training.engines.batches import RowsOfStack
from grouping.training.engines.engine_run import EngineRun
from grouping.training.engines.heads import sort_heads
from grouping.training.engines.stacked_network import StackedNetwork
from grouping.training.engines.states import load_member, state_of_member
from grouping.training.evaluation import Evaluation, evaluate, validation_loss
from grouping.training.losses import Normalisation, StackableLoss
from grouping.training.methods import (
    build_augmentation,
    build_encoder,
    build_learning_rates,
    build_optimiser,
    build_sampling,
)


def can_stack(data: TrainingData, request: TrialRequest, recipe: Recipe) -> bool:
    """Return whether this engine can train the request: plain networks, without measuring affinities."""
    is_plain = not request.measures_affinity and is_stackable(recipe)
    follows = build_learning_rates(recipe).follows_validation
    return is_plain and not follows and not unstackable_tasks(data, request)


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
        self._widths = scaled_widths(encoder, recipe.hidden, first.network.size)
        self._rates = build_learning_rates(recipe)
        self._stopping = [EarlyStopping(recipe.patience) for _ in requests]
        sampling = build_sampling(recipe, data)
        self._rows = RowsOfStack(data, sampling, build_augmentation(recipe, data), first.seed)
        self._scored = tuple(range(len(requests)))
        self._build(encoder, self._scored)
        if states is not None:
            self._load(states)

    def _build(self, encoder: Encoder, members: Sequence[int]) -> None:
        """Build the weights of some members at their start, and an optimiser for them."""
        self._places = {member: place for place, member in enumerate(members)}
        groups = [self._groups[member] for member in members]
        self._kinds = sort_heads(self._data, groups, self._rows.sampling.labelled_shares)
        blueprint = Blueprint(encoder, self._widths, (), self._seed)
        self._network = StackedNetwork(blueprint, groups, self._kinds)
        self._weights = self._network.weights
        self._optimiser = build_optimiser(self._recipe, [{"params": [self._weights]}])

    def narrow(self, members: Sequence[int]) -> None:
        """Score these members only, and train them only once the others are half of the stack."""
        self._scored = tuple(members)
        if not members or 2 * len(members) > len(self._places):
            return
        states = {member: self.state_dict(member) for member in members}
        self._build(build_encoder(self._recipe, self._data.n_features), members)
        for member, state in states.items():
            self._take_up(member, state)

    def run_epoch(self) -> list[float]:
        """Carry out one epoch of every member, even of those that have diverged."""
        kinds, order = self._kinds, self._rows.sampling.order(self._seed, self.epoch)
        n_steps = self._rows.n_steps(order)
        totals = [torch.zeros_like(kind.factors).flatten() for kind in kinds]
        (group,) = self._optimiser.param_groups
        recipe = self._recipe
        with torch.no_grad():
            for number, batch in enumerate(self._rows.batches(self.epoch, order, kinds)):
                share = self.epoch + number / n_steps
                group["lr"] = recipe.learning_rate * self._rates.factor(share, recipe.epochs)
                found = self._network.differentiate(batch.inputs, batch.targets, batch.n_rows)
                for total, losses in zip(totals, found, strict=True):
                    total += losses
                if recipe.gradient_clip:
                    self._network.clip_gradients(recipe.gradient_clip)
                self._optimiser.step()
        self.epoch += 1
        self._observe_validation()
        sums = [0.0] * len(self.requests)
        members = list(self._places)
        for kind, total in zip(kinds, totals, strict=True):
            for (place, _), loss in zip(kind.owners, total.tolist(), strict=True):
                sums[members[place]] += loss
        return [loss / n_steps for loss in sums]

    def _observe_validation(self) -> None:
        if not self._recipe.patience:
            return
        for member in self._scored:
            own = self._own(member)
            loss = validation_loss(self._data, self._norms(member), partial(self._outputs, own))
            self._stopping[member].observe(self.epoch, loss, own.copy)

    def has_stopped(self, member: int) -> bool:
        """Return whether the patience of one member is at its end."""
        return self._stopping[member].has_ended(self.epoch)

    def evaluate(self, member: int) -> Evaluation:
        """Evaluate one member by itself, by the same operations as in `Training`."""
        return evaluate(self._data, self._norms(member), self.forward(member))

    def forward(self, member: int) -> Callable[[Tensor], list[Tensor]]:
        """Return a function from inputs to the outputs of one member as it is now, or as it was best."""
        return partial(self._outputs, self._trained(member))

    def weights(self, member: int) -> dict[str, Tensor]:
        """Return the weights of one member as it is now, or as it was best."""
        return {name.removeprefix("network."): value.clone() for name, value in self._trained(member).items()}

    def _trained(self, member: int) -> Mapping[str, Tensor]:
        return self._stopping[member].weights or self._own(member)

    def _norms(self, member: int) -> list[Normalisation]:
        return [self._data.normalisations[task.name] for task in self._groups[member]]

    def _outputs(self, own: Mapping[str, Tensor], inputs: Tensor) -> list[Tensor]:
        seen = inputs
        for layer in range(len(self._widths)):
            name = f"network.stages.{layer}.0"
            seen = functional.linear(seen, own[f"{name}.weight"], own[f"{name}.bias"]).relu_()
        n_heads = len(own) // 2 - len(self._widths)
        names = [f"network.heads.{place}" for place in range(n_heads)]
        return [functional.linear(seen, own[f"{name}.weight"], own[f"{name}.bias"]) for name in names]

    def _own(self, member: int) -> dict[str, Tensor]:
        """Return copies of a member's weights.

        Copies begin with a line of the cache: where a member lies among the others must not matter.
        """
        views = self._network.layout.of_member(self._weights.detach(), self._places[member])
        return {name: value.clone() for name, value in views.items()}

    def state_dict(self, member: int) -> dict[str, Tensor]:
        """Return the state of one member, as if it had been trained by itself."""
        place = self._places[member]
        own = state_of_member(self._network.layout, self._weights, self._optimiser, place)
        return {"epoch": torch.tensor(self.epoch), **own, **self._stopping[member].state_dict()}

    def _load(self, states: Sequence[Mapping[str, Tensor] | None]) -> None:
        epochs = {0 if state is None else int(state["epoch"]) for state in states}
        if len(epochs) != 1:
            raise TrainingError("The members of a stack must have carried out the same number of epochs.")
        (self.epoch,) = epochs
        for member, state in enumerate(states):
            if state is not None:
                self._take_up(member, state)
                self._stopping[member].load_state_dict(state)

    def _take_up(self, member: int, state: Mapping[str, Tensor]) -> None:
        place = self._places[member]
        load_member(self._network.layout, self._weights, self._optimiser, place, state)
