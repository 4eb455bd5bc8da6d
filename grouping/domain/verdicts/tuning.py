"""Tuning of what a verdict compares: each contestant under the best recipe found for it by the same tuner.

A contestant is a grouping that is trained anew under recipes of its own: the recommended one, the baselines
of equal cost, and an ensemble of networks of all tasks. The trainer draws one list of recipes for all.
They are tried in rounds: all recipes on a few seeds, the best of them on more seeds, the best few on all. A
recipe that is the best of many on two seeds is mostly lucky, and the later rounds take the luck out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

N_TUNING_SEEDS = 12
"""Seeds of the last round."""
N_RANDOM = 3
"""Random groupings of the recommended shape that are trained under its recipe."""


class Tune(StrEnum):
    """What is tuned for the verdict."""

    NONE = "none"
    """Nothing: all are trained under the one recipe of the job."""
    EACH = "each"
    """The recommended grouping and each baseline get a recipe of their own, by the same tuner."""


@dataclass(frozen=True, slots=True)
class TuningTerms:
    """Terms of the tuning.

    Attributes:
        n_recipes: number of recipes tried for each contestant, that of the job first.
        seeds: seeds of the trainings, those of the search first; none of them confirms.
    """

    n_recipes: int
    seeds: tuple[int, ...]

    @property
    def rounds(self) -> tuple[tuple[int, int], ...]:
        """Number of recipes in each round, and of the seeds with which they are trained by its end."""
        n, most = self.n_recipes, len(self.seeds)
        if n == 1:
            return ()
        kept = (n, min(n, max(3, math.ceil(n / 4))), min(n, 3))
        return tuple((k, min(n_seeds, most)) for k, n_seeds in zip(kept, (2, 6, most), strict=True))

    @property
    def trainings(self) -> int:
        """Trainings of each network of a contestant, confirmation not counted."""
        before, total = 0, 0
        for kept, n_seeds in self.rounds:
            total += kept * (n_seeds - before)
            before = n_seeds
        return total
