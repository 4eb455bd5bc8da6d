"""Balanced cross entropy: rare classes weigh more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.parameters import Field
from grouping.recipes.losses.cross_entropy import SMALLEST_SHARE
from grouping.recipes.losses.declaration import Constants, FloatArray


@dataclass(frozen=True, slots=True)
class BalancedCrossEntropy:
    """Cross entropy with weights on the classes, whose best constant predicts the weighted frequencies."""

    name: ClassVar[str] = "balanced_cross_entropy"
    title: ClassVar[str] = "Balanced cross entropy"
    description: ClassVar[str] = (
        "Cross entropy of classes, or of yes and no, with more weight on the rarer ones; divided by the "
        "entropy of the weighted frequencies."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.losses.balanced_cross_entropy:BalancedCrossEntropyLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.BINARY, TaskKind.MULTICLASS)

    balance: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            allow_inf_nan=False,
            description="1 counts all classes alike, however many rows they have; near 0 all rows alike.",
        ),
    ] = 1.0

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`.

        A class weighs its share of the training rows to the power of minus `balance`, times what makes the
        mean weight of a row 1.
        """
        n_classes = max(n_outputs, 2)  # yes and no have one output
        shares = np.bincount(targets.astype(np.int64), minlength=n_classes) / len(targets)
        present = shares > 0
        weights = np.where(present, np.where(present, shares, 1.0) ** -self.balance, 0.0)
        weights = np.where(present, weights / float((shares * weights).sum()), 1.0)
        weighted = shares * weights
        entropy = -float(np.sum(weighted[present] * np.log(weighted[present])))
        logits = np.log(np.maximum(weighted, SMALLEST_SHARE))
        best = logits[1:] - logits[0] if n_outputs == 1 else logits
        return Constants(best, entropy, entropy, class_weights=weights)
