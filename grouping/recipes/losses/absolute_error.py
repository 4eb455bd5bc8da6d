"""Absolute error, divided by the mean deviation from the median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.recipes.losses.declaration import NUMBERS, Constants, FloatArray


@dataclass(frozen=True, slots=True)
class AbsoluteError:
    """Absolute error, whose best constant is the median.

    Several outputs have one scale, their mean absolute deviation.
    """

    name: ClassVar[str] = "absolute_error"
    title: ClassVar[str] = "Absolute error"
    description: ClassVar[str] = (
        "Mean absolute error, divided by the mean absolute deviation from the median. A few extreme "
        "targets count less than under squared error."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.losses.absolute_error:AbsoluteErrorLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`. Encoded, the deviation is 1, so the divisor is 1."""
        center = np.median(targets, axis=0)
        deviation = float(np.abs(targets - center).mean())
        return Constants(np.zeros(n_outputs), 1.0, deviation, center, deviation)
