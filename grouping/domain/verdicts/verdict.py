"""Verdict: whether the recommended grouping beats baselines of equal cost on fresh seeds.

Choosing the minimum of noisy scores flatters it, so the chosen networks and the baselines are trained
again with seeds that took no part in the choice, and compared on test losses, seed by seed. All of them
are trained in the same way: a baseline with a training tuned for itself may do better, which is why the
verdict says "as trained here". The noise is that of the training seeds on one split of the data; a job with
several splits is also told the noise over splits (`grouping.domain.trainings.splits`), and a gain is claimed
if it is certain over both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network
from grouping.domain.percentages import fixed_percent, tenths
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.trainings.splits import FreshSplits, SplitGain
from grouping.domain.verdicts.baselines import BOTH_BASELINES, Baseline, Baselines, ComparedWith

MIN_GAIN = 0.02
MIN_T = 3.0
MIN_SEEDS = 3
"""A gain is claimed only at a mean of at least `MIN_GAIN` with a paired t of at least `MIN_T` over at least
`MIN_SEEDS` fresh seeds (with two, a t of 3 comes up once in ten times by chance)."""


class Question(StrEnum):
    """Question that a verdict answers."""

    ONE_RECIPE = "one recipe for all"
    """All are trained under the one recipe of the job."""
    EACH_ITS_BEST = "each its best"
    """Each is trained under the best recipe that the same tuner found for it."""


@dataclass(frozen=True, slots=True)
class FoundRecipe:
    """Best recipe that was found for one of the groupings that are compared.

    Attributes:
        name: name of the grouping.
        recipe: number of the recipe among those that the trainer drew; 0 is that of the job.
        loss: mean total validation loss under it on the seeds of the tuning, lower is better.
    """

    name: str
    recipe: int
    loss: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of a grouping with one baseline on fresh seeds.

    Attributes:
        baseline: name of the baseline.
        grouping_loss: mean total test loss of the grouping; lower is better.
        baseline_loss: mean total test loss of the baseline.
        gain: mean over seeds of ``(baseline - grouping) / abs(baseline)``; positive when the grouping
            is better. The seeds are those on the split of the search.
        standard_error: standard error of the gain over seeds; NaN with fewer than two.
        n_seeds: number of seeds with which both were trained.
        is_same: whether the baseline is the grouping itself.
        over_splits: the gain over several splits of the data; None where the job has one.
    """

    baseline: str
    grouping_loss: float
    baseline_loss: float
    gain: float
    standard_error: float
    n_seeds: int
    is_same: bool = False
    over_splits: SplitGain | None = None

    @property
    def t(self) -> float:
        """Paired t statistic of the gain; NaN with fewer than two seeds."""
        if math.isnan(self.standard_error):
            return math.nan
        if self.standard_error == 0:
            return math.copysign(math.inf, self.gain) if self.gain else 0.0
        return self.gain / self.standard_error

    @property
    def interval(self) -> tuple[float, float]:
        """Interval of 95 % of the gain over training seeds, by Student's t; NaN with fewer than two seeds."""
        half = t_quantile(self.n_seeds - 1) * self.standard_error if self.n_seeds > 1 else math.nan
        return self.gain - half, self.gain + half

    @property
    def is_beaten(self) -> bool:
        """Whether the gain is large and certain enough to be claimed."""
        is_certain = self.n_seeds >= MIN_SEEDS and self.t >= MIN_T
        if self.over_splits is not None and not self.over_splits.reaches(MIN_GAIN, MIN_T):
            return False
        return not self.is_same and self.gain >= MIN_GAIN and is_certain


@dataclass(frozen=True, slots=True)
class FreshLoss:
    """Total loss of a grouping on fresh seeds, where it is compared with nothing.

    Attributes:
        loss: mean over the seeds, lower is better.
        standard_error: standard error of that mean; NaN with fewer than two seeds.
        n_seeds: number of fresh seeds.
    """

    loss: float
    standard_error: float
    n_seeds: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on the grouping recommended for one inference budget, from fresh seeds.

    Attributes:
        budget_snt: the inference budget.
        grouping: the recommended grouping.
        comparisons: one per baseline that was trained.
        missing: sentences that name the baselines or networks that could not be compared.
        is_by_validation: whether validation losses were compared, since the fresh seeds have no test losses.
        is_within: whether the baselines cost at most the budget, since only some sizes can be built, and not
            the same.
        alone: its loss on fresh seeds, where it is compared with nothing and all of it was trained.
        question: which question it answers.
        recipes: the recipe that was found for each, the recommended grouping first; none under one recipe.
        random: comparison with random groupings of the same shape under the recipe of the recommended one,
            which tells whether it is the choice or the splitting that helps; it decides nothing.
        too_small: baselines that it is not compared with, since no network as small as theirs can be built.
    """

    budget_snt: float
    grouping: Grouping
    comparisons: tuple[Comparison, ...]
    missing: tuple[str, ...] = ()
    is_by_validation: bool = False
    is_within: bool = False
    alone: FreshLoss | None = None
    question: Question = Question.ONE_RECIPE
    recipes: tuple[FoundRecipe, ...] = ()
    random: Comparison | None = None
    too_small: tuple[str, ...] = ()

    @property
    def is_confirmed(self) -> bool:
        """Whether everything was trained that the verdict needs."""
        return not self.missing and (bool(self.comparisons) or self.alone is not None)

    @property
    def is_worth_it(self) -> bool:
        """Whether the baselines of equal cost are beaten by a gain that may be claimed; never without any."""
        return (
            self.is_confirmed
            and bool(self.comparisons)
            and all(comparison.is_beaten for comparison in self.comparisons)
        )

    def sentence(self) -> str:
        """Return the verdict in words."""
        said = [self._finding()]
        if self.random is not None and self.is_confirmed:
            said.append(
                f"Over {self.random.baseline} of the same shape under its recipe it gains "
                f"{tenths(100 * self.random.gain):+} % ± {fixed_percent(self.random.standard_error, 1)}."
            )
        if self.too_small:
            said.append(
                f"Not compared with {' and '.join(self.too_small)}: no network of that cost can be built."
            )
        if self.is_by_validation and self.is_confirmed:
            said.append("Validation losses were compared: there are no test losses.")
        return " ".join(said)

    @property
    def _as_trained(self) -> str:
        is_tuned = self.question is Question.EACH_ITS_BEST
        return "with each at its best recipe" if is_tuned else "as trained here"

    def _finding(self) -> str:
        if not self.is_confirmed:
            return "Not confirmed: " + ("; ".join(self.missing) or "no fresh seeds were trained") + "."
        if self.alone is not None:
            error = self.alone.standard_error
            noise = f" ± {error:.2g}" if math.isfinite(error) else ""
            return (
                f"Compared with no baseline, as the job asked: on {self.alone.n_seeds} fresh "
                f"seed{'s' * (self.alone.n_seeds != 1)} its loss is {self.alone.loss:.4g}{noise}."
            )
        if self.is_worth_it:
            least = min(self.comparisons, key=lambda comparison: comparison.gain)
            n = len(self.comparisons)
            which = {1: "the one baseline", 2: "both baselines"}.get(n, f"all {n} baselines")
            cost = "within the budget" if self.is_within else "of equal cost"
            return (
                f"Worth it {self._as_trained}: better than {which} {cost}, by at least "
                f"{tenths(100 * least.gain)} % ± {fixed_percent(least.standard_error, 1)} "
                f"(over {least.baseline}, {_t(least)}, {least.n_seeds} fresh seeds{_splits(least)})."
            )
        same = [comparison for comparison in self.comparisons if comparison.is_same]
        if same:
            return f"Grouping brings nothing here: the best choice is the baseline {same[0].baseline} itself."
        worst = min(
            (comparison for comparison in self.comparisons if not comparison.is_beaten),
            key=lambda comparison: comparison.gain,
        )
        both = "" if worst.over_splits is None else ", and over as many splits,"
        return (
            f"Not worth it {self._as_trained}: against {worst.baseline} "
            f"{'within the budget' if self.is_within else 'at equal cost'} the gain is "
            f"{tenths(100 * worst.gain):+} % ± {fixed_percent(worst.standard_error, 1)} ({_t(worst)}, "
            f"{worst.n_seeds} fresh seeds{_splits(worst)}); {fixed_percent(MIN_GAIN, 0)} with t of at least "
            f"{MIN_T:g} over {MIN_SEEDS} or more seeds{both} is needed to claim one."
        )


def _t(comparison: Comparison) -> str:
    return f"t = {tenths(comparison.t)}" if math.isfinite(comparison.t) else f"t = {comparison.t:.1f}"


def _splits(comparison: Comparison) -> str:
    return "" if comparison.over_splits is None else f"; {comparison.over_splits.words()}"


def _totals(grouping: Grouping, table: ScoreTable, losses: FloatArray) -> FloatArray:
    """Compute the total of ``[E, S]`` losses of a grouping by seed; NaN where a network is untrained."""
    per_seed = [grouping.total_loss(table, losses[:, s]) for s in range(len(table.seeds))]
    return np.array(per_seed, dtype=np.float64)


def judge(
    grouping: Grouping,
    budget_snt: float,
    confirmation: ScoreTable,
    baselines: Baselines = BOTH_BASELINES,
    splits: FreshSplits | None = None,
) -> Verdict:
    """Compare a grouping with the baselines of equal cost, by test losses where there are any.

    Validation losses stand in for them where a trainer gives none: their rows took part in the choice, the
    seeds did not.

    Args:
        grouping: chosen on other seeds.
        budget_snt: the budget it was chosen for.
        confirmation: losses of the chosen networks and of the baselines on fresh seeds.
        baselines: what to compare with.
        splits: which of the seeds were trained on further splits; None for none.
    """
    missing = [
        f"{network.name(grouping.tasks)} has no fresh seeds"
        for network in grouping.networks
        if _is_untrained(network, confirmation)
    ]
    is_trained = not missing
    is_tested = not np.isnan(confirmation.test_scores).all()
    losses = confirmation.test_scores if is_tested else confirmation.validation_scores
    comparisons: list[Comparison] = []
    wanted = baselines.of_cost(grouping.tasks, budget_snt)
    if not wanted and baselines.wanted is not ComparedWith.NONE:
        missing.append("no baseline can be built within this budget")
    for baseline in wanted:
        untrained = [network for network in baseline.networks if _is_untrained(network, confirmation)]
        if untrained:
            missing.append(f"the baseline {baseline.name} has no fresh seeds")
        elif is_trained:
            comparison = _compare(grouping, baseline, confirmation, losses, splits)
            if comparison.n_seeds < 2:
                missing.append(f"the noise against {baseline.name} needs two fresh seeds or more")
            else:
                comparisons.append(comparison)
    return Verdict(
        budget_snt,
        grouping,
        tuple(comparisons),
        tuple(missing),
        not is_tested,
        baselines.built_snt is not None,
        _fresh_loss(grouping, confirmation, losses, splits) if is_trained and not wanted else None,
        too_small=baselines.too_small(grouping.tasks, budget_snt),
    )


def _fresh_loss(
    grouping: Grouping, table: ScoreTable, losses: FloatArray, splits: FreshSplits | None
) -> FreshLoss:
    totals = _totals(grouping, table, losses)[_on_first_split(table, splits)]
    known = totals[~np.isnan(totals)]
    n = len(known)
    error = float(known.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    return FreshLoss(float(known.mean()) if n else math.nan, error, n)


def _on_first_split(table: ScoreTable, splits: FreshSplits | None) -> NDArray[np.bool_]:
    """Tell which seeds were trained on the split of the search, ``[S]``."""
    return ~np.isin(table.seeds, () if splits is None else splits.other_seeds)


def _is_untrained(network: Network, table: ScoreTable) -> bool:
    row = table.find_position(*network.key)
    return row is None or not table.is_complete[row]


def _compare(
    grouping: Grouping,
    baseline: Baseline,
    table: ScoreTable,
    losses: FloatArray,
    splits: FreshSplits | None,
) -> Comparison:
    rows = [table.position(network) for network in baseline.networks]
    reference = Grouping.from_rows(table, rows)
    ours, theirs = _totals(grouping, table, losses), _totals(reference, table, losses)
    by_seed = (theirs - ours) / np.abs(theirs)
    chosen = {network.key for network in grouping.networks}
    on_first = _on_first_split(table, splits)
    compared = compare(
        baseline.name,
        ours[on_first],
        theirs[on_first],
        is_same=chosen == {network.key for network in baseline.networks},
    )
    over_splits = None if splits is None else splits.gain(by_seed.tolist(), table.seeds)
    return replace(compared, over_splits=over_splits)


def compare(name: str, ours: FloatArray, theirs: FloatArray, *, is_same: bool = False) -> Comparison:
    """Compare total losses on the same fresh seeds, seed by seed.

    Args:
        name: name of what is compared with.
        ours: total loss of the grouping by seed, ``[S]``, lower is better; NaN where not known.
        theirs: that of the baseline.
        is_same: whether the baseline is the grouping itself.
    """
    known = ~np.isnan(ours) & ~np.isnan(theirs)
    ours, theirs = ours[known], theirs[known]
    n = len(ours)
    gains = (theirs - ours) / np.abs(theirs)
    return Comparison(
        baseline=name,
        grouping_loss=float(ours.mean()) if n else math.nan,
        baseline_loss=float(theirs.mean()) if n else math.nan,
        gain=float(gains.mean()) if n else math.nan,
        standard_error=float(gains.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan,
        n_seeds=n,
        is_same=is_same,
    )


def t_quantile(degrees: int) -> float:
    """Return the 97.5 % quantile of Student's t distribution."""
    from scipy.special import stdtrit  # only where an interval is shown

    return float(stdtrit(degrees, 0.975))
