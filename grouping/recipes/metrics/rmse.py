"""Root mean squared error, in the units of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind
from grouping.recipes.metrics.declaration import NUMBERS


@dataclass(frozen=True, slots=True)
class RootMeanSquaredError:
    """Root mean squared error, in the units of the target; lower is better."""

    name: ClassVar[str] = "rmse"
    title: ClassVar[str] = "Root mean squared error"
    description: ClassVar[str] = "Root of the mean squared error over all rows and outputs."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.rmse:rmse"
    unit: ClassVar[str] = "that of the target"
    direction: ClassVar[Direction] = Direction.LOWER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS
