"""Average precision: the area under the curve of precision against recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Area under the curve of precision against recall; higher is better."""

    name: ClassVar[str] = "average_precision"
    title: ClassVar[str] = "Average precision"
    description: ClassVar[str] = (
        "Mean precision over the positive rows in the order of the outputs; 0 where there are none."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.average_precision:average_precision"
    unit: ClassVar[str] = "0 to 1"
    direction: ClassVar[Direction] = Direction.HIGHER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.BINARY, TaskKind.MULTILABEL)
