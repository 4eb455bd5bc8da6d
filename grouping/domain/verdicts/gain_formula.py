"""Formulas of gain; NumPy is imported only when a gain is computed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grouping.domain.tables.score_table import FloatArray


class GainFormula(StrEnum):
    """Formula of gain. Standley et al. (2020) mix the two, so each number names its own.

    The divisor is without its sign, so that positive helps where losses are negative too, such as a negative
    log-likelihood. For positive losses the formulas are those of the paper.
    """

    RELATIVE_TO_ALONE = "(alone - together) / abs(alone)"
    RELATIVE_TO_TOGETHER = "(alone - together) / abs(together)"

    def apply(self, alone: FloatArray, together: FloatArray) -> FloatArray:
        """Compute the gain from losses of shapes that broadcast, lower is better; NaN if the divisor is 0."""
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            divisor = alone if self is GainFormula.RELATIVE_TO_ALONE else together
            gain: FloatArray = (alone - together) / np.abs(divisor)
        return np.where(np.isfinite(gain), gain, np.nan)
