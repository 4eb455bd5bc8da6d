"""Tuned verdicts: the recommended groupings and the baselines, each under the best recipe found for it.

`TuningOfOne` says what is to be trained next and what came out. Both follow from the recommendation and the
trials alone, so that whoever takes a search over goes on with the same recipes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grouping.domain.groupings import Grouping
from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.trainings.trials import Purpose, TrialRequest, Variant
from grouping.domain.verdicts.contestants import Contestant, contestants_of, random_alike, totals
from grouping.domain.verdicts.tuned_recipes import TunedRecipe
from grouping.domain.verdicts.verdict import Comparison, FoundRecipe, Question, Verdict, compare
from grouping.solver.recommendation import Recommendation


@dataclass(frozen=True)
class TuningOfOne:
    """Tuning for the verdict on one recommended grouping.

    Attributes:
        terms: terms of the search; its `tuning` is set.
        state: what is known.
        grouping: the recommended grouping.
        budget_snt: its inference budget.
    """

    terms: SearchTerms
    state: SearchState
    grouping: Grouping
    budget_snt: float

    @cached_property
    def contestants(self) -> tuple[TunedRecipe, ...]:
        """What is tuned, the recommended grouping first."""
        assert self.terms.tuning is not None
        found = contestants_of(self.grouping, self.budget_snt, self.terms.baselines)
        return tuple(TunedRecipe(self.terms.tuning, self.state, contestant) for contestant in found)

    @cached_property
    def random(self) -> tuple[Contestant, ...]:
        """Random groupings of the same shape, which get the recipe of the recommended one."""
        return random_alike(self.grouping, self.terms.seed)

    @cached_property
    def missing(self) -> tuple[TrialRequest, ...]:
        """What is to be trained next: of each its present round, or what is missing with fresh seeds."""
        rounds = [request for tuned in self.contestants for request in tuned.missing]
        return (*rounds, *self._fresh)

    @property
    def _fresh(self) -> tuple[TrialRequest, ...]:
        known = {trial.key for trial in self.state.trials}
        recipes = [(tuned.contestant, tuned.best) for tuned in self.contestants]
        recipes += [(one, self.contestants[0].best) for one in self.random]
        return tuple(
            request
            for contestant, recipe in recipes
            if recipe is not None
            for request in contestant.requests(Purpose.TUNED, recipe, self.terms.confirmation_seeds)
            if request.key not in known
        )

    @property
    def verdict(self) -> Verdict:
        """Verdict on fresh seeds, by test losses where there are any, each under its best recipe."""
        ours, *others = self.contestants
        missing = [f"no recipe of {t.contestant.name} is found" for t in self.contestants if t.best is None]
        comparisons: list[Comparison] = []
        if ours.best is not None:
            own = self._losses(ours.contestant, ours.best)
            for tuned in others:
                if tuned.best is None:
                    continue
                is_same = tuned.contestant.key == ours.contestant.key
                found = compare(
                    tuned.contestant.name, own, self._losses(tuned.contestant, tuned.best), is_same=is_same
                )
                if found.n_seeds < 2:
                    missing.append(f"{tuned.contestant.name} has no two fresh seeds under its recipe")
                else:
                    comparisons.append(found)
        return Verdict(
            self.budget_snt,
            self.grouping,
            tuple(comparisons),
            tuple(missing),
            not self._is_tested,
            question=Question.EACH_ITS_BEST,
            recipes=tuple(
                FoundRecipe(t.contestant.name, t.best, t.loss) for t in self.contestants if t.best is not None
            ),
            random=self._random_comparison(),
            too_small=self.terms.baselines.too_small(self.grouping.tasks, self.budget_snt),
        )

    def _random_comparison(self) -> Comparison | None:
        """Compare with the mean of the random groupings; None without any."""
        ours = self.contestants[0]
        if ours.best is None or not self.random:
            return None
        each = [self._losses(one, ours.best) for one in self.random]
        found = compare(
            f"{len(each)} random groupings", self._losses(ours.contestant, ours.best), np.mean(each, axis=0)
        )
        return found if found.n_seeds > 1 else None

    @cached_property
    def _is_tested(self) -> bool:
        tuned = (trial for trial in self.state.trials if trial.purpose is Purpose.TUNED)
        return any(score.test_loss is not None for trial in tuned for score in trial.scores)

    def _losses(self, contestant: Contestant, recipe: int) -> FloatArray:
        """Return total losses on the fresh seeds, ``[S]``; NaN where one is not known."""
        variant = Variant(recipe, contestant.members)
        table = self.state.scores(purpose=Purpose.TUNED, variant=variant)
        losses = table.test_scores if self._is_tested else table.validation_scores
        return totals(contestant, table, losses, self.terms.confirmation_seeds)


def tunings_of(
    terms: SearchTerms, state: SearchState, recommendations: Sequence[Recommendation]
) -> tuple[TuningOfOne, ...]:
    """Return the tuning for each recommendation with a grouping; none where nothing is tuned."""
    if terms.tuning is None:
        return ()
    return tuple(
        TuningOfOne(terms, state, found.solution.grouping, found.budget_snt)
        for found in recommendations
        if found.solution.grouping is not None
    )
