"""Ranked probability score: cross entropy's place for classes that have an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.recipes.losses.cross_entropy import SMALLEST_SHARE
from grouping.recipes.losses.declaration import Constants, FloatArray


@dataclass(frozen=True, slots=True)
class RankedProbability:
    """Ranked probability score, whose best constant predicts the class frequencies."""

    name: ClassVar[str] = "ranked_probability"
    title: ClassVar[str] = "Ranked probability score"
    description: ClassVar[str] = (
        "For classes with an order, such as grades: squared error of the probabilities that the class is at "
        "most 0, 1 and so on, so that a near miss costs less than a far one; divided by what the class "
        "frequencies score."
    )
    source: ClassVar[str] = (
        "Epstein, A scoring system for probability forecasts of ranked categories, Journal of Applied "
        "Meteorology 8, 1969"
    )
    implementation: ClassVar[str] = "grouping.training.losses.ranked_probability:RankedProbabilityLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.MULTICLASS,)

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`; the targets are class numbers."""
        shares = np.bincount(targets.astype(np.int64), minlength=n_outputs) / len(targets)
        at_most = np.cumsum(shares)[:-1]
        score = float((at_most * (1 - at_most)).mean())
        return Constants(np.log(np.maximum(shares, SMALLEST_SHARE)), score, score)
