"""R²: the share of variance explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind
from grouping.recipes.metrics.declaration import NUMBERS


@dataclass(frozen=True, slots=True)
class R2:
    """Share of variance explained; higher is better."""

    name: ClassVar[str] = "r2"
    title: ClassVar[str] = "R²"
    description: ClassVar[str] = (
        "Share of the variance explained, over all outputs; 0 where the rows do not vary."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.r2:r2"
    unit: ClassVar[str] = "share of the variance"
    direction: ClassVar[Direction] = Direction.HIGHER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS
