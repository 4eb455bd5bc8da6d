"""Angular error: the mean angle between predicted and true direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind


@dataclass(frozen=True, slots=True)
class AngularError:
    """Mean angle to the true direction, in degrees; lower is better."""

    name: ClassVar[str] = "angular_error"
    title: ClassVar[str] = "Angular error"
    description: ClassVar[str] = "Mean angle between predicted and true direction."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.angular_error:angular_error"
    unit: ClassVar[str] = "degrees"
    direction: ClassVar[Direction] = Direction.LOWER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.NORMALS,)
