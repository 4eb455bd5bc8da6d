"""Cross entropy of classes, divided by the entropy of their frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.recipes.losses.declaration import Constants, FloatArray

SMALLEST_SHARE = 1e-12
"""A class without training rows gets a share that is negligible, not a logit of minus infinity."""


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Cross entropy of classes, whose best constant predicts their frequencies."""

    name: ClassVar[str] = "cross_entropy"
    title: ClassVar[str] = "Cross entropy"
    description: ClassVar[str] = "Cross entropy, divided by the entropy of the class frequencies."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.losses.cross_entropy:CrossEntropyLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.MULTICLASS, TaskKind.RANKING, TaskKind.CLASS_MAP)

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`; the targets are class numbers."""
        shares = np.bincount(targets.astype(np.int64), minlength=n_outputs) / len(targets)
        present = shares > 0
        entropy = -float(np.sum(shares[present] * np.log(shares[present])))
        return Constants(np.log(np.maximum(shares, SMALLEST_SHARE)), entropy, entropy)
