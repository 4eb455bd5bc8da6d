"""Quantile loss, also called pinball loss: predicts a quantile instead of the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from grouping.domain.tasks import TaskKind
from grouping.parameters import Field
from grouping.recipes.losses.declaration import NUMBERS, Constants, FloatArray


@dataclass(frozen=True, slots=True)
class Quantile:
    """Quantile loss, whose best constant is the quantile.

    Several outputs have one scale, their mean distance from it.
    """

    name: ClassVar[str] = "quantile"
    title: ClassVar[str] = "Quantile loss"
    description: ClassVar[str] = (
        "Errors below the target cost the quantile, errors above it one minus the quantile, in proportion to "
        "their size; divided by what the best constant scores."
    )
    source: ClassVar[str] = "Koenker and Bassett, Regression quantiles, Econometrica 46, 1978"
    implementation: ClassVar[str] = "grouping.training.losses.quantile:QuantileLoss"
    kinds: ClassVar[tuple[TaskKind, ...]] = NUMBERS

    quantile: Annotated[
        float, Field(gt=0, lt=1, description="Share of the targets that the prediction should exceed.")
    ] = 0.5

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """See `LossDeclaration.constants`."""
        center = np.quantile(targets, self.quantile, axis=0, method="inverted_cdf")
        above = targets - center
        scale = float(np.abs(above).mean())
        loss = float(np.maximum(self.quantile * above, (self.quantile - 1) * above).mean())
        return Constants(np.zeros(n_outputs), loss / scale, loss, center, scale)
