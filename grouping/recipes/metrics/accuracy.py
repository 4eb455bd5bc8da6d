"""Accuracy: the share of rows with the right class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind
from grouping.recipes.metrics.declaration import CLASSES


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of rows with the right class; higher is better."""

    name: ClassVar[str] = "accuracy"
    title: ClassVar[str] = "Accuracy"
    description: ClassVar[str] = (
        "Share of the rows whose class, truth value or candidate is the predicted one."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.accuracy:accuracy"
    unit: ClassVar[str] = "share of the rows"
    direction: ClassVar[Direction] = Direction.HIGHER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = (*CLASSES, TaskKind.RANKING)
