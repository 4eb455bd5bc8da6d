"""Recipes found for a contestant: what is still to be tried, and which recipe is the best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from grouping.domain.jobs.search_state import SearchState
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.trainings.trials import Purpose, TrialRequest, Variant
from grouping.domain.verdicts.contestants import Contestant, totals
from grouping.domain.verdicts.tuning import TuningTerms


@dataclass(frozen=True)
class TunedRecipe:
    """The tuning of one contestant as far as it has come.

    Attributes:
        terms: recipes, seeds and rounds.
        state: what is known.
        contestant: what is tuned.
    """

    terms: TuningTerms
    state: SearchState
    contestant: Contestant

    @cached_property
    def missing(self) -> tuple[TrialRequest, ...]:
        """Trainings of the present round that are not planned yet; none once it is over."""
        return self._progress[1]

    @property
    def is_over(self) -> bool:
        """Whether all rounds are over, or no recipe is left that could be trained."""
        return not self.missing

    @property
    def best(self) -> int | None:
        """Number of the best recipe once the tuning is over; None before, and where none could be trained.

        It has the least mean total validation loss over all seeds of the tuning; of equal ones it is the
        first.
        """
        ranked = self._progress[0]
        return ranked[0] if self.is_over and ranked else None

    @cached_property
    def loss(self) -> float:
        """Mean total validation loss under the best recipe on the seeds of the tuning; NaN without one."""
        return math.nan if self.best is None else self._mean(self.best, len(self.terms.seeds))

    @cached_property
    def _progress(self) -> tuple[list[int], tuple[TrialRequest, ...]]:
        """Recipes left, best first, and trainings that the present round needs beside the planned ones."""
        known = {trial.key for trial in self.state.trials}
        left = list(range(self.terms.n_recipes))
        for kept, n_seeds in self.terms.rounds:
            left = left[:kept]
            wanted = [
                request
                for recipe in left
                for request in self.contestant.requests(Purpose.TUNING, recipe, self.terms.seeds[:n_seeds])
                if request.key not in known
            ]
            if wanted:
                return left, tuple(wanted)
            means = {recipe: self._mean(recipe, n_seeds) for recipe in left}
            left = sorted((r for r in left if math.isfinite(means[r])), key=lambda r: (means[r], r))
        return left, ()

    def _mean(self, recipe: int, n_seeds: int) -> float:
        table = self.state.scores(purpose=Purpose.TUNING, variant=Variant(recipe, self.contestant.members))
        found: FloatArray = totals(
            self.contestant, table, table.validation_scores, self.terms.seeds[:n_seeds]
        )
        return float(found.mean())
