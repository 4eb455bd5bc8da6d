"""The learning rate of the recipe, all the time."""

from __future__ import annotations

from grouping.training.learning_rates.learning_rate import LearningRateSchedule


class ConstantSchedule(LearningRateSchedule):
    """Schedule that changes nothing."""

    def factor(self, epoch: float, n_epochs: int) -> float:
        """See `LearningRateSchedule.factor`."""
        return 1.0
