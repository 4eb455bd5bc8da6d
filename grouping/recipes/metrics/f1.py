"""F1 score: the harmonic mean of precision and recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind
from grouping.recipes.metrics.declaration import CLASSES


@dataclass(frozen=True, slots=True)
class F1:
    """Harmonic mean of precision and recall; higher is better."""

    name: ClassVar[str] = "f1"
    title: ClassVar[str] = "F1"
    description: ClassVar[str] = (
        "Harmonic mean of precision and recall of the positive rows; for several classes the mean over "
        "those that occur."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.f1:f1"
    unit: ClassVar[str] = "0 to 1"
    direction: ClassVar[Direction] = Direction.HIGHER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = CLASSES
