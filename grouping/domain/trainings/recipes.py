"""Recipe: how a network is built and trained; part of a job, so that its results can be reproduced.

A recipe names a method for each of its parts. `grouping.recipes` declares the methods and their parameters;
`grouping.training` implements them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from annotated_types import Gt, Interval, Le, Len

from grouping.domain.fields import STRICT, AskedAtMost, Shown, check, from_plain
from grouping.errors import InvalidInputError

MAX_EPOCHS = 10_000
MAX_WIDTH = 4_096
Width = Annotated[int, Interval(ge=1, le=MAX_WIDTH)]


class Part(StrEnum):
    """A part of a recipe for which a method is chosen."""

    ENCODER = "encoder"
    """Architecture of the layers between inputs and heads."""
    SHARING = "sharing"
    """Which layers the tasks of a network share, and how."""
    WEIGHTING = "weighting"
    """How the losses, or the gradients, of the tasks are combined."""
    SCHEDULE = "schedule"
    """Which tasks are trained when."""
    SAMPLING = "sampling"
    """Which rows a gradient step sees, and for which tasks they count."""
    OPTIMISER = "optimiser"
    """Rule that turns a gradient into a step."""
    LEARNING_RATE_SCHEDULE = "learning_rate_schedule"
    """How the learning rate changes during a training."""
    AUGMENTATION = "augmentation"
    """How the rows of a gradient step are changed before they are seen, inputs and targets together."""

    @property
    def words(self) -> str:
        """The name for people."""
        return self.value.replace("_", " ")


class Precision(StrEnum):
    """Number format in which the layers of a network compute during training."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    """Products and convolutions below the heads only: weights, heads, losses, optimiser and all evaluation
    are those of float32."""
    FLOAT16 = "float16"
    """The same layers as under bfloat16; gradients are scaled while they pass through them."""


@dataclass(frozen=True, slots=True)
class Method:
    """Name and parameters of a method.

    Attributes:
        name: name of a registered method.
        parameters: parameters by name, ready for JSON; one that is left out has the method's default.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

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
        hidden: widths of the stages of the full-size encoder, in order.
        epochs: passes over the training rows in a full training; with `patience` at most so many.
        batch_size: rows per gradient step; with the sampling by task, of each task on average.
        learning_rate: learning rate of the optimiser, which the learning-rate schedule changes during a full
            training.
        weight_decay: decoupled weight decay, as in AdamW.
        encoder: architecture of the encoder's stages.
        sharing: which stages of the encoder the tasks share, and how.
        weighting: how the losses, or the gradients, of the tasks are combined.
        schedule: which tasks are trained in which phase of a training.
        sampling: which rows a gradient step sees, and for which tasks they count.
        optimiser: algorithm that updates the weights in each gradient step.
        precision: number format in which the layers compute during training.
        learning_rate_schedule: how the learning rate changes during a training.
        augmentation: how rows are changed before a gradient step sees them.
        patience: epochs without a lower validation loss after which a training ends, with the weights of its
            best epoch; 0 carries out all epochs and keeps the last weights.
        gradient_clip: largest norm of the gradient of a network in a step, to which a longer one is
            shortened; 0 for no limit.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

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
    sampling: Annotated[Method, Shown("Sampling of rows", "--sampling")] = Method("rows")
    optimiser: Annotated[Method, Shown("Optimiser", "--optimiser")] = Method("adamw")
    precision: Annotated[Precision, Shown("Precision", "--precision")] = Precision.FLOAT32
    learning_rate_schedule: Annotated[Method, Shown("Learning-rate schedule", "--learning-rate-schedule")] = (
        Method("cosine")
    )
    augmentation: Annotated[Method, Shown("Augmentation", "--augmentation")] = Method("none")
    patience: Annotated[int, Interval(ge=0, le=MAX_EPOCHS), Shown("Patience in epochs", "--patience")] = 0
    gradient_clip: Annotated[
        float, Interval(ge=0, le=1e6), Shown("Largest gradient norm", "--gradient-clip")
    ] = 0.0

    def __post_init__(self) -> None:
        check(self)
        if self.precision not in list(Precision):
            raise InvalidInputError(f"The precision is one of {', '.join(Precision)}.", pointer="/precision")
        object.__setattr__(self, "precision", Precision(self.precision))

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Recipe:
        """Build a recipe from the result of ``dataclasses.asdict``; missing fields have their defaults."""
        return from_plain(cls, data)

    def identity(self) -> dict[str, Any]:
        """Return what equal recipes are known by, ready for JSON.

        Fields that recipes have not always had count only where they differ from their default: so what was
        kept under a recipe before is found again.
        """
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in LATER_FIELDS or getattr(self, name) != getattr(_DEFAULT, name)
        }

    def method(self, part: Part) -> Method:
        """Return the method chosen for a part."""
        chosen: Method = getattr(self, part.value)
        return chosen

    def epochs_at(self, fidelity: float) -> int:
        """Return the epochs of a training at a fidelity, without those that prepare it; at least one."""
        return max(1, round(self.epochs * fidelity))


_DEFAULT = Recipe()
LATER_FIELDS = frozenset({"learning_rate_schedule", "augmentation", "patience", "gradient_clip"})
"""Fields added to recipes after checkpoints were named by them; a further one belongs here too."""


@dataclass(frozen=True, slots=True)
class BuiltInParameters:
    """Parameters of the built-in trainer; over HTTP they may also stand beside its name, in the job itself.

    Attributes:
        recipe: how networks are built and trained by the built-in trainer.
        tuning_samples: number of pairs of learning rate and weight decay to try before the search, the
            recipe's own pair first; the best pair is used. 0 keeps the recipe's own.
        train_share: share of the training rows that networks are trained on, the same rows for every network
            and seed; validation and test rows stay.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

    recipe: Recipe = field(default_factory=Recipe)
    tuning_samples: Annotated[
        int, Interval(ge=0, le=100), Shown("Recipes to try before", "--tuning-samples")
    ] = 0
    train_share: Annotated[float, Gt(0), Le(1), Shown("Share of the training rows", "--train-share")] = 1.0

    def __post_init__(self) -> None:
        check(self)

    def as_mapping(self) -> Mapping[str, Any]:
        """Return the parameters as a job keeps them, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> BuiltInParameters:
        """Invert `as_mapping`; missing fields have their defaults."""
        return from_plain(cls, data)
