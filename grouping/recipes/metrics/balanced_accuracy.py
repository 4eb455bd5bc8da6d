"""Balanced accuracy: every class counts alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind
from grouping.recipes.metrics.declaration import CLASSES


@dataclass(frozen=True, slots=True)
class BalancedAccuracy:
    """Accuracy with every class counted alike; higher is better."""

    name: ClassVar[str] = "balanced_accuracy"
    title: ClassVar[str] = "Balanced accuracy"
    description: ClassVar[str] = (
        "Mean over the classes of the share of their rows that are found; classes without rows are left out."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.balanced_accuracy:balanced_accuracy"
    unit: ClassVar[str] = "share of the rows of a class"
    direction: ClassVar[Direction] = Direction.HIGHER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = CLASSES
