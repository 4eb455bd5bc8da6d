"""Cosine loss of directions, divided by what the mean direction scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.recipes.losses.declaration import Constants, FloatArray


@dataclass(frozen=True, slots=True)
class Cosine:
    """One less the cosine of the angle between predicted and true direction."""

    name: ClassVar[str] = "cosine"
    title: ClassVar[str] = "Cosine loss"
    description: ClassVar[str] = (
        "For directions, such as surface normals: 1 less the cosine of the angle to the true one, whatever "
        "the length of the prediction; divided by what the mean direction scores."
    )
    source: ClassVar[str] = (
        "Eigen and Fergus, Predicting depth, surface normals and semantic labels with a common multi-scale "
        "convolutional architecture, ICCV 2015"
    )
    implementation: ClassVar[str] = "grouping.training.losses.cosine:CosineLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = (TaskKind.NORMALS,)

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`; the targets are directions, ``[rows, 3]``, of any length."""
        mean = (targets / np.linalg.norm(targets, axis=1, keepdims=True)).mean(axis=0)
        length = float(np.linalg.norm(mean))
        best = mean / length if length > 0 else np.eye(n_outputs)[0]
        return Constants(best, 1.0 - length, 1.0 - length)
