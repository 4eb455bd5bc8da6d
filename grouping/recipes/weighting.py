"""Weightings of losses: declarations of how the losses of a network's tasks are combined.

Methods that combine gradients are in `gradient_weighting`. With a
single task, or where tasks share nothing, each of them is plain training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from grouping.parameters import Field
from grouping.recipes.declarations import Declaration
from grouping.recipes.gradient_weighting import GRADIENT_WEIGHTING

_PACKAGE = "grouping.training.weighting"


@dataclass(frozen=True, slots=True)
class Equal:
    """Sum of the losses."""

    name: ClassVar[str] = "equal"
    title: ClassVar[str] = "Equal weights"
    description: ClassVar[str] = "The sum of the losses, each divided by that of the best constant."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = f"{_PACKAGE}.equal:EqualWeighting"


@dataclass(frozen=True, slots=True)
class InverseInitialLoss:
    """Losses divided by their values before training."""

    name: ClassVar[str] = "inverse-initial-loss"
    title: ClassVar[str] = "Inverse initial loss"
    description: ClassVar[str] = "Each loss is divided by its value on the first batch, before any step."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = f"{_PACKAGE}.inverse:InverseInitialLoss"


@dataclass(frozen=True, slots=True)
class InverseLabelPrior:
    """Raw losses divided by a power of the entropy or variance of the labels."""

    name: ClassVar[str] = "inverse-label-prior"
    title: ClassVar[str] = "Inverse label prior"
    description: ClassVar[str] = (
        "Each raw loss is divided by a power of the entropy (classes) or variance (numbers) of its labels. "
        "Losses are divided by these once already: exponent 1 is equal weighting, 0 the sum of raw losses."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = f"{_PACKAGE}.inverse:InverseLabelPrior"

    exponent: Annotated[
        float, Field(ge=0, le=2, description="Power of entropy or variance; 0.5 for the standard deviation.")
    ] = 1.0


@dataclass(frozen=True, slots=True)
class InverseCurrentLoss:
    """Losses divided by their current values."""

    name: ClassVar[str] = "inverse-current-loss"
    title: ClassVar[str] = "Inverse current loss"
    description: ClassVar[str] = (
        "Each loss is divided by its value in this very step: the direction of their geometric mean."
    )
    source: ClassVar[str] = "Chennupati et al., MultiNet++, CVPR workshops 2019"
    implementation: ClassVar[str] = f"{_PACKAGE}.inverse:InverseCurrentLoss"


@dataclass(frozen=True, slots=True)
class InverseGradientNorm:
    """Losses divided by the norms of their gradients."""

    name: ClassVar[str] = "inverse-gradient-norm"
    title: ClassVar[str] = "Inverse gradient norm"
    description: ClassVar[str] = "Each loss is divided by the norm of its gradient on the shared parameters."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = f"{_PACKAGE}.inverse:InverseGradientNorm"


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Losses weighted by learned variances."""

    name: ClassVar[str] = "uncertainty"
    title: ClassVar[str] = "Uncertainty"
    description: ClassVar[str] = (
        "Each task learns the variance of its noise along, and counts in inverse proportion to it."
    )
    source: ClassVar[str] = (
        "Kendall, Gal and Cipolla, Multi-task learning using uncertainty to weigh losses, CVPR 2018"
    )
    implementation: ClassVar[str] = f"{_PACKAGE}.uncertainty:UncertaintyWeighting"


@dataclass(frozen=True, slots=True)
class GradNorm:
    """Gradients of similar norm, adjusted by the rate of training (GradNorm)."""

    name: ClassVar[str] = "gradnorm"
    title: ClassVar[str] = "GradNorm"
    description: ClassVar[str] = (
        "Learns weights under which gradients are of a like size, larger for tasks that learn more slowly."
    )
    source: ClassVar[str] = "Chen et al., GradNorm, ICML 2018"
    implementation: ClassVar[str] = f"{_PACKAGE}.gradnorm:GradNormWeighting"

    alpha: Annotated[
        float, Field(ge=0, le=10, description="How much more a task pulls that learns slowly; 0: all alike.")
    ] = 1.5
    rate: Annotated[float, Field(gt=0, le=1, description="Learning rate of the weights.")] = 0.025


@dataclass(frozen=True, slots=True)
class DynamicWeightAverage:
    """Losses weighted by how slowly they fall."""

    name: ClassVar[str] = "dynamic-weight-average"
    title: ClassVar[str] = "Dynamic weight average"
    description: ClassVar[str] = "More weight to the losses that fell more slowly over the last two epochs."
    source: ClassVar[str] = "Liu, Johns and Davison, End-to-end multi-task learning with attention, CVPR 2019"
    implementation: ClassVar[str] = f"{_PACKAGE}.dynamic_weight_average:DynamicWeightAverageWeighting"

    temperature: Annotated[
        float, Field(gt=0, le=1000, description="The higher, the more alike the weights are.")
    ] = 2.0


@dataclass(frozen=True, slots=True)
class DynamicTaskPrioritisation:
    """Losses weighted so that difficult tasks come first."""

    name: ClassVar[str] = "dynamic-task-prioritisation"
    title: ClassVar[str] = "Dynamic task prioritisation"
    description: ClassVar[str] = (
        "More weight to difficult tasks, by their accuracy or share of variance explained while training."
    )
    source: ClassVar[str] = "Guo et al., Dynamic task prioritization for multitask learning, ECCV 2018"
    implementation: ClassVar[str] = (
        f"{_PACKAGE}.dynamic_task_prioritisation:DynamicTaskPrioritisationWeighting"
    )

    gamma: Annotated[
        float, Field(ge=0, le=10, description="Focus: the higher, the less easy tasks count.")
    ] = 1.0
    smoothing: Annotated[
        float, Field(ge=0, lt=1, description="Share of the indicator that is kept from step to step.")
    ] = 0.9


@dataclass(frozen=True, slots=True)
class LossBalanced:
    """Losses weighted by how far each has fallen within the epoch."""

    name: ClassVar[str] = "loss-balanced"
    title: ClassVar[str] = "Loss-balanced weights"
    description: ClassVar[str] = (
        "A power of each loss relative to the first batch of the epoch: less weight to what falls faster."
    )
    source: ClassVar[str] = (
        "Liu, Liang and Gitter, Loss-balanced task weighting to reduce negative transfer, AAAI 2019"
    )
    implementation: ClassVar[str] = f"{_PACKAGE}.loss_balanced:LossBalancedWeighting"

    alpha: Annotated[float, Field(ge=0, le=5, description="The power; 0 for equal weights.")] = 0.5


WEIGHTING: tuple[type[Declaration], ...] = (
    Equal,
    InverseInitialLoss,
    InverseLabelPrior,
    InverseCurrentLoss,
    InverseGradientNorm,
    Uncertainty,
    GradNorm,
    DynamicWeightAverage,
    DynamicTaskPrioritisation,
    LossBalanced,
    *GRADIENT_WEIGHTING,
)
