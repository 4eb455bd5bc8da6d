"""Learning-rate schedules: declarations of how the learning rate changes during a training.

The learning rate itself is a field of the recipe; a schedule gives a factor on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from grouping.parameters import Field
from grouping.recipes.declarations import Declaration

_PACKAGE = "grouping.training.learning_rates"


@dataclass(frozen=True, slots=True)
class Cosine:
    """Learning rate that decays to 0 along a cosine."""

    name: ClassVar[str] = "cosine"
    title: ClassVar[str] = "Cosine decay"
    description: ClassVar[str] = (
        "The learning rate decays to 0 along half a cosine over the epochs of a full training."
    )
    source: ClassVar[str] = (
        "Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, without "
        "restarts"
    )
    implementation: ClassVar[str] = f"{_PACKAGE}.cosine:CosineSchedule"


@dataclass(frozen=True, slots=True)
class Constant:
    """Learning rate that stays."""

    name: ClassVar[str] = "constant"
    title: ClassVar[str] = "Constant"
    description: ClassVar[str] = "The learning rate stays as it is."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = f"{_PACKAGE}.constant:ConstantSchedule"


@dataclass(frozen=True, slots=True)
class OneCycle:
    """Learning rate that rises and then falls, once."""

    name: ClassVar[str] = "one-cycle"
    title: ClassVar[str] = "One cycle"
    description: ClassVar[str] = (
        "The learning rate of the recipe is the largest one: it is reached along half a cosine from "
        "a smaller one, and then falls far below that along another. Momentum stays as it is."
    )
    source: ClassVar[str] = (
        "Smith and Topin, Super-convergence: very fast training of neural networks using large learning "
        "rates, 2019; as PyTorch's OneCycleLR"
    )
    implementation: ClassVar[str] = f"{_PACKAGE}.one_cycle:OneCycleSchedule"

    rising_share: Annotated[
        float, Field(gt=0, lt=1, description="Share of the epochs in which the learning rate rises.")
    ] = 0.3
    start_divisor: Annotated[
        float, Field(ge=1, le=1e6, description="The largest learning rate over the first one.")
    ] = 25.0
    end_divisor: Annotated[
        float, Field(ge=1, le=1e9, description="The first learning rate over the last one.")
    ] = 1e4


@dataclass(frozen=True, slots=True)
class Plateau:
    """Learning rate that falls when the validation loss does not."""

    name: ClassVar[str] = "plateau"
    title: ClassVar[str] = "Lower on a plateau"
    description: ClassVar[str] = (
        "The learning rate is multiplied by a factor whenever the validation loss, the sum over the tasks of "
        "the network, has not fallen for some epochs. Each network has a learning rate of its own, so "
        "networks are trained one by one."
    )
    source: ClassVar[str] = "PyTorch's ReduceLROnPlateau"
    implementation: ClassVar[str] = f"{_PACKAGE}.plateau:PlateauSchedule"

    factor: Annotated[float, Field(gt=0, lt=1, description="What the learning rate is multiplied by.")] = 0.1
    patience: Annotated[
        int, Field(ge=0, le=10_000, description="Epochs without a lower loss that change nothing yet.")
    ] = 5
    threshold: Annotated[
        float, Field(ge=0, lt=1, description="Share by which a loss must fall to count as lower.")
    ] = 1e-4
    least: Annotated[
        float, Field(ge=0, le=1, description="Least learning rate, as a share of the recipe's.")
    ] = 0.0


LEARNING_RATE_SCHEDULES: tuple[type[Declaration], ...] = (Cosine, Constant, OneCycle, Plateau)
