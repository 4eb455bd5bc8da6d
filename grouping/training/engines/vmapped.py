"""Vmapped engine: several seeds of one network as one, for recipes that the stacked engine cannot train.

The forward pass of one network is vectorised over the weights of all members by `torch.func.vmap`, so it
works for any encoder and any method of sharing whose layers allow it. Members are the same network of the
same tasks at different seeds: modules of different groups may differ in more than the shapes of their
weights. Each member sees its own rows in its own order.

What cannot be vectorised is found out before anything is trained: by its type (methods that remember
something from step to step, or that change the network), and by a trial on a few rows, where losses and
gradients of every member must be those of plain differentiation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from grouping.domain.trainings.recipes import Precision, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import TrainingError
from grouping.training.clipping import clip_members
from grouping.training.data import TrainingData
from grouping.training.engines.engine_run import EngineRun
from grouping.training.evaluation import Evaluation
from grouping.training.loop import Training
from grouping.training.methods import build_optimiser
from grouping.training.networks import MultiTaskNetwork
from grouping.training.states import module_weights
from grouping.training.weighting.weighting import Step, Weighting

ELEMENTWISE_OPTIMISERS = ("adamw", "sgd")
"""Those that treat every weight by itself, so that weights may be put into one tensor."""
N_TRIAL_ROWS = 4


class SeedLosses(nn.Module):
    """The minimised function of one batch: network, losses and weighting in one module."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self.network = training.network
        self.weighting = training.weighting
        self._normalisations = training.normalisations

    def forward(self, epoch: int, rows: Tensor, *targets: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the objective, a scalar, and the losses of the tasks, ``[T]``."""
        outputs = self.network(rows)
        losses = torch.stack(
            [
                norm.batch_loss(output, target)
                for norm, output, target in zip(self._normalisations, outputs, targets, strict=True)
            ]
        )
        shared, penalty = dict(self.network.shared_parameters()), self.network.penalty()
        step = Step(losses, shared, penalty, outputs, targets, epoch)
        objective = self.weighting.objective(step) if self.weighting.has_effect(step) else losses.sum()
        return objective if penalty is None else objective + penalty, losses


class VmappedTraining(EngineRun):
    """Run of several seeds of one network. Single trainings keep the states; see the module."""

    def __init__(
        self,
        data: TrainingData,
        requests: Sequence[TrialRequest],
        recipe: Recipe,
        states: Sequence[Mapping[str, Tensor] | None],
    ) -> None:
        """Start anew or from the states of the members.

        Raises:
            TrainingError: if the members cannot be trained together by this engine.
            GroupingError: if one cannot be trained at all.
        """
        self.requests = tuple(requests)
        self._data, self._recipe = data, recipe
        self._trainings = [Training(data, request, recipe) for request in requests]
        for training, state in zip(self._trainings, states, strict=True):
            if state is not None:
                training.load_state_dict(state)
        first = self._trainings[0]
        self._sampling, self._rates = first.sampling, first.rates
        if len({(t.network.task_names, t.n_epochs, t.epoch) for t in self._trainings}) != 1:
            raise TrainingError("The members need one group, one length and one number of epochs behind.")
        if any(request.measures_affinity for request in requests):
            raise TrainingError("Affinities cannot be measured while several networks are trained as one.")
        for training in self._trainings:
            _check(training, recipe)
        self.n_epochs, self.epoch = first.n_epochs, first.epoch
        self._objective = SeedLosses(first)
        self._names = [name for name, _ in self._objective.named_parameters()]
        self._weights = {name: self._stacked(name) for name in self._names}
        self._optimiser = build_optimiser(recipe, [{"params": list(self._weights.values())}])
        self._remember()
        self._try()

    def _parameter(self, member: int, name: str) -> nn.Parameter:
        return self._trainings[member].network.get_parameter(name.removeprefix("network."))

    def _stacked(self, name: str) -> nn.Parameter:
        values = [self._parameter(member, name).detach() for member in range(len(self.requests))]
        return nn.Parameter(torch.stack(values))

    def _remember(self) -> None:
        """Stack the optimiser states of the members."""
        for name, weight in self._weights.items():
            own = [self._parameter(member, name) for member in range(len(self.requests))]
            slots = [t.optimiser.state[p] for t, p in zip(self._trainings, own, strict=True)]
            for slot, value in slots[0].items():
                if value is None:
                    continue
                is_of_weights = value.shape == own[0].shape
                self._optimiser.state[weight][slot] = (
                    torch.stack([one[slot] for one in slots]) if is_of_weights else value.clone()
                )

    def run_epoch(self) -> list[float]:
        """Carry out one epoch of every member, even of those that have diverged."""
        size = self._sampling.rows_per_step
        orders = torch.stack([self._sampling.order(r.seed, self.epoch) for r in self.requests])
        n_steps, recipe = math.ceil(orders.shape[1] / size), self._recipe
        totals = torch.zeros(len(self.requests), dtype=self._data.dtype, device=self._data.device)
        (group,) = self._optimiser.param_groups
        self._objective.train()
        for number, chosen in enumerate(torch.split(orders, size, dim=1)):
            share = self.epoch + number / n_steps
            group["lr"] = recipe.learning_rate * self._rates.factor(share, recipe.epochs)
            gradients, losses = self._differentiate(chosen)
            for name, weight in self._weights.items():
                # vmap may give strides of its own, which the fused optimisers do not follow.
                weight.grad = gradients[name].contiguous()
            if recipe.gradient_clip:
                self._clip()
            self._optimiser.step()
            totals += losses.sum(dim=1)
        self.epoch += 1
        if recipe.patience:
            for member in range(len(self.requests)):
                self._give_back(member).observe_validation()
        return [total / n_steps for total in totals.tolist()]

    def _clip(self) -> None:
        gradients = [weight.grad for weight in self._weights.values() if weight.grad is not None]
        members = torch.arange(len(self.requests), device=self._data.device)
        clip_members(gradients, [members] * len(gradients), len(members), self._recipe.gradient_clip)

    def has_stopped(self, member: int) -> bool:
        """Return whether the member's own training has ended early."""
        return self._trainings[member].has_stopped

    def _differentiate(self, chosen: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Compute gradients of the stacked weights, and losses ``[members, T]``, at a batch per member."""
        epoch = self.epoch

        def objective(weights: dict[str, Tensor], *batch: Tensor) -> tuple[Tensor, Tensor]:
            found: tuple[Tensor, Tensor] = functional_call(self._objective, weights, (epoch, *batch))
            return found

        batch = [self._data.train.inputs[chosen], *self._targets(chosen)]
        weights = {name: weight.detach() for name, weight in self._weights.items()}
        found: tuple[dict[str, Tensor], Tensor] = vmap(grad(objective, has_aux=True))(weights, *batch)
        return found

    def _targets(self, chosen: Tensor) -> list[Tensor]:
        """Return the targets of a step of each member, ``[members, rows, ...]``, for each task."""
        every = self._data.train.targets
        return [
            torch.stack([self._sampling.targets(every, name, order) for order in chosen])
            for name in self._task_names
        ]

    @property
    def _task_names(self) -> Sequence[str]:
        return self._trainings[0].network.task_names

    def _try(self) -> None:
        """Compare a batch with plain differentiation of each member, in full precision.

        In reduced precision rounding hides mistakes; there it is only tested that a step works at all.
        """
        few = self._sampling.steps(0, 0)[0]
        few = few if self._sampling.counting else few[:N_TRIAL_ROWS]
        for precision in dict.fromkeys((Precision.FLOAT32, self._recipe.precision)):  # the last one stays
            for training in self._trainings:
                training.network.precision = precision
            try:
                found = self._differentiate(few.expand(len(self.requests), -1))
            except (RuntimeError, ValueError) as error:
                raise TrainingError(f"The network cannot be vectorised: {error}") from error
            if precision is Precision.FLOAT32:
                self._compare(few, *found)

    def _compare(self, few: Tensor, gradients: Mapping[str, Tensor], losses: Tensor) -> None:
        inputs = self._data.train.inputs[few]
        targets = [target[0] for target in self._targets(few[None])]
        for member, training in enumerate(self._trainings):
            own = list(SeedLosses(training).parameters())
            value, wanted_losses = SeedLosses(training)(self.epoch, inputs, *targets)
            wanted = torch.autograd.grad(value, own, allow_unused=True)
            for name, gradient in zip(self._names, wanted, strict=True):
                if gradient is None or not _is_close(gradients[name][member], gradient):
                    raise TrainingError(f"Vectorised, the gradient of {name} is not the same.")
            if not _is_close(losses[member], wanted_losses.detach()):
                raise TrainingError("Vectorised, the losses are not the same.")

    def _give_back(self, member: int) -> Training:
        """Return the member's own training, brought up to date."""
        training = self._trainings[member]
        training.epoch = self.epoch
        with torch.no_grad():
            for name, weight in self._weights.items():
                parameter = self._parameter(member, name)
                parameter.copy_(weight[member])
                for slot, value in self._optimiser.state[weight].items():
                    if value is not None:
                        part = value[member] if value.shape == weight.shape else value
                        training.optimiser.state[parameter][slot] = part.clone()
        return training

    def evaluate(self, member: int) -> Evaluation:
        """Evaluate the member's own training."""
        return self._give_back(member).evaluate()

    def weights(self, member: int) -> dict[str, Tensor]:
        """Return the weights of the member's own training."""
        return module_weights(self._give_back(member).best_network())

    def state_dict(self, member: int) -> dict[str, Tensor]:
        """Return the state of the member's own training."""
        return self._give_back(member).state_dict()


def _check(training: Training, recipe: Recipe) -> None:
    """Refuse methods that remember something from step to step, or follow more than one gradient.

    Raises:
        TrainingError: saying what is in the way.
    """
    network, weighting, phases = training.network, training.weighting, training.phases
    in_the_way = {
        "its optimiser": recipe.optimiser.name not in ELEMENTWISE_OPTIMISERS,
        "its schedule": len(phases) != 1 or bool(phases[0].rates) or phases[0].tasks != network.task_names,
        "its learning-rate schedule": training.rates.follows_validation,
        "its augmentation": training.augmentation.changes_rows,
        "its precision": recipe.precision is Precision.FLOAT16,
        "its weighting": not _is_plain(weighting),
        "its network": (
            any(True for _ in network.buffers())
            or type(network).end_epoch is not MultiTaskNetwork.end_epoch
            or type(network).preparation is not MultiTaskNetwork.preparation
        ),
    }
    if reasons := [what for what, is_so in in_the_way.items() if is_so]:
        raise TrainingError(f"The training cannot be vectorised, for {', '.join(reasons)}.")


def _is_plain(weighting: Weighting) -> bool:
    return (
        not weighting.needs_shared
        and type(weighting).backward is Weighting.backward
        and type(weighting).balance is Weighting.balance
        and type(weighting).end_epoch is Weighting.end_epoch
        and not any(True for _ in weighting.parameters())
        and not any(True for _ in weighting.buffers())
    )


def _is_close(found: Tensor, wanted: Tensor) -> bool:
    """Return whether two tensors are equal up to rounding; entries that are not finite are ignored."""
    is_known = wanted.isfinite()
    found, wanted = found[is_known], wanted[is_known]
    scale = float(wanted.abs().max()) if wanted.numel() else 0.0
    tolerance = 1e-9 if wanted.dtype == torch.float64 else 1e-4
    return torch.allclose(found, wanted, rtol=tolerance, atol=tolerance * max(scale, 1e-6))
