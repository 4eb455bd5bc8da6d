"""Affinity estimated from any trained networks: pairs, larger groups, single tasks of any size.

The pairwise effect of a source on a target needs two full-size networks that a search may never train. Here
the losses of both are the posterior of `grouping.strategies.adaptive.loss_model`, the Gaussian process of the
adaptive search, given the trained networks. The effect and its standard error follow by the usual expansion
of a ratio to first order (delta method): with a the loss alone and p that of the pair,

    gain = (a - p) / abs(a),      variance = (Var p - 2 r Cov(a, p) + r^2 Var a) / a^2,      r = p / a.

Where the full-size network of the target alone was not trained, a is extrapolated over sizes, and what was
trained rarely tells how: every other network of full size holds other tasks. The variance of a then includes
`SIZE_DEVIATION` as well. The posterior is written out for these cells only, so nothing is drawn at random and
the same table always gives the same matrix. How far it agrees with trained pairs is in
``docs/explanation/affinity.md``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grouping.domain.affinities.matrix import AffinityMatrix, pairwise_affinity
from grouping.domain.affinities.methods import DEFAULT_METHOD, METHODS
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.strategies.adaptive.loss_covariance import Pool, PoolCells
from grouping.strategies.adaptive.loss_model import LossModel, fit_model
from grouping.strategies.affinity.trained_part import (
    SIZE_DEVIATION,
    TrainedPart,
    doublings_alone,
    known_tasks,
    why_empty,
    with_losses_near_one,
)
from grouping.strategies.affinity.warnings import warnings_of_estimate

FROM_ZERO = 2.0
"""Standard errors by which a loss alone must differ from 0 for a share of it to mean anything."""


def estimate_affinity(table: ScoreTable) -> AffinityMatrix:
    """Estimate the effect of every task on every other; take it as measured if its pair was trained.

    A measured cell, its standard error included, is that of `pairwise_affinity`. Another is estimated where
    the trained networks of the target allow a contrast: one at least holds the source, and one does not. What
    is left is unknown, and so is a share of a loss that may be 0. Test losses are not read.
    """
    table = with_losses_near_one(table)
    measured = pairwise_affinity(table)
    part = TrainedPart.of(table)
    wanted = part.has_contrast & np.isnan(measured.values)
    values, errors = measured.values.copy(), measured.standard_errors.copy()
    if wanted.any():
        found, noise = _estimated(part.seen, wanted)
        values[wanted], errors[wanted] = found[wanted], noise[wanted]
    is_estimated = wanted & ~np.isnan(values)
    return AffinityMatrix(
        table.task_names,
        DEFAULT_METHOD,
        METHODS[DEFAULT_METHOD].formula,
        values,
        errors,
        part.together,
        warnings_of_estimate(part.trained, len(part.seen.networks), values, errors, is_estimated),
        is_estimated=is_estimated,
        why_empty=why_empty(values, part.together),
    )


def _estimated(table: ScoreTable, wanted: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Estimate effects ``[T, T]`` and standard errors; NaN where not wanted or without meaning."""
    known = known_tasks(table)
    model, alone, pairs = _fitted(table, known)
    doublings = doublings_alone(table)
    values = np.full(wanted.shape, np.nan)
    errors = values.copy()
    for target, t in enumerate(known):
        sources = np.flatnonzero(wanted[known, t])
        if not len(sources):
            continue
        rows = np.array([alone[target], *pairs[target, sources]])
        mean, covariance = model.posterior(PoolCells(rows, np.full(len(rows), target)))
        covariance[0, 0] += (SIZE_DEVIATION * doublings[t] * mean[0]) ** 2
        values[known[sources], t], errors[known[sources], t] = gains_over_first(mean, covariance)
    return values, errors


def gains_over_first(mean: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute gains of other losses over the first one, and their standard errors, to first order.

    Args:
        mean: ``[C]`` expected losses.
        covariance: ``[C, C]``, of their errors.

    Returns:
        ``[C - 1]`` each; NaN where the first loss cannot be told from 0.
    """
    alone, others = mean[0], mean[1:]
    if alone**2 <= FROM_ZERO**2 * covariance[0, 0]:
        unknown = np.full(len(others), np.nan)
        return unknown, unknown
    ratio = others / alone
    variance = np.diag(covariance)[1:] - 2 * ratio * covariance[0, 1:] + ratio**2 * covariance[0, 0]
    return (alone - others) / abs(alone), np.sqrt(np.maximum(variance, 0.0)) / abs(alone)


def _fitted(
    table: ScoreTable, known: NDArray[np.int64]
) -> tuple[LossModel, NDArray[np.int64], NDArray[np.int64]]:
    """Fit the model; also return its rows of the full-size singles ``[T]`` and pairs ``[T, T]``."""
    names = [table.task_names[t] for t in known]
    place = {network.key: n for n, network in enumerate(table.networks)}
    networks = list(table.networks)

    def row(*group: str) -> int:
        network = Network.of(*group)
        found = place.setdefault(network.key, len(networks))
        if found == len(networks):
            networks.append(network)
        return found

    alone = np.array([row(name) for name in names])
    pairs = np.array([[row(a, b) for b in names] for a in names])
    blank = np.full((len(networks) - len(table.networks), len(names)), np.nan)
    losses, errors = (
        np.concatenate([measured[:, known], blank])
        for measured in (table.validation, table.validation_standard_error)
    )
    model = fit_model(Pool.of(networks, names), losses, errors, np.random.default_rng(0))
    return model, alone, pairs
