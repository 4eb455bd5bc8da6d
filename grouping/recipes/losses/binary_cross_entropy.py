"""Binary cross entropy, divided by the entropy of the positive rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.recipes.losses.declaration import Constants, FloatArray

SMALLEST_RATE = 1e-12
"""A label that is always, or never, given has a large logit, and not an infinite one."""


@dataclass(frozen=True, slots=True)
class BinaryCrossEntropy:
    """Binary cross entropy, whose best constant predicts the positive rate."""

    name: ClassVar[str] = "binary_cross_entropy"
    title: ClassVar[str] = "Binary cross entropy"
    description: ClassVar[str] = "Binary cross entropy, divided by the entropy of the positive rate."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.losses.binary_cross_entropy:BinaryCrossEntropyLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.BINARY, TaskKind.MULTILABEL)

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`; the targets are 0 and 1."""
        rate = min(max(float(targets.mean()), SMALLEST_RATE), 1 - SMALLEST_RATE)
        entropy = -rate * math.log(rate) - (1 - rate) * math.log1p(-rate)
        return Constants(np.array([math.log(rate) - math.log1p(-rate)]), entropy, entropy)
