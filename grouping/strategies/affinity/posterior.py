"""Affinity from the posterior of the losses: what the source does to the target, on average over groups.

Its reference is all groups that hold the target, up to the largest one that was trained, at full size. With
g a group with the target and without the source,

    effect = mean over g of (loss of the target in g - its loss in g with the source) / its mean loss,

groups of each size counting alike, and groups of one size alike. That is the Shapley value of the source
as a partner of the target (Shapley, "A value for n-person games", 1953): where the largest group holds all
tasks, the effects on a target add up to what training it with all others does.

Such a mean is a weighted sum of cells, so its posterior under the Gaussian process of the adaptive search
(`grouping.strategies.adaptive.loss_model`) has a closed form: the terms of the model multiply sums of what
they multiply in single cells. No group is listed, nothing is drawn at random, and the time grows with the
square of the number of tasks. Where every group was trained without noise, it is the mean of what was
measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.affinities.methods import METHODS, POSTERIOR
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.strategies.adaptive.loss_covariance import (
    SHARED_BY_SIZES,
    Pool,
    PoolCells,
    Traits,
    linear_covariance,
)
from grouping.strategies.adaptive.loss_model import LossModel, fit_model
from grouping.strategies.affinity.trained_part import (
    SIZE_DEVIATION,
    TrainedPart,
    doublings_alone,
    known_tasks,
    why_empty,
    with_losses_near_one,
)
from grouping.strategies.affinity.warnings import warnings_of_posterior

MAX_TASKS = 300
"""Tasks of a matrix at most: twice as many would take four times the quarter of a minute these take."""


def posterior_affinity(table: ScoreTable) -> AffinityMatrix:
    """Compute the mean effect of every task on every other over all groups, as the model expects it.

    A cell has a value where the trained networks of the target allow a contrast: one at least holds the
    source, and one does not. Positive helps; a value is a share of the mean validation loss of the target in
    its trained networks. Test losses are not read. A table of more than `MAX_TASKS` tasks has no values.
    """
    if len(table.tasks) > MAX_TASKS:
        return _too_large(table)
    part = TrainedPart.of(with_losses_near_one(table))
    wanted = part.has_contrast
    values, errors = np.full(wanted.shape, np.nan), np.full(wanted.shape, np.nan)
    if wanted.any():
        found, noise = _effects(part.seen)
        values[wanted], errors[wanted] = found[wanted], noise[wanted]
    return AffinityMatrix(
        table.task_names,
        POSTERIOR,
        METHODS[POSTERIOR].formula,
        values,
        errors,
        part.together,
        warnings_of_posterior(part.trained, len(part.seen.networks), values, _largest_group(part.seen)),
        is_estimated=wanted,
        why_empty=why_empty(values, part.together),
    )


def _too_large(table: ScoreTable) -> AffinityMatrix:
    """Return a matrix without values that says why."""
    n_tasks = len(table.tasks)
    empty = np.full((n_tasks, n_tasks), np.nan)
    why = (
        f"Means over all groups are computed for {MAX_TASKS} tasks at most; these are {n_tasks}. Take the "
        "method pairwise or higher-order, or a table with a part of the tasks."
    )
    networks = np.zeros((n_tasks, n_tasks), dtype=np.int64)
    formula = METHODS[POSTERIOR].formula
    return AffinityMatrix(table.task_names, POSTERIOR, formula, empty, empty, networks, why_empty=why)


def _effects(table: ScoreTable) -> tuple[FloatArray, FloatArray]:
    """Compute effects ``[T, T]`` and their standard errors; NaN for tasks that no network holds."""
    known, largest = known_tasks(table), _largest_group(table)
    pool = Pool.of(table.networks, [table.task_names[t] for t in known])
    losses, noise = table.validation[:, known], table.validation_standard_error[:, known]
    model = fit_model(pool, losses, noise, np.random.default_rng(0))
    alone_error = SIZE_DEVIATION * doublings_alone(table)[known] / (largest - 1)
    shape = (len(table.tasks), len(table.tasks))
    values, errors = np.full(shape, np.nan), np.full(shape, np.nan)
    for target, t in enumerate(known):
        wanted = MeanEffects.on(target, len(known), largest)
        mean, variance = wanted.posterior(model)
        sources = known[wanted.sources]
        values[sources, t] = -mean
        errors[sources, t] = np.sqrt(variance + alone_error[target] ** 2)
    return values, errors


def _largest_group(table: ScoreTable) -> int:
    """Return the number of tasks of the largest group."""
    return int(table.membership.sum(axis=1).max(initial=0))


@dataclass(frozen=True, eq=False)
class MeanEffects:
    """The change of the relative loss of one task by each other one, mean over all groups up to a size.

    Attributes:
        target: the task whose loss changes.
        sources: ``[C]``, the tasks that are added.
        weight: ``[K]``, weight of each group with 0 to K - 1 tasks beside the target, without the source;
            together 1 / K for each number of tasks.
    """

    target: int
    sources: NDArray[np.int64]
    weight: FloatArray

    @classmethod
    def on(cls, target: int, n_tasks: int, largest: int) -> MeanEffects:
        """Build the effects of all other tasks on one of ``n_tasks``.

        Args:
            target: its position.
            n_tasks: number of tasks, at least 2.
            largest: number of tasks of the largest group, at least 2.
        """
        from scipy.special import comb

        number = comb(n_tasks - 2, np.arange(largest - 1))  # infinite where there are too many to count
        sources = np.delete(np.arange(n_tasks), target)
        return cls(target, sources, 1.0 / ((largest - 1) * number))

    def posterior(self, model: LossModel) -> tuple[FloatArray, FloatArray]:
        """Compute expected effects ``[C]``, as shares of the mean loss, and their variances ``[C]``."""
        from scipy.linalg import solve_triangular

        cells, terms = model.cells, (model.correlation, model.amplitudes)
        ours = self._traits(model.pool)
        across = linear_covariance(ours, cells.traits(model.pool), *self._luck(model.pool, cells), *terms)
        across *= model.scale[self.target] * model.scale[cells.t]
        half = solve_triangular(model.factor, across.T, lower=True, check_finite=False)
        solved = solve_triangular(model.factor, model.residuals, lower=True, check_finite=False)
        # Of each group with the source and of each without it, once.
        own = np.full((len(self.sources), len(self.sources)), 2.0 * self.weight.mean())
        prior = np.diag(linear_covariance(ours, ours, own, own, *terms)) * model.scale[self.target] ** 2
        return half.T @ solved, np.maximum(prior - (half**2).sum(axis=0), 0.0)

    def _traits(self, pool: Pool) -> Traits:
        """Return the mean differences, with and without the source, of what the terms multiply."""
        n, n_tasks = len(self.sources), pool.member.shape[1]
        count = np.arange(len(self.weight))
        partners = np.eye(n_tasks)[self.sources]
        # The share of another partner falls from 1 / k to 1 / (k + 1), in k of the n_tasks - 2 places.
        others = -(1.0 / (count[1:] + 1)).sum() / len(count) / max(n_tasks - 2, 1)
        shares = np.where(partners > 0, (1.0 / (count + 1)).mean(), others)
        shares[:, self.target] = 0.0
        at_count = np.eye(n_tasks)
        by_count = (at_count[count + 1] - at_count[count]).mean(axis=0)
        return Traits(
            np.full(n, self.target),
            np.zeros(n),
            partners,
            shares,
            np.tile(by_count, (n, 1)),
            np.full(n, 1.0 / pool.most_partners),
            np.zeros(n),
        )

    def _luck(self, pool: Pool, cells: PoolCells) -> tuple[FloatArray, FloatArray]:
        """Return ``[C, D]`` weights of the networks of some cells, and of their groups, in the effects."""
        member = pool.member[cells.n]
        k = pool.partners[cells.n]
        has_source = member[:, self.sources].T > 0
        padded = np.append(self.weight, np.zeros(pool.most_partners + 1))
        of_group = np.where(has_source, padded[np.maximum(k - 1, 0)], -padded[k]) * member[:, self.target]
        of_network = of_group * (pool.log_size[cells.n] == 0)
        return of_network, SHARED_BY_SIZES * of_group + (1 - SHARED_BY_SIZES) * of_network
