"""Several splits of one data set: what a verdict says over them, beside what it says over training seeds.

Networks are chosen on one split. With further splits, those that are confirmed are trained once on each of
them, so that the noise of the verdict is also that of the data. Splits share rows, and what is measured on
them is correlated: the plain standard error would be too small. It is corrected as by C. Nadeau, Y. Bengio,
"Inference for the Generalization Error", Machine Learning 52 (2003), 239-281: the variance of a mean over J
splits is ``(1/J + test rows / training rows)`` times that of one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from grouping.domain.percentages import fixed_percent, tenths

MAX_SPLITS = 50
MIN_SPLITS = 3
"""Splits from which a gain may be claimed, as with seeds."""


def split_of(seed: int, split_seeds: tuple[int, ...]) -> int:
    """Return the number of the split that a seed is trained on, from 0, the one of the search.

    Args:
        seed: seed of a training.
        split_seeds: seeds that are trained on the further splits, one on each in order.
    """
    return split_seeds.index(seed) + 1 if seed in split_seeds else 0


@dataclass(frozen=True, slots=True)
class FreshSplits:
    """Seeds of a confirmation that are trained on further splits.

    Attributes:
        first_seed: the fresh seed that stands for the split of the search.
        other_seeds: one fresh seed for each further split, in order.
        test_per_train: test rows by training rows of a split.
    """

    first_seed: int
    other_seeds: tuple[int, ...]
    test_per_train: float

    def gain(self, gains: Sequence[float], seeds: Sequence[int]) -> SplitGain:
        """Take the gain over splits from that of each seed.

        Args:
            gains: gain with each seed, NaN where something was not trained.
            seeds: the seeds, in this order.
        """
        wanted = {self.first_seed, *self.other_seeds}
        found = [g for g, seed in zip(gains, seeds, strict=True) if seed in wanted and not math.isnan(g)]
        n = len(found)
        variance = statistics.variance(found) if n > 1 else math.nan
        error = math.sqrt(variance * (1 / n + self.test_per_train)) if n > 1 else math.nan
        return SplitGain(statistics.fmean(found) if n else math.nan, error, n, len(wanted))


@dataclass(frozen=True, slots=True)
class SplitGain:
    """Gain of a grouping over a baseline, over splits of the data with a fresh seed on each.

    Attributes:
        gain: mean over splits of ``(baseline - grouping) / abs(baseline)``.
        standard_error: corrected standard error of that mean; NaN with fewer than two splits.
        n_splits: number of splits on which both were trained.
        n_wanted: number of splits that the job asks for.
    """

    gain: float
    standard_error: float
    n_splits: int
    n_wanted: int

    @property
    def t(self) -> float:
        """Gain by its standard error; NaN with fewer than two splits."""
        if math.isnan(self.standard_error) or self.standard_error > 0:
            return self.gain / self.standard_error
        return math.copysign(math.inf, self.gain) if self.gain else 0.0

    def reaches(self, gain: float, t: float) -> bool:
        """Tell whether it is large and certain enough, on all splits that were asked for."""
        is_complete = self.n_splits == self.n_wanted >= MIN_SPLITS
        return is_complete and self.gain >= gain and self.t >= t

    def words(self) -> str:
        """Return it as a phrase, such as ``over 5 splits +2.1 % ± 0.8, t = 2.6``."""
        if self.n_splits < 2:
            return f"not measured over {self.n_wanted} splits"
        shown = tenths(self.t) if math.isfinite(self.t) else f"{self.t:.1f}"
        of = "" if self.n_splits == self.n_wanted else f" of {self.n_wanted}"
        return (
            f"over {self.n_splits}{of} splits {tenths(100 * self.gain):+} % ± "
            f"{fixed_percent(self.standard_error, 1)}, t = {shown}"
        )
