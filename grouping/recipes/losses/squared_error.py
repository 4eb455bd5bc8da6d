"""Squared error, divided by the variance of the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.recipes.losses.declaration import NUMBERS, Constants, FloatArray


@dataclass(frozen=True, slots=True)
class SquaredError:
    """Squared error, whose best constant is the mean.

    Several outputs have one scale, the root of their mean variance.
    """

    name: ClassVar[str] = "squared_error"
    title: ClassVar[str] = "Squared error"
    description: ClassVar[str] = "Mean squared error, divided by the mean variance of an output."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.losses.squared_error:SquaredErrorLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`. Encoded, the variance is 1, so the divisor is 1."""
        center = targets.mean(axis=0)
        variance = float(np.square(targets - center).mean())
        return Constants(np.zeros(n_outputs), 1.0, variance, center, math.sqrt(variance))
