"""Optimisers: declarations of methods that turn a gradient into a step.

Learning rate and weight decay are fields of the recipe itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from grouping.parameters import Field
from grouping.recipes.declarations import Declaration


@dataclass(frozen=True, slots=True)
class AdamW:
    """Adam with decoupled weight decay."""

    name: ClassVar[str] = "adamw"
    title: ClassVar[str] = "AdamW"
    description: ClassVar[str] = "Adam with decoupled weight decay."
    source: ClassVar[str] = "Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019"
    implementation: ClassVar[str] = "grouping.training.optimisers:build_adamw"


@dataclass(frozen=True, slots=True)
class Sgd:
    """Gradient descent with momentum."""

    name: ClassVar[str] = "sgd"
    title: ClassVar[str] = "Gradient descent with momentum"
    description: ClassVar[str] = "Stochastic gradient descent; the paper's own experiments used it."
    source: ClassVar[str] = "Standley et al., Which tasks should be learned together, ICML 2020"
    implementation: ClassVar[str] = "grouping.training.optimisers:build_sgd"

    momentum: Annotated[float, Field(ge=0, lt=1, description="Share of the last step that is kept.")] = 0.9


OPTIMISERS: tuple[type[Declaration], ...] = (AdamW, Sgd)
