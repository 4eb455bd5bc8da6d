"""Interface of weightings: losses of a step in, gradients out.

Most methods only say how much each loss counts: they are subclasses of `Weighting` that follow the gradient
of the weighted sum. Others combine the tasks' gradients on the parameters that they share: subclasses of
`GradientWeighting`, in `grouping.training.weighting.gradients`. All are plain training, the sum of the
losses, where there is nothing to balance: with a single task, or where no two losses meet. So a task
trained alone is the same network whatever the weighting, and gains are measured against one reference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from grouping.training.gradients import gradients_of
from grouping.training.losses import Normalisation


@dataclass(frozen=True, slots=True)
class WeightingContext:
    """The tasks that are trained together in a phase of a training.

    Attributes:
        normalisations: normalisations of the `T` tasks, in order, with the constants of their losses.
        n_epochs: epochs of the phase.
        device: device of the training.
    """

    normalisations: Sequence[Normalisation]
    n_epochs: int
    device: torch.device

    @property
    def n_tasks(self) -> int:
        """Number of tasks, `T`."""
        return len(self.normalisations)


@dataclass(frozen=True, slots=True)
class Step:
    """One batch, after the forward pass.

    Attributes:
        losses: ``[T]``, with their graph; normalised, lower is better.
        shared: parameters that several losses depend on, by name.
        penalty: penalty of the network, to be added as it is; None for none.
        outputs: raw outputs of each task.
        targets: encoded targets of each task.
        epoch: epochs of the phase carried out before.
    """

    losses: Tensor
    shared: Mapping[str, nn.Parameter]
    penalty: Tensor | None = None
    outputs: Sequence[Tensor] = field(default=(), repr=False)
    targets: Sequence[Tensor] = field(default=(), repr=False)
    epoch: int = 0

    def shared_gradients(self) -> Tensor:
        """Compute the gradient of each loss on the shared parameters, flattened, ``[T, P]``.

        The graph is kept. A loss that does not reach a parameter has a gradient of zero there.
        """
        return gradients_of(self.losses, list(self.shared.values()))


class Weighting(nn.Module, ABC):
    """Turns the losses of a step into gradients. Its parameters are trained along, its buffers are saved.

    A subclass is built from a `WeightingContext` and its declaration. All state from step to step is a
    buffer or a parameter, of a shape that does not change: a training that is continued from a saved state
    then gives the same floats as one that never stopped. What it draws, it draws from PyTorch's global CPU
    generator. Losses and gradients that are not finite must come through as such, so that the training
    shows as diverged; no method raises for them.

    Attributes:
        needs_shared: whether it looks at gradients on shared parameters. The others also have an effect
            where losses meet in nothing but the network's penalty, against which each is weighed then.
    """

    needs_shared: ClassVar[bool] = False

    def __init__(self, context: WeightingContext) -> None:
        super().__init__()
        self.n_tasks = context.n_tasks

    @abstractmethod
    def weights(self, step: Step) -> Tensor:
        """Return the weight of each loss, ``[T]``, positive, with mean 1; without a graph to the network.

        Called once in every step that the weighting has an effect on, so it may remember what it saw.
        """

    def objective(self, step: Step) -> Tensor:
        """Return the scalar whose gradient is followed, without the penalty: the weighted losses."""
        return (self.weights(step) * step.losses).sum()

    def has_effect(self, step: Step) -> bool:
        """Return whether there is anything to balance: several tasks whose losses meet somewhere."""
        meet_in_penalty = step.penalty is not None and not self.needs_shared
        return self.n_tasks > 1 and (bool(step.shared) or meet_in_penalty)

    def backward(self, step: Step) -> None:
        """Set the ``grad`` of every parameter that takes part; all are None or zero before."""
        if self.has_effect(step):
            self.balance(step)
        else:
            descend(plain_sum(step.losses), step.penalty)

    def balance(self, step: Step) -> None:
        """Follow the objective and the penalty: `backward` where the weighting has an effect."""
        descend(self.objective(step), step.penalty)

    def end_epoch(self, losses: Tensor) -> None:
        """Update state after an epoch, given the mean of each task's training loss over it, ``[T]``."""


def plain_sum(losses: Tensor) -> Tensor:
    """Sum ``[T]`` losses, in the order of the tasks."""
    total, *others = losses.unbind()
    for loss in others:
        total = total + loss
    return total


def descend(objective: Tensor, penalty: Tensor | None) -> None:
    """Add the gradient of objective and penalty to the ``grad`` of every parameter they reach."""
    total = objective if penalty is None else objective + penalty
    total.backward()  # type: ignore[no-untyped-call]


def with_mean_one(values: Tensor) -> Tensor:
    """Divide positive ``[T]`` values by their mean."""
    return values / values.mean()
