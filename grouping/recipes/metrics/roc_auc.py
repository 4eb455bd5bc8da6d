"""ROC AUC: the area under the curve of true against false positives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind


@dataclass(frozen=True, slots=True)
class RocAuc:
    """Area under the curve of true against false positives; higher is better."""

    name: ClassVar[str] = "roc_auc"
    title: ClassVar[str] = "Area under the ROC curve"
    description: ClassVar[str] = (
        "How often a positive row has a larger output than a negative one; 0.5 where only one of both occurs."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.roc_auc:roc_auc"
    unit: ClassVar[str] = "0 to 1"
    direction: ClassVar[Direction] = Direction.HIGHER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.BINARY, TaskKind.MULTILABEL)
