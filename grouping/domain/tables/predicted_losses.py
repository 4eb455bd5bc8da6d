"""Expected losses of networks, such as those that a search predicts for what is not trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.cells import FloatArray
from grouping.domain.tables.loss_table import LossTable


@dataclass(frozen=True, eq=False)
class PredictedLosses(LossTable):
    """Expected losses of networks, measured or predicted; immutable.

    Attributes:
        losses: ``[N, T]``, NaN where absent; lower is better.
        test_losses: ``[N, T]``, expected losses on the test rows; NaN unless given.
    """

    losses: FloatArray = field(repr=False)
    test_losses: FloatArray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._check()
        self._frozen("losses")
        if self.test_losses is not None:
            self._frozen("test_losses")

    @property
    def validation(self) -> FloatArray:
        """``[N, T]``: the expected losses."""
        return self.losses

    @property
    def test(self) -> FloatArray:
        """``[N, T]``: the expected test losses; NaN where unknown."""
        return np.full_like(self.losses, np.nan) if self.test_losses is None else self.test_losses

    @property
    def cell_losses(self) -> FloatArray:
        """``[E]``: the expected losses, by cell."""
        found: FloatArray = self.cells.gather(self.losses)
        return found

    @property
    def cell_test_losses(self) -> FloatArray:
        """``[E]``: the expected test losses, by cell; NaN where unknown."""
        found: FloatArray = self.cells.gather(self.test)
        return found

    def on_common_seeds(self) -> PredictedLosses:
        """Return the table itself: expected losses belong to no seed."""
        return self

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> PredictedLosses:
        """Return the table of these networks only, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        return PredictedLosses(
            self.tasks,
            tuple(self.networks[n] for n in index),
            self.losses[index],
            None if self.test_losses is None else self.test_losses[index],
            other_costs=self._costs_of(index),
            cost_unit=self.cost_unit,
        )
