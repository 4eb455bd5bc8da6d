"""The Poisson loss for counts and rates: a head gives the logarithm of the expected number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.errors import InvalidInputError
from grouping.recipes.losses.declaration import NUMBERS, Constants, FloatArray

SMALLEST_SHARE = 1e-12
"""Of the mean of all outputs: an output that is always 0 is predicted as this much."""


@dataclass(frozen=True, slots=True)
class Poisson:
    """Poisson loss, whose best constant is the mean; several outputs have one scale, the mean of all."""

    name: ClassVar[str] = "poisson"
    title: ClassVar[str] = "Poisson loss"
    description: ClassVar[str] = (
        "Half the Poisson deviance of counts, or of other numbers that are not negative; divided by that of "
        "the mean. A head gives the logarithm of the expected number."
    )
    source: ClassVar[str] = "McCullagh and Nelder, Generalized linear models, 1989"
    implementation: ClassVar[str] = "grouping.training.losses.poisson:PoissonLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`.

        Raises:
            InvalidInputError: if a target is negative.
        """
        if targets.min() < 0:
            raise InvalidInputError("The poisson loss takes targets of at least 0, and some are negative.")
        scale = float(targets.mean())
        scaled = targets / scale
        best = np.maximum(scaled.mean(axis=0), SMALLEST_SHARE)
        logarithms = np.log(np.where(scaled > 0, scaled, 1.0)) - np.log(best)
        loss = float((scaled * logarithms + best - scaled).mean())
        return Constants(np.log(best), loss, loss * scale, scale=scale)
