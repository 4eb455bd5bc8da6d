"""The recipe: how a network is built and trained. Part of a job, so that results can be made again.

A recipe names a method for each of its parts. Which methods there are, and what parameters they take, is
known to `grouping.recipes`; what they do, to `grouping.training`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from annotated_types import Gt, Interval, Len

from grouping.domain.fields import AskedAtMost, Shown, check, from_plain
from grouping.errors import InvalidInputError

EARLY_FIDELITY = 0.2
"""Share of the epochs in a short pass, as in the early stopping approximation of Standley et al. (2020)."""
EpochsOf = Callable[[int, float], int]
"""All epochs that a training takes, from the number of tasks of its network and its fidelity: with those that
come before it, which follow from the methods of a recipe (`grouping.recipes.epochs`)."""
MAX_EPOCHS = 10_000
MAX_WIDTH = 4_096
Width = Annotated[int, Interval(ge=1, le=MAX_WIDTH)]


class Part(StrEnum):
    """The parts of a recipe for which a method is chosen."""

    ENCODER = "encoder"
    """What the layers between inputs and heads are."""
    SHARING = "sharing"
    """Which layers the tasks of a network share, and how."""
    WEIGHTING = "weighting"
    """How the losses, or the gradients, of the tasks are combined."""
    SCHEDULE = "schedule"
    """Which tasks are trained when."""
    OPTIMISER = "optimiser"
    """What turns a gradient into a step."""


class Precision(StrEnum):
    """In what numbers the layers of a network compute while it is trained."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    """Products and convolutions below the heads only: weights, heads, losses, optimiser and all evaluation
    are those of float32."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method by its name, with its parameters.

    Attributes:
        name: of a registered method of that part.
        parameters: ready for JSON; what is left out has the method's default.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return f"{self.name} ({', '.join(f'{key} {value}' for key, value in self.parameters.items())})"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Architecture, loss weighting, schedule and optimisation of every network of a job.
    Attributes:
        hidden: widths of the full-size encoder's stages, in order.
        epochs: passes over the training rows in a full training; the number is fixed, nothing stops early.
        batch_size: rows per gradient step.
        learning_rate: of the optimiser, decayed to zero along a cosine over the epochs of a full training.
        weight_decay: decoupled (AdamW).
        encoder: what the stages are.
        sharing: which of them the tasks share, and how.
        weighting: how the losses are combined.
        schedule: which tasks are trained when.
        optimiser: what takes the steps.
        precision: in what numbers the layers compute while they are trained.
    """

    hidden: Annotated[tuple[Width, ...], Len(1, 16), Shown("Widths of the stages", "--hidden")] = (32, 32)
    epochs: Annotated[int, Interval(ge=1, le=MAX_EPOCHS), Shown("Epochs", "--epochs")] = 25
    batch_size: Annotated[int, Interval(ge=1, le=1_000_000), Shown("Rows per step", "--batch-size")] = 64
    learning_rate: Annotated[float, Gt(0), AskedAtMost(100), Shown("Learning rate", "--learning-rate")] = (
        0.003
    )
    weight_decay: Annotated[float, Interval(ge=0, le=100), Shown("Weight decay", "--weight-decay")] = 0.0
    encoder: Annotated[Method, Shown("Encoder", "--encoder")] = Method("mlp")
    sharing: Annotated[Method, Shown("Sharing", "--sharing")] = Method("hard")
    weighting: Annotated[Method, Shown("Loss weighting", "--weighting")] = Method("equal")
    schedule: Annotated[Method, Shown("Schedule", "--schedule")] = Method("joint")
    optimiser: Annotated[Method, Shown("Optimiser", "--optimiser")] = Method("adamw")
    precision: Annotated[Precision, Shown("Precision", "--precision")] = Precision.FLOAT32

    def __post_init__(self) -> None:
        check(self)
        if self.precision not in list(Precision):
            raise InvalidInputError(f"The precision is one of {', '.join(Precision)}.", pointer="/precision")
        object.__setattr__(self, "precision", Precision(self.precision))

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Recipe:
        """Inverse of ``dataclasses.asdict``; what an older recipe did not name has its default."""
        return from_plain(cls, data)

    def method(self, part: Part) -> Method:
        """The method chosen for a part."""
        chosen: Method = getattr(self, part.value)
        return chosen

    def epochs_at(self, fidelity: float) -> int:
        """Epochs of a training at that share of the full length, without what prepares it; at least one."""
        return max(1, round(self.epochs * fidelity))
