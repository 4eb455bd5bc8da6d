"""Huber's loss: squared for small errors, linear for large ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.parameters import Field
from grouping.recipes.losses.declaration import NUMBERS, Constants, FloatArray


@dataclass(frozen=True, slots=True)
class Huber:
    """Huber's loss, whose best constant is where the clipped errors sum to 0; scaled as squared error."""

    name: ClassVar[str] = "huber"
    title: ClassVar[str] = "Huber loss"
    description: ClassVar[str] = (
        "Half the square of an error up to delta, and linear beyond it; divided by what the best constant "
        "scores."
    )
    source: ClassVar[str] = (
        "Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35, 1964"
    )
    implementation: ClassVar[str] = "grouping.training.losses.huber:HuberLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS

    delta: Annotated[
        float,
        Field(
            gt=0,
            le=1e6,
            allow_inf_nan=False,
            description="Where the square ends, in standard deviations of the target.",
        ),
    ] = 1.0

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`."""
        mean = targets.mean(axis=0)
        scale = math.sqrt(float(np.square(targets - mean).mean()))
        scaled = (targets - mean) / scale
        best = np.array([self._balance(column) for column in scaled.T])
        size = np.abs(scaled - best)
        inner = np.minimum(size, self.delta)
        loss = float((inner * (size - 0.5 * inner)).mean())
        return Constants(np.zeros(n_outputs), loss, loss * scale**2, mean + scale * best, scale)

    def _balance(self, values: FloatArray) -> float:
        from scipy.optimize import brentq  # losses are listed without SciPy

        def pull(constant: float) -> float:
            return float(np.clip(values - constant, -self.delta, self.delta).mean())

        lowest, highest = float(values.min()), float(values.max())
        return lowest if lowest == highest else float(brentq(pull, lowest, highest, xtol=1e-14))
