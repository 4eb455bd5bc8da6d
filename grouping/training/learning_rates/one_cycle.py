"""One cycle: the learning rate rises to that of the recipe, then falls far below where it began.

Source: Smith and Topin, Super-convergence, 2019, in the form of PyTorch's `OneCycleLR` with cosines and two
phases. What differs: it is a function of the share of an epoch, not of a number of steps, and ends at the
last step of the last epoch whatever the length of the steps; momentum is not cycled.
"""

from __future__ import annotations

import math

from grouping.training.learning_rates.learning_rate import LearningRateSchedule


class OneCycleSchedule(LearningRateSchedule):
    """Schedule of two half cosines; see the module."""

    def factor(self, epoch: float, n_epochs: int) -> float:
        """See `LearningRateSchedule.factor`."""
        share, rising = epoch / n_epochs, self.declaration.rising_share
        first = 1.0 / self.declaration.start_divisor
        if share <= rising:
            return _between(first, 1.0, share / rising)
        return _between(1.0, first / self.declaration.end_divisor, (share - rising) / (1.0 - rising))


def _between(start: float, end: float, share: float) -> float:
    """Return the point of half a cosine from `start` to `end` after a share of the way."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))
