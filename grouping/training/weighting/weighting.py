"""What a method of weighting is given, and what it has to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from grouping.training.gradients import gradients_of
from grouping.training.losses import Normalisation


@dataclass(frozen=True, slots=True)
class WeightingContext:
    """The tasks that are trained together in a phase of a training.

    Attributes:
        normalisations: of the `T` tasks, in order, with the constants of their losses.
        n_epochs: of the phase.
        device: of the training.
    """

    normalisations: Sequence[Normalisation]
    n_epochs: int
    device: torch.device

    @property
    def n_tasks(self) -> int:
        """How many tasks there are."""
        return len(self.normalisations)


@dataclass(frozen=True, slots=True)
class Step:
    """One batch, after the forward pass.

    Attributes:
        losses: ``[T]``, with their graph; normalised, lower is better.
        shared: parameters that several losses meet in, by name.
        penalty: of the network, to be added as it is; None for none.
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
        """Gradient of each loss on the shared parameters, flattened, ``[T, P]``; the graph is kept.

        A loss that does not reach a parameter has a gradient of zero there.
        """
        return gradients_of(self.losses, list(self.shared.values()))


class Weighting(nn.Module, ABC):
    """Turns the losses of a step into gradients. Its parameters are trained along, its buffers are saved.

    A subclass takes a `WeightingContext` and its declaration. Most only say in `weights` how much each loss
    counts; those that combine gradients override `backward`.
    """

    def __init__(self, context: WeightingContext) -> None:
        super().__init__()
        self.n_tasks = context.n_tasks

    @abstractmethod
    def weights(self, step: Step) -> Tensor:
        """How much each loss counts, ``[T]``, positive, with mean 1; without a graph to the network."""

    def objective(self, step: Step) -> Tensor:
        """The scalar whose gradient is followed, without the penalty: the weighted sum of the losses."""
        return (self.weights(step) * step.losses).sum()

    def backward(self, step: Step) -> None:
        """Set the ``grad`` of every parameter that takes part; all are None or zero before."""
        objective = self.objective(step)
        if step.penalty is not None:
            objective = objective + step.penalty
        objective.backward()  # type: ignore[no-untyped-call]

    def end_epoch(self, losses: Tensor) -> None:
        """Called after every epoch with the mean of each task's training loss over it, ``[T]``."""
