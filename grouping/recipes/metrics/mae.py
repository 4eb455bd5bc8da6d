"""Mean absolute error, in the units of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind
from grouping.recipes.metrics.declaration import NUMBERS


@dataclass(frozen=True, slots=True)
class MeanAbsoluteError:
    """Mean absolute error, in the units of the target; lower is better."""

    name: ClassVar[str] = "mae"
    title: ClassVar[str] = "Mean absolute error"
    description: ClassVar[str] = "Mean absolute error over all rows and outputs."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.mae:mae"
    unit: ClassVar[str] = "that of the target"
    direction: ClassVar[Direction] = Direction.LOWER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS
