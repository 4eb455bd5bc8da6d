"""Joint training of the tasks of one network, for a number of epochs at most."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch

from grouping.domain.affinities.joint_runs import JointAffinities
from grouping.domain.trainings.recipes import Precision, Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import TrainingError
from grouping.recipes import check_named_tasks
from grouping.training.affinities import AffinityMeter, measured_affinities
from grouping.training.augmentation import Augmentation
from grouping.training.blueprint import Blueprint
from grouping.training.cost import network_widths
from grouping.training.data import TrainingData
from grouping.training.early_stopping import EarlyStopping
from grouping.training.evaluation import Evaluation, divergence, evaluate, validation_loss
from grouping.training.initialisation import generator_for, seeded
from grouping.training.learning_rates import LearningRateSchedule
from grouping.training.losses import Normalisation
from grouping.training.methods import (
    build_augmentation,
    build_encoder,
    build_learning_rates,
    build_network,
    build_optimiser,
    build_sampling,
    build_schedule,
    build_weighting,
)
from grouping.training.optimisers import parameter_groups
from grouping.training.precision import GradientScale, check_precision
from grouping.training.sampling import Sampling
from grouping.training.schedules.schedule import Phase
from grouping.training.states import load_module, load_optimiser, module_state, optimiser_state
from grouping.training.targets import labelled
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext


class Training:
    """One training, an epoch at a time, that can be stopped, saved and continued.

    The order of the rows depends on the seed and the epoch only, so a state is the weights, what optimiser
    and weighting remember, and the number of epochs; continuing from it gives the same floats as never
    stopping. Not thread-safe. The caller sets the number of threads of PyTorch.

    Attributes:
        network: the network in training.
        n_epochs: epochs at the requested fidelity.
        epoch: epochs carried out.
        prepared: epochs carried out before those, to prepare the network: see `MultiTaskNetwork.preparation`.
    """

    def __init__(self, data: TrainingData, request: TrialRequest, recipe: Recipe) -> None:
        """Build the network at its initial weights.

        Raises:
            TrainingError: if the group names a task that the data does not have.
            InvalidInputError: if the network's size cannot be built, or the recipe names what does not exist.
        """
        tasks = data.tasks_of(request.network.group)
        encoder = build_encoder(recipe, data.n_features)
        widths = network_widths(recipe, encoder, tasks, request.network.size)
        network = build_network(recipe, Blueprint(encoder, widths, tasks, request.seed))
        self.network = network.to(data.device, data.dtype)
        self.network.precision = check_precision(recipe.precision, data.device)
        if recipe.precision is Precision.FLOAT16:
            self.network.gradient_scale = GradientScale()
        self.n_epochs = recipe.epochs_at(request.fidelity)
        self.epoch = self.prepared = 0
        self._stopping = EarlyStopping(recipe.patience)
        self._preparation: Iterator[int] | None = self.network.preparation(data, recipe, request.seed)
        self._data = data
        self._seed = request.seed
        self._recipe = recipe
        self._sampling = build_sampling(recipe, data)
        self._augmentation = build_augmentation(recipe, data)
        shares = self._sampling.labelled_shares
        self._normalisations = {
            task.name: replace(data.normalisations[task.name], labelled_share=shares[task.name])
            for task in tasks
        }
        self._depths = self.network.depths()
        check_named_tasks(recipe, [task.name for task in data.tasks])
        schedule = build_schedule(recipe)
        self._phases = schedule.phases(self.network.task_names, recipe.epochs, len(self._depths))
        self._meter: AffinityMeter | None = None
        self._measures = request.measures_affinity
        self._begin_phase(0)

    @property
    def normalisations(self) -> Sequence[Normalisation]:
        """Constants of the losses, in the order of the network's tasks."""
        return list(self._normalisations.values())

    @property
    def phases(self) -> Sequence[Phase]:
        """Phases of the training, as the schedule decides."""
        return self._phases

    @property
    def weighting(self) -> Weighting:
        """Weighting of the losses in the current phase."""
        return self._weighting

    @property
    def sampling(self) -> Sampling:
        """Sampling of the rows."""
        return self._sampling

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """Optimiser of the current phase."""
        return self._optimiser

    def _begin_phase(self, number: int) -> None:
        """Make a fresh weighting and a fresh optimiser for the tasks of a phase."""
        self._phase_number = number
        self._phase = phase = self._phases[number]
        self._phase_start = sum(earlier.epochs for earlier in self._phases[:number])
        self._active = [self.network.task_names.index(task) for task in phase.tasks]
        norms = [self._normalisations[task] for task in phase.tasks]
        context = WeightingContext(norms, phase.epochs, self._data.device)
        self._weighting = build_weighting(self._recipe, context).to(self._data.dtype)
        self._shared = dict(self.network.shared_parameters())
        own = list(self._weighting.parameters())
        groups = parameter_groups(self.network, self._depths, phase.rates, own)
        self._optimiser = build_optimiser(self._recipe, groups)
        self._rates = build_learning_rates(self._recipe)
        if (scale := self.network.gradient_scale) is not None:
            below = [p for name, p in self.network.named_parameters() if not name.startswith("heads.")]
            scale.attach(below)
        if self._measures and self._shared and len(phase.tasks) == len(self.network.task_names):
            n_steps = self.n_epochs * len(self._sampling.steps(self._seed, 0))
            self._meter = AffinityMeter(self.network, norms, self._optimiser, n_steps)

    @property
    def rates(self) -> LearningRateSchedule:
        """Learning-rate schedule of the current phase."""
        return self._rates

    @property
    def augmentation(self) -> Augmentation:
        """Augmentation of the rows."""
        return self._augmentation

    @property
    def has_stopped(self) -> bool:
        """Whether patience is at its end, so that no further epoch is carried out."""
        return self._stopping.has_ended(self.epoch)

    @property
    def is_finished(self) -> bool:
        """Whether no epoch of the requested fidelity is left to be carried out."""
        return self.epoch >= self.n_epochs or self.has_stopped

    @property
    def spent(self) -> int:
        """All epochs carried out, including those that prepared the network."""
        return self.prepared + self.epoch

    def prepare_epoch(self) -> bool:
        """Carry out an epoch of the preparation; return False once the network is prepared."""
        if self._preparation is None:
            return False
        prepared = next(self._preparation, None)
        if prepared is not None:
            self.prepared = prepared
            return True
        self._preparation = None
        if self.prepared:  # which parameters are shared may have been decided only now
            self._meter = None
            self._begin_phase(0)
        return False

    def run_epoch(self) -> float:
        """Pass once over the training rows; before the first epoch, prepare the network to the end.

        Returns:
            Mean over the steps of the sum of the normalised losses of the tasks in training, lower is
            better; not finite if the training diverged.

        Raises:
            TrainingError: if all epochs have been carried out.
        """
        if self.is_finished:
            raise TrainingError(f"It has ended: {self.epoch} of {self.n_epochs} epochs were carried out.")
        while self.prepare_epoch():
            pass
        if self.epoch - self._phase_start >= self._phase.epochs:
            self._begin_phase(self._phase_number + 1)
        batches = self._sampling.steps(self._seed, self.epoch)
        totals = torch.zeros(len(self._active), dtype=self._data.dtype, device=self._data.device)
        n_steps = len(batches)
        epoch = self.epoch - self._phase_start
        self.network.train()
        with seeded("noise", self._seed, self.epoch, device=self._data.device):  # for layers such as dropout
            for number, batch in enumerate(batches):
                rate = self._learning_rate(epoch + number / n_steps)
                for group in self._optimiser.param_groups:
                    group["lr"] = rate * group["factor"]
                inputs, wanted = self._rows(batch, number)
                step = self._forward(inputs, wanted, epoch, len(inputs) / len(batch))
                if self._meter is not None and len(self._active) == len(self.network.task_names):
                    self._meter.observe(epoch * n_steps + number, inputs, wanted, list(step.losses))
                self._optimiser.zero_grad()
                self._weighting.backward(step)
                self._step()
                totals += step.losses.detach()
        self.epoch += 1
        self._weighting.end_epoch(totals / n_steps)
        self.network.end_epoch()
        self.observe_validation()
        return float(totals.sum()) / n_steps

    def _step(self) -> None:
        """Let the optimiser take a step along the gradients, clipped and of finite numbers."""
        scale = self.network.gradient_scale
        if scale is not None and not scale.is_good(self.network.parameters()):
            return
        if self._recipe.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._recipe.gradient_clip)
        self._optimiser.step()

    def observe_validation(self) -> None:
        """Look at the validation rows after an epoch, where the recipe wants that."""
        if not (self._stopping.is_on or self._rates.follows_validation):
            return
        self.network.eval()
        loss = validation_loss(self._data, self.normalisations, self.network)
        if self._rates.follows_validation:
            self._rates.end_epoch(loss)
        if self._stopping.is_on:
            self._stopping.observe(self.epoch, loss, partial(module_state, "network", self.network))

    def _rows(self, batch: torch.Tensor, step: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return inputs and targets of the rows with a label of a task in training; of one row at least."""
        train, sampling, names = self._data.train, self._sampling, self._phase.tasks
        wanted = [sampling.targets(train.targets, name, batch) for name in names]
        is_complete = all(self._normalisations[name].labelled_share == 1 for name in names)
        if not self._augmentation.changes_rows:
            if is_complete:
                return train.inputs[batch], wanted
            chosen = _with_label(wanted)
            return train.inputs[batch[chosen]], [target[chosen] for target in wanted]
        draws = generator_for("augmentation", self._seed, self.epoch, step)
        given = dict(zip(names, wanted, strict=True))
        inputs, changed = self._augmentation.apply(train.inputs[batch], given, draws)
        wanted = [changed[name] for name in names]
        if is_complete:
            return inputs, wanted
        chosen = _with_label(wanted)
        return inputs[chosen], [target[chosen] for target in wanted]

    def _forward(
        self, inputs: torch.Tensor, wanted: Sequence[torch.Tensor], epoch: int, share: float
    ) -> Step:
        every = self.network(inputs)
        outputs = [every[i] for i in self._active]
        losses = [
            self._normalisations[task].batch_loss(output, target)
            for task, output, target in zip(self._phase.tasks, outputs, wanted, strict=True)
        ]
        # Rows that were left out count in the length of the batch.
        every_loss = torch.stack(losses) if share == 1 else torch.stack(losses) * share
        penalty, scale = self.network.penalty(), self.network.gradient_scale
        penalty = penalty if scale is None else scale.scaled_penalty(penalty)
        return Step(every_loss, self._shared, penalty, outputs, wanted, epoch)

    def best_network(self) -> torch.nn.Module:
        """Return the network, with patience that of its best epoch; the training cannot go on then."""
        self.network.eval()
        if self._stopping.weights is not None:
            load_module("network", self.network, self._stopping.weights)
        return self.network

    def evaluate(self) -> Evaluation:
        """Compute losses and metrics on the validation and test rows; with patience, of the best epoch."""
        self.network.eval()
        best = self._stopping.weights
        last = module_state("network", self.network) if best is not None else {}
        if best is not None:
            load_module("network", self.network, best)
        try:
            return evaluate(self._data, self.normalisations, self.network)
        finally:
            if last:
                load_module("network", self.network, last)

    def affinities(self) -> JointAffinities | None:
        """Return affinities so far: from gradients if requested, from masks if the network has them."""
        return measured_affinities(self.network, self._meter, self._data.train)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return a flat copy of the state, tensors only: it can be stored without pickle."""
        state = {"epoch": torch.tensor(self.epoch)}
        if self.prepared:
            state["prepared"] = torch.tensor(self.prepared)
        state |= module_state("network", self.network) | module_state("weighting", self._weighting)
        state |= optimiser_state(self._named_parameters(), self._optimiser)
        if self._meter is not None:
            state |= self._meter.state_dict()
        if self.network.gradient_scale is not None:
            state |= self.network.gradient_scale.state_dict()
        return state | self._rates.state_dict() | self._stopping.state_dict()

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from a state of a training of the same request and recipe; the tensors are copied.

        Raises:
            TrainingError: if the state belongs to a network of another architecture, or another recipe.
        """
        if "epoch" not in state:
            raise TrainingError("The saved state is none of a training.")
        epoch, start = int(state["epoch"]), 0
        self.prepared = int(state["prepared"]) if "prepared" in state else 0
        load_module("network", self.network, state)
        self._preparation = None
        if not epoch:
            preparation = self.network.preparation(self._data, self._recipe, self._seed, self.prepared)
            self._preparation = preparation
        for number, phase in enumerate(self._phases):
            if epoch <= start + phase.epochs or number == len(self._phases) - 1:
                self._begin_phase(number)
                break
            start += phase.epochs
        load_module("weighting", self._weighting, state)
        self.epoch = epoch
        load_optimiser(self._named_parameters(), self._optimiser, state)
        if self._meter is not None:
            self._meter.load_state_dict(state)
        if self.network.gradient_scale is not None:
            self.network.gradient_scale.load_state_dict(state)
        self._rates.load_state_dict(state)
        self._stopping.load_state_dict(state)

    def _named_parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        owners = (("network", self.network), ("weighting", self._weighting))
        return [(f"{owner}.{name}", p) for owner, module in owners for name, p in module.named_parameters()]

    def _learning_rate(self, epoch: float) -> float:
        # Over the full number of epochs of the phase: a short pass follows the start of the same schedule.
        return self._recipe.learning_rate * self._rates.factor(epoch, self._phase.epochs)


def _with_label(targets: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the numbers of the rows with a label of any target; of the first one where there is none."""
    chosen = torch.stack([labelled(target) for target in targets]).any(dim=0).nonzero().flatten()
    return chosen if len(chosen) else chosen.new_zeros(1)


def train_network(
    data: TrainingData,
    request: TrialRequest,
    recipe: Recipe,
    *,
    should_stop: Callable[[], bool] | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> TrialOutcome:
    """Train one network and score each of its tasks.

    Args:
        data: the data set as tensors.
        request: network, seed and fidelity. On a CPU, equal requests give equal floats.
        recipe: architecture and optimisation.
        should_stop: called before every epoch, including those of a preparation; True ends the training.
        on_epoch: called after every epoch with the number of epochs carried out and the mean training loss.

    Returns:
        Succeeded with scores; diverged, if a loss became infinite or not a number; failed, if `should_stop`
        returned True.

    Raises:
        TrainingError: if the group names a task that the data does not have.
        InvalidInputError: if the network's size cannot be built.
    """
    started = time.perf_counter()
    training = Training(data, request, recipe)

    def without_scores(state: TrialState, error: str) -> TrialOutcome:
        return TrialOutcome(state, (), training.spent, time.perf_counter() - started, error)

    while not training.is_finished:
        if should_stop is not None and should_stop():
            reason = f"Stopped after {training.epoch} of {training.n_epochs} epochs."
            return without_scores(TrialState.FAILED, reason)
        if training.prepare_epoch():
            continue
        loss = training.run_epoch()
        if not math.isfinite(loss):
            return without_scores(TrialState.DIVERGED, divergence("training", training.epoch))
        if on_epoch is not None:
            on_epoch(training.epoch, loss)
    evaluation = training.evaluate()
    if not evaluation.is_finite:
        return without_scores(TrialState.DIVERGED, divergence("validation or test", training.epoch))
    seconds = time.perf_counter() - started
    scores, affinities = evaluation.scores(), training.affinities()
    return TrialOutcome(TrialState.SUCCEEDED, scores, training.spent, seconds, affinities=affinities)
