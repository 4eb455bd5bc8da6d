"""Blueprint: builds the layers of the network of a group from an encoder, widths, tasks and a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from grouping.domain.tasks import Task
from grouping.training.initialisation import seeded


@dataclass(frozen=True)
class Encoder(ABC):
    """An architecture as a sequence of stages, which methods of sharing combine in their own ways.

    A stage is a module from a tensor to a tensor. The first one takes the inputs, ``[rows, n_features]``;
    each gives features with as many channels as its width, which are the last dimension, or the second one
    where there are four (``[rows, channels, height, width]``). Stages of one index and one width give
    features of one shape, so that they may be added, mixed and multiplied. Where there are three, a position
    whose features are all 0 is padding, and is to stay so.

    Subclasses are frozen dataclasses that may be compared and hashed. They build modules on the default
    device of PyTorch and draw initial weights from its global generator: see `Blueprint`.

    Attributes:
        n_features: width of the inputs.
    """

    n_features: int

    @abstractmethod
    def stage(self, index: int, n_in: int, width: int) -> nn.Module:
        """Build the stage at `index`, from `n_in` channels (inputs, for the first) to `width` channels."""

    @abstractmethod
    def head(self, task: Task, width: int) -> nn.Module:
        """Build a head, from features of the last stage (`width` channels) to ``[rows, task.n_outputs]``."""

    @abstractmethod
    def pointwise(self, n_in: int, n_out: int) -> nn.Module:
        """Build a linear map of the channels, the same at every position of the features."""

    def summary(self, features: Tensor) -> Tensor:
        """Return one vector per row, ``[rows, channels]``: the mean of a stage's features over positions."""
        if features.ndim == 4:
            return features.mean(dim=(2, 3))
        return features if features.ndim == 2 else features.mean(dim=1)

    def gate_inputs(self, inputs: Tensor) -> Tensor:
        """Return what gates read to route a row, ``[rows, n_gate_inputs]``: the inputs themselves."""
        return inputs

    @property
    def n_gate_inputs(self) -> int:
        """Width of `gate_inputs`."""
        return self.n_features

    def trial_rows(self, n_rows: int) -> Tensor:
        """Return inputs that the stages can be run on, ``[n_rows, n_features]``; ones unless overridden."""
        return torch.ones(n_rows, self.n_features)

    def counted_on(self, hidden: tuple[int, ...]) -> str:
        """Return the device that costs are counted on: ``meta``, where tensors have no values, if it can."""
        return "meta"

    def check_widths(self, hidden: tuple[int, ...]) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse widths that this architecture cannot have.

        Raises:
            InvalidInputError: saying which would do, pointing at ``/hidden``.
        """

    def scaled(self, hidden: tuple[int, ...], factor: Fraction) -> tuple[int, ...]:
        """Return widths of a smaller or larger encoder; at least 1, not decreasing in the factor."""
        return tuple(max(1, int(width * factor)) for width in hidden)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Builds the layers of one network, each with the initial weights that its seed decides.

    Attributes:
        encoder: the architecture.
        widths: widths of the stages, at the size of the network.
        tasks: tasks of the network's group, in canonical order.
        seed: seed of the initial weights.
        device: where modules are built; ``meta`` allocates nothing, to measure costs.
    """

    encoder: Encoder
    widths: tuple[int, ...]
    tasks: tuple[Task, ...]
    seed: int = 0
    device: str = "cpu"

    def stages(self, *owner: str | int, widths: Sequence[int] | None = None) -> nn.ModuleList:
        """Build all stages of an encoder.

        Args:
            owner: owner of the stages, such as the name of a task; those without owner are the shared ones,
                and start from the same weights in every network of one seed and size.
            widths: widths of the stages; those of the network unless given.
        """
        wanted = tuple(widths or self.widths)
        n_ins = (self.encoder.n_features, *wanted[:-1])
        with torch.device(self.device), seeded("encoder", self.seed, n_ins[0], *wanted, *owner):
            return nn.ModuleList(
                self.encoder.stage(i, n_in, width)
                for i, (n_in, width) in enumerate(zip(n_ins, wanted, strict=True))
            )

    def stage(
        self, index: int, *owner: str | int, n_in: int | None = None, width: int | None = None
    ) -> nn.Module:
        """Build one stage of an owner, from and to other widths if they are given."""
        before = self.widths[index - 1] if index else self.encoder.n_features
        sizes = (n_in or before, width or self.widths[index])
        with torch.device(self.device), seeded("stage", self.seed, index, *sizes, *owner):
            return self.encoder.stage(index, *sizes)

    def head(self, task: Task, width: int | None = None) -> nn.Module:
        """Build the head of a task; its initial weights depend on the task, not on others of the group."""
        n_in = width or self.widths[-1]
        with torch.device(self.device), seeded("head", self.seed, n_in, task.n_outputs, task.name):
            return self.encoder.head(task, n_in)

    def heads(self, width: int | None = None) -> nn.ModuleList:
        """Build a head for each task, as a list: task names may hold dots, module names not."""
        return nn.ModuleList(self.head(task, width) for task in self.tasks)

    def pointwise(self, n_in: int, n_out: int, *owner: str | int) -> nn.Module:
        """Build a linear map of channels for an owner."""
        with torch.device(self.device), seeded("pointwise", self.seed, n_in, n_out, *owner):
            return self.encoder.pointwise(n_in, n_out)

    def gate(self, n_out: int, *owner: str | int, n_in: int | None = None) -> nn.Linear:
        """Build a linear map to `n_out` logits that starts at zero, so that all choices are equal.

        Args:
            n_out: number of choices.
            owner: owner of the gate, such as the name of a task.
            n_in: width of its input; that of `Encoder.gate_inputs` unless given.
        """
        with torch.device(self.device), seeded("gate", self.seed, n_out, *owner):
            gate = nn.Linear(n_in or self.encoder.n_gate_inputs, n_out)
        with torch.no_grad():
            gate.weight.zero_()
            gate.bias.zero_()
        return gate

    def parameter(self, values: Tensor) -> nn.Parameter:
        """Return a parameter that starts at these values."""
        return nn.Parameter(values.to(self.device))
