"""Focal loss: cross entropy that pays less attention to what is predicted well already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.parameters import Field
from grouping.recipes.losses.cross_entropy import SMALLEST_SHARE
from grouping.recipes.losses.declaration import Constants, FloatArray


@dataclass(frozen=True, slots=True)
class Focal:
    """Focal loss of classes, or of yes and no."""

    name: ClassVar[str] = "focal"
    title: ClassVar[str] = "Focal loss"
    description: ClassVar[str] = (
        "Cross entropy, times the probability of all other classes to the power of gamma: rows that are "
        "predicted well count little; divided by what the best constant scores."
    )
    source: ClassVar[str] = (
        "Lin, Goyal, Girshick, He and Dollar, Focal loss for dense object detection, ICCV 2017"
    )
    implementation: ClassVar[str] = "grouping.training.losses.focal:FocalLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = (
        TaskKind.BINARY,
        TaskKind.MULTICLASS,
        TaskKind.MULTILABEL,
    )

    gamma: Annotated[
        float, Field(ge=1, le=10, allow_inf_nan=False, description="How little they count; 2 in the paper.")
    ] = 2.0

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`."""
        n_classes = max(n_outputs, 2)  # yes and no have one output
        shares = np.bincount(targets.astype(np.int64), minlength=n_classes) / len(targets)
        best = self._best(shares)
        score = float((shares * -((1 - best) ** self.gamma) * np.log(best)).sum())
        logits = np.log(best)
        return Constants(logits[1:] - logits[0] if n_outputs == 1 else logits, score, score)

    def _best(self, shares: FloatArray) -> FloatArray:
        """Return the probabilities with the least mean loss.

        There ``shares * slope(p)`` is the same for all classes, and the slope falls with p: every p follows
        from that common value, which is the one at which they add up to 1.
        """
        from scipy.optimize import brentq  # losses are listed without SciPy

        def slope(p: float) -> float:
            return float((1 - p) ** self.gamma / p - self.gamma * (1 - p) ** (self.gamma - 1) * np.log(p))

        def probability(share: float, value: float) -> float:
            if share == 0 or share * slope(SMALLEST_SHARE) <= value:
                return SMALLEST_SHARE
            return float(brentq(lambda p: share * slope(p) - value, SMALLEST_SHARE, 1.0, xtol=1e-15))

        def excess(logarithm: float) -> float:
            return sum(probability(share, float(np.exp(logarithm))) for share in shares) - 1.0

        logarithm = brentq(excess, np.log(1e-9), np.log(slope(SMALLEST_SHARE)), xtol=1e-13)
        found = np.array([probability(share, float(np.exp(logarithm))) for share in shares])
        return np.asarray(found / found.sum())
