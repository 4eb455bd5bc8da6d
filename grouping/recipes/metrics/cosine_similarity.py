"""Cosine similarity: the mean cosine of the angle between predicted and true direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.tasks import Direction, TaskKind


@dataclass(frozen=True, slots=True)
class CosineSimilarity:
    """Mean cosine of the angle to the true direction; higher is better."""

    name: ClassVar[str] = "cosine_similarity"
    title: ClassVar[str] = "Cosine similarity"
    description: ClassVar[str] = "Mean cosine of the angle between predicted and true direction."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.metrics.cosine_similarity:cosine_similarity"
    unit: ClassVar[str] = "cosine"
    direction: ClassVar[Direction] = Direction.HIGHER_IS_BETTER
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.NORMALS,)
