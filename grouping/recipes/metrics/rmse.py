"""The root of the mean squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind
from grouping.recipes.metrics.declaration import NUMBERS


@dataclass(frozen=True, slots=True)
class RootMeanSquaredError:
    """See the module."""

    name: ClassVar[str] = "rmse"
    title: ClassVar[str] = "Root mean squared error"
    description: ClassVar[str] = "Root of the mean squared error over all rows and outputs."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.rmse:rmse"
    unit: ClassVar[str] = "that of the target"
    direction: ClassVar[Direction] = Direction.LOWER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS
