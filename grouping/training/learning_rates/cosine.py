"""Cosine decay to 0 over the epochs of a full training."""

from __future__ import annotations

import math

from grouping.training.learning_rates.learning_rate import LearningRateSchedule


class CosineSchedule(LearningRateSchedule):
    """Schedule of half a cosine; see the module."""

    def factor(self, epoch: float, n_epochs: int) -> float:
        """See `LearningRateSchedule.factor`."""
        return 0.5 * (1.0 + math.cos(math.pi * epoch / n_epochs))
