"""Class distance: how far off the predicted class is, for classes that have an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind


@dataclass(frozen=True, slots=True)
class ClassDistance:
    """Mean number of steps from the predicted to the true class; lower is better."""

    name: ClassVar[str] = "class_distance"
    title: ClassVar[str] = "Class distance"
    description: ClassVar[str] = (
        "Mean number of steps from the predicted to the true class, for ordered classes."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.class_distance:class_distance"
    unit: ClassVar[str] = "classes"
    direction: ClassVar[Direction] = Direction.LOWER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.MULTICLASS,)
