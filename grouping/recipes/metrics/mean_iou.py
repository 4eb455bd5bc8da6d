"""Mean IoU: intersection by union of predicted and true pixels, as the mean over the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind


@dataclass(frozen=True, slots=True)
class MeanIou:
    """Mean over the classes of intersection by union of predicted and true pixels; higher is better."""

    name: ClassVar[str] = "mean_iou"
    title: ClassVar[str] = "Mean IoU"
    description: ClassVar[str] = (
        "Intersection by union of predicted and true pixels, as the mean over the classes that are true or "
        "predicted somewhere."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.mean_iou:mean_iou"
    unit: ClassVar[str] = "share of the union"
    direction: ClassVar[Direction] = Direction.HIGHER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.CLASS_MAP,)
