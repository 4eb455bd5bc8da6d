"""Joint training of the tasks of one network for a fixed number of epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from grouping.domain.joint_runs import JointAffinities
from grouping.domain.recipes import Recipe
from grouping.domain.trials import TaskScore, TrialOutcome, TrialRequest, TrialState
from grouping.errors import TrainingError
from grouping.training.affinities import AffinityMeter
from grouping.training.cost import scaled_widths
from grouping.training.data import Rows, TrainingData
from grouping.training.networks import MultiTaskNetwork, generator_for


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Losses and metrics of each task of the network, in its order of tasks; not necessarily finite.

    Attributes:
        tasks: names of the tasks.
        validation_losses: normalised, lower is better.
        test_losses: likewise.
        validation_metrics: in the direction of each task's metric.
        test_metrics: likewise.
    """

    tasks: tuple[str, ...]
    validation_losses: tuple[float, ...]
    test_losses: tuple[float, ...]
    validation_metrics: tuple[float, ...]
    test_metrics: tuple[float, ...]

    @property
    def is_finite(self) -> bool:
        """Whether every number is; if not, the training has diverged."""
        numbers = self.validation_losses + self.test_losses + self.validation_metrics + self.test_metrics
        return all(math.isfinite(number) for number in numbers)

    def scores(self) -> tuple[TaskScore, ...]:
        """One score per task.

        Raises:
            InvalidInputError: if a number is not finite.
        """
        columns = (self.validation_losses, self.test_losses, self.validation_metrics, self.test_metrics)
        return tuple(map(TaskScore, self.tasks, *columns))


class Training:
    """One training, an epoch at a time, that can be stopped, saved and continued.

    The order of the rows depends on the seed and the epoch only, so a state is the weights, the moments of
    the optimiser and the number of epochs; continuing from it gives the same floats as never stopping.
    Not thread-safe. The number of threads torch uses is the caller's business.
    """

    def __init__(self, data: TrainingData, request: TrialRequest, recipe: Recipe) -> None:
        """Build the network at its initial weights.

        Raises:
            TrainingError: if the group names a task that the data does not have.
            InvalidInputError: if the network's size cannot be built.
        """
        tasks = data.tasks_of(request.network.group)
        widths = scaled_widths(data.n_features, recipe.hidden, request.network.size)
        self.network = MultiTaskNetwork(data.n_features, widths, tasks, request.seed).to(data.device)
        self.n_epochs = recipe.epochs_at(request.fidelity)
        self.epoch = 0
        self._data = data
        self._seed = request.seed
        self._recipe = recipe
        self._normalisations = [data.normalisations[task.name] for task in tasks]
        self._parameters = list(self.network.parameters())
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self._meter: AffinityMeter | None = None
        if request.measures_affinity:
            n_steps = self.n_epochs * math.ceil(len(data.train) / recipe.batch_size)
            self._meter = AffinityMeter(self.network, self._normalisations, self._optimiser, n_steps)

    @property
    def is_finished(self) -> bool:
        """Whether all epochs of the requested fidelity have been carried out."""
        return self.epoch >= self.n_epochs

    def run_epoch(self) -> float:
        """Pass once over the training rows.

        Returns:
            Mean over the steps of the sum of normalised losses of the tasks, lower is better; not finite if
            the training diverged.

        Raises:
            TrainingError: if all epochs have been carried out.
        """
        if self.is_finished:
            raise TrainingError(f"All {self.n_epochs} epochs of this training have been carried out.")
        batch_size = self._recipe.batch_size
        order = torch.randperm(len(self._data.train), generator=generator_for("rows", self._seed, self.epoch))
        order = order.to(self._data.device)
        inputs = torch.split(self._data.train.inputs[order], batch_size)
        targets = [
            torch.split(self._data.train.targets[name][order], batch_size) for name in self.network.task_names
        ]
        total = torch.zeros((), device=self._data.device)
        group = self._optimiser.param_groups[0]
        n_steps = len(inputs)
        for step, (rows, *wanted) in enumerate(zip(inputs, *targets, strict=True)):
            group["lr"] = self._learning_rate(self.epoch + step / n_steps)
            outputs = self.network(rows)
            losses = [
                norm.loss(output, target)
                for norm, output, target in zip(self._normalisations, outputs, wanted, strict=True)
            ]
            if self._meter is not None:
                self._meter.observe(self.epoch * n_steps + step, rows, wanted, losses)
            loss = losses[0]
            for other in losses[1:]:
                loss = loss + other
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            total += loss.detach()
        self.epoch += 1
        return float(total) / n_steps

    def evaluate(self) -> Evaluation:
        """Losses and metrics on the validation and test rows."""
        validation_losses, validation_metrics = self._evaluate(self._data.validation)
        test_losses, test_metrics = self._evaluate(self._data.test)
        return Evaluation(
            self.network.task_names, validation_losses, test_losses, validation_metrics, test_metrics
        )

    def affinities(self) -> JointAffinities | None:
        """What was measured so far; None where that was not asked for, or nothing was trained."""
        return None if self._meter is None else self._meter.result(self._data.train)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """A flat copy of the state, tensors only: it can be stored without pickle."""
        state = {"epoch": torch.tensor(self.epoch)}
        for name, parameter in self.network.named_parameters():
            state[f"network.{name}"] = parameter.detach().clone()
            for key, value in self._optimiser.state[parameter].items():
                state[f"optimiser.{key}.{name}"] = value.clone()
        if self._meter is not None:
            state |= self._meter.state_dict()
        return state

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from a state of a training of the same request and recipe; the tensors are copied.

        Raises:
            TrainingError: if the state belongs to a network of another architecture.
        """
        named = dict(self.network.named_parameters())
        shapes = {f"network.{name}": parameter.shape for name, parameter in named.items()}
        found = {key: value.shape for key, value in state.items() if key.startswith("network.")}
        if shapes != found or "epoch" not in state:
            raise TrainingError("The saved state belongs to a network of another architecture.")
        self.epoch = int(state["epoch"])
        self._optimiser.state.clear()
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(state[f"network.{name}"])
                for key in ("step", "exp_avg", "exp_avg_sq"):
                    saved = state.get(f"optimiser.{key}.{name}")
                    if saved is not None:
                        self._optimiser.state[parameter][key] = saved.to(parameter.device, copy=True)
        if self._meter is not None:
            self._meter.load_state_dict(state)

    def _learning_rate(self, epoch: float) -> float:
        # Over the full number of epochs: a short pass follows the start of the same schedule.
        return self._recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * epoch / self._recipe.epochs))

    @torch.no_grad()
    def _evaluate(self, rows: Rows) -> tuple[tuple[float, ...], tuple[float, ...]]:
        losses, metrics = [], []
        for norm, output in zip(self._normalisations, self.network(rows.inputs), strict=True):
            target = rows.targets[norm.task.name]
            losses.append(float(norm.loss(output, target)))
            metrics.append(norm.metric(output, target))
        return tuple(losses), tuple(metrics)


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
        should_stop: asked before every epoch, such as for a deadline or a cancelled job.
        on_epoch: told after every epoch the number of epochs carried out and the mean training loss.

    Returns:
        Succeeded with scores; diverged, if a loss became infinite or not a number; failed, if `should_stop`
        answered yes.

    Raises:
        TrainingError: if the group names a task that the data does not have.
        InvalidInputError: if the network's size cannot be built.
    """
    started = time.perf_counter()
    training = Training(data, request, recipe)

    def without_scores(state: TrialState, error: str) -> TrialOutcome:
        return TrialOutcome(state, (), training.epoch, time.perf_counter() - started, error)

    while not training.is_finished:
        if should_stop is not None and should_stop():
            reason = f"Stopped after {training.epoch} of {training.n_epochs} epochs."
            return without_scores(TrialState.FAILED, reason)
        loss = training.run_epoch()
        if not math.isfinite(loss):
            return without_scores(TrialState.DIVERGED, _divergence("training", training.epoch))
        if on_epoch is not None:
            on_epoch(training.epoch, loss)
    evaluation = training.evaluate()
    if not evaluation.is_finite:
        return without_scores(TrialState.DIVERGED, _divergence("validation or test", training.epoch))
    seconds = time.perf_counter() - started
    scores, affinities = evaluation.scores(), training.affinities()
    return TrialOutcome(TrialState.SUCCEEDED, scores, training.epoch, seconds, affinities=affinities)


def _divergence(rows: str, epoch: int) -> str:
    return (
        f"The loss on the {rows} rows became infinite or not a number by epoch {epoch}: "
        "lower the learning rate, or look for extreme values in the inputs."
    )
