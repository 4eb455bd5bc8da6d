"""Analysis of a study: from its scores to its report. The same scores give the same report.

An effect of a source on a target is ``(alone - other) / abs(alone)`` of the target's losses, within a
seed, both networks at one size and on the same rows; the report has its mean over seeds. Nothing is chosen by
these numbers, so they may be test losses. Correlations are those of SciPy; the p-value by relabelling is
that of Mantel (Cancer Research 27, 1967): tasks are permuted on one side, rows and columns together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, mean_and_standard_error
from grouping.domain.verdicts.gains import GainFormula
from grouping.study.plan import PlannedTraining, StudyOptions, size_alone
from grouping.study.records import (
    Cells,
    Correlation,
    Effects,
    MeanOverSeeds,
    TaskComparison,
    TogetherAgainstAlone,
)

FORMULA = GainFormula.RELATIVE_TO_ALONE
LEVEL = 0.95
MOST_RELABELLINGS = 5040
_ROUNDING = 1e-12
_LossesOf = Callable[[str, str], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, slots=True)
class StudyScore:
    """Loss of one task after one training; lower is better."""

    training: PlannedTraining
    task: str
    loss: float


class StudyScores:
    """Losses of a study by what was trained: arrays over seeds, NaN where a training has no score."""

    def __init__(self, tasks: Sequence[str], options: StudyOptions, scores: Sequence[StudyScore]) -> None:
        self.tasks = tuple(tasks)
        self.options = options
        self._losses: Mapping[tuple[PlannedTraining, str], float] = {
            (score.training, score.task): score.loss for score in scores
        }

    def losses(
        self, task: str, *others: str, size: float = 1.0, share: float = 1.0, source: str | None = None
    ) -> FloatArray:
        """Return the losses of a task trained beside others, ``[S]``."""
        network = Network.of(task, *others, size=size)
        planned = [PlannedTraining(network, s, share, source) for s in range(self.options.n_seeds)]
        return np.array([self._losses.get((training, task), math.nan) for training in planned])

    def pair_gains(self, size: float, share: float) -> FloatArray:
        """Compute gains of the target beside the source, ``[T, T, S]``; NaN on the diagonal."""
        return self._gains(
            lambda source, target: (
                self.losses(target, size=size, share=share),
                self.losses(target, source, size=size, share=share),
            )
        )

    def transfer_gains(self) -> FloatArray:
        """Compute gains of the target when it starts from the source's weights, ``[T, T, S]``."""
        return self._gains(
            lambda source, target: (self.losses(target), self.losses(target, source, source=source))
        )

    def _gains(self, losses_of: _LossesOf) -> FloatArray:
        gains = np.full((len(self.tasks), len(self.tasks), self.options.n_seeds), np.nan)
        for i, source in enumerate(self.tasks):
            for j, target in enumerate(self.tasks):
                if i != j:
                    gains[i, j] = FORMULA.apply(*losses_of(source, target))
        return gains


def effects_of(
    gains: FloatArray, size: float, share: float, base: tuple[FloatArray, Effects] | None = None
) -> Effects:
    """Compute effects from gains by seed, ``[T, T, S]``.

    Args:
        gains: gains; NaN on the diagonal and where something is missing.
        size: size of the networks.
        share: share of the training rows.
        base: gains and effects that they are compared with; None for no comparison.
    """
    values, errors = mean_and_standard_error(gains)
    off = ~np.eye(len(values), dtype=bool)
    # A mean over other cells than in another seed would differ by what is missing: only whole seeds count.
    by_seed = np.array([g[off].mean() for g in np.moveaxis(gains, 2, 0) if not np.isnan(g[off]).any()])
    bound = errors * quantile(gains.shape[2])
    agreement = None
    if base is not None:
        agreement = correlate(values, mean_and_standard_error(base[0])[0])
        agreement = with_ceiling(agreement, reliability(values, errors), base[1].reliability)
    return Effects(
        size=size,
        share=share,
        values=_cells(values),
        standard_errors=_cells(errors),
        mean=estimate(by_seed),
        n_helped=int((values[off] > bound[off]).sum()),
        n_harmed=int((values[off] < -bound[off]).sum()),
        reliability=reliability(values, errors),
        agreement=agreement,
    )


def reliability(values: FloatArray, errors: FloatArray) -> float | None:
    """Compute the share of variance between cells that is not noise: ``1 - mean(se^2) / var``, at least 0."""
    known = ~np.isnan(values) & ~np.isnan(errors)
    if known.sum() < 2:
        return None
    spread = float(values[known].var(ddof=1))
    return max(0.0, 1.0 - float((errors[known] ** 2).mean()) / spread) if spread > 0 else None


def compare_together(
    scores: StudyScores, cost_alone_snt: float, cost_together_snt: float
) -> TogetherAgainstAlone:
    """Compare all tasks in one network with each in its own, small one."""
    size = size_alone(len(scores.tasks))
    alone = np.stack([scores.losses(task, size=size) for task in scores.tasks])
    together = np.stack([scores.losses(*_first(task, scores.tasks)) for task in scores.tasks])
    gains = FORMULA.apply(alone, together)
    return TogetherAgainstAlone(
        size_alone=size,
        cost_alone_snt=cost_alone_snt,
        cost_together_snt=cost_together_snt,
        tasks=tuple(
            TaskComparison(task, estimate(alone[t]), estimate(together[t]), estimate(gains[t]))
            for t, task in enumerate(scores.tasks)
        ),
        total_alone=estimate(alone.sum(axis=0)),
        total_together=estimate(together.sum(axis=0)),
        gain=estimate(FORMULA.apply(alone.sum(axis=0), together.sum(axis=0))),
    )


def correlate(first: FloatArray, second: FloatArray) -> Correlation:
    """Correlate two matrices ``[T, T]`` over the cells that both have, without the diagonal."""
    from scipy import stats  # slow to import, and not needed to show a report

    off = ~np.eye(len(first), dtype=bool)
    known = off & ~np.isnan(first) & ~np.isnan(second)
    x, y = first[known], second[known]
    n = len(x)
    if n < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(n)
    pearson, spearman = stats.pearsonr(x, y), stats.spearmanr(x, y)
    is_complete = n == off.sum()
    centred = [_without_targets(side, known) for side in (first, second)]
    own = [side[known] for side in centred]
    varies = min(map(np.ptp, own)) > _ROUNDING
    return Correlation(
        n,
        float(pearson.statistic),
        float(pearson.pvalue),
        float(spearman.statistic),
        float(spearman.pvalue),
        _permutation_p(first, second) if is_complete else None,
        within=float(stats.pearsonr(*own).statistic) if varies else None,
        within_p=_permutation_p(*centred) if varies and is_complete else None,
    )


def _without_targets(values: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """Subtract from the cells the mean of their column."""
    kept = np.where(known, values, 0.0)
    means = kept.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, values - means, np.nan)


def with_ceiling(found: Correlation, first: float | None, second: float | None) -> Correlation:
    """Add the largest correlation that noise leaves: the root of the product of both reliabilities."""
    if first is None or second is None:
        return found
    return replace(found, ceiling=math.sqrt(first * second))


def _permutation_p(first: FloatArray, second: FloatArray) -> float:
    """Return the share of relabellings of the tasks, the true one included, that correlate as much."""
    n_tasks = len(first)
    off = ~np.eye(n_tasks, dtype=bool)
    if math.factorial(n_tasks) <= MOST_RELABELLINGS:
        orders = np.array(list(permutations(range(n_tasks))))
    else:
        generator = np.random.default_rng(0)
        drawn = [generator.permutation(n_tasks) for _ in range(MOST_RELABELLINGS - 1)]
        orders = np.array([np.arange(n_tasks), *drawn])
    x = first[off] - first[off].mean()
    relabelled = np.array([second[np.ix_(order, order)][off] for order in orders])
    # The cells stay the same ones, so mean and spread do: products compare as correlations do.
    products = np.abs(relabelled @ x)
    return float((products >= products[0] * (1 - 1e-9)).mean())


def estimate(by_seed: FloatArray) -> MeanOverSeeds:
    """Compute mean and standard error over seeds, ``[S]``; NaN is left out."""
    value, error = mean_and_standard_error(by_seed)
    return MeanOverSeeds(_known(float(value)), _known(float(error)), int((~np.isnan(by_seed)).sum()))


def quantile(n_seeds: int) -> float:
    """Return the factor from a standard error over seeds to a 95 % interval (Student's t)."""
    from scipy.special import stdtrit  # slow to import, and not needed to read a report

    return float(stdtrit(n_seeds - 1, 0.5 + LEVEL / 2)) if n_seeds > 1 else math.inf


def _first(task: str, tasks: Sequence[str]) -> tuple[str, ...]:
    return (task, *(other for other in tasks if other != task))


def _cells(values: FloatArray) -> Cells:
    return tuple(tuple(_known(float(value)) for value in row) for row in values)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
