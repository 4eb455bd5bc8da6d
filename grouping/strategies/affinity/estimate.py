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

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from grouping.domain.affinity import AffinityMatrix, pairwise_affinity
from grouping.domain.affinity_methods import DEFAULT_METHOD, METHODS
from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.strategies.adaptive.loss_covariance import Cells, Pool
from grouping.strategies.adaptive.loss_model import LossModel, fit_model
from grouping.strategies.affinity.warnings import warnings_of_estimate

MAX_ESTIMATE_CELLS = 1_500
"""Measured cells that the model sees at most; of larger tables the smallest groups, and the largest one."""
SIZE_DEVIATION = 0.1
"""Standard error of a loss alone, as a share of it, per doubling of the size that it is extrapolated over."""
FROM_ZERO = 2.0
"""Standard errors by which a loss alone must differ from 0 for a share of it to mean anything."""


def estimate_affinity(table: ScoreTable) -> AffinityMatrix:
    """Estimate the effect of every task on every other; take it as measured if its pair was trained.

    A measured cell, its standard error included, is that of `pairwise_affinity`. Another is estimated where
    the trained networks of the target allow a contrast: one at least holds the source, and one does not. What
    is left is unknown, and so is a share of a loss that may be 0. Test losses are not read.
    """
    table = _with_losses_near_one(table)
    measured = pairwise_affinity(table)
    trained = _trained(table)
    together = _together(trained)
    seen = trained.select(_seen_by_model(trained))
    both = _together(seen)
    has_contrast = (both > 0) & (np.diag(both)[None, :] > both)  # [source, target]
    wanted = has_contrast & np.isnan(measured.values)
    np.fill_diagonal(wanted, False)
    np.fill_diagonal(together, 0)
    values, errors = measured.values.copy(), measured.standard_errors.copy()
    if wanted.any():
        found, noise = _estimated(seen, wanted)
        values[wanted], errors[wanted] = found[wanted], noise[wanted]
    is_estimated = wanted & ~np.isnan(values)
    return AffinityMatrix(
        table.task_names,
        DEFAULT_METHOD,
        METHODS[DEFAULT_METHOD].formula,
        values,
        errors,
        together,
        warnings_of_estimate(trained, len(seen.networks), values, errors, is_estimated),
        is_estimated=is_estimated,
        why_empty=_why_empty(values, together),
    )


def _with_losses_near_one(table: ScoreTable) -> ScoreTable:
    """Rescale the table so that each task's largest absolute validation loss is between 0.5 and 1.

    Gains are free of the unit, and squares of the losses do not overflow. Powers of two change no digit.
    """
    losses = table.validation_losses
    largest = np.nan_to_num(np.abs(losses)).max(axis=(0, 2), initial=0.0)
    exponents = np.frexp(largest)[1]
    return replace(table, validation_losses=np.ldexp(losses, -exponents[:, None]))


def _why_empty(values: FloatArray, together: NDArray[np.int64]) -> str:
    if not np.isnan(values).all():
        return ""
    if not together.any():
        return "No network with two tasks has been trained."
    return "No two trained networks tell the effect of a task on another."


def _trained(table: ScoreTable) -> ScoreTable:
    """Select completely measured networks on their common seeds; on all seeds if there is none."""
    rows = np.flatnonzero(table.is_complete & table.membership.any(axis=1))
    trained = table.select(rows)
    common = trained.on_common_seeds()
    return common if len(common.seeds) else trained


def _together(table: ScoreTable) -> NDArray[np.int64]:
    """Count networks that hold both tasks, ``[T, T]``; on the diagonal those that hold the one."""
    member = table.membership.astype(np.int64)
    found: NDArray[np.int64] = member.T @ member
    return found


def _seen_by_model(table: ScoreTable) -> NDArray[np.int64]:
    """Return rows that the model is fitted to, smallest groups first, whatever the names.

    Within a size of group the order is random, from a fixed seed: small losses must not be preferred.
    """
    if not len(table.networks):
        return np.arange(0)
    losses = table.validation
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.sort(losses / np.nansum(np.abs(losses), axis=0), axis=1)
    sizes = np.array([network.size for network in table.networks])
    count = table.membership.sum(axis=1)
    plain = np.lexsort((*np.nan_to_num(relative).T[::-1], sizes))
    mixed = np.random.default_rng(0).permutation(plain)
    order = mixed[np.argsort(count[mixed], kind="stable")]
    needed = {int(order[-1]), *(int(order[table.membership[order, t].argmax()]) for t in _known(table))}
    first = np.array([n for n in order if n in needed])
    rest = np.array([n for n in order if n not in needed], dtype=np.int64)
    fits = np.cumsum(count[rest]) <= MAX_ESTIMATE_CELLS - count[first].sum()
    return np.concatenate([first, rest[fits]])


def _known(table: ScoreTable) -> NDArray[np.int64]:
    """Return the tasks that some network holds."""
    return np.flatnonzero(table.membership.any(axis=0))


def _estimated(table: ScoreTable, wanted: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Estimate effects ``[T, T]`` and standard errors; NaN where not wanted or without meaning."""
    known = _known(table)
    model, alone, pairs = _fitted(table, known)
    doublings = _doublings(table)
    values = np.full(wanted.shape, np.nan)
    errors = values.copy()
    for target, t in enumerate(known):
        sources = np.flatnonzero(wanted[known, t])
        if not len(sources):
            continue
        rows = np.array([alone[target], *pairs[target, sources]])
        mean, covariance = model.posterior(Cells(rows, np.full(len(rows), target)))
        covariance[0, 0] += (SIZE_DEVIATION * doublings[t] * mean[0]) ** 2
        values[known[sources], t], errors[known[sources], t] = gains_over_first(mean, covariance)
    return values, errors


def _doublings(table: ScoreTable) -> FloatArray:
    """Return ``[T]``: doublings between full size and the nearest size of a task trained alone.

    1 for a task that never was: from groups to the task alone is a step as well.
    """
    found = np.full(len(table.tasks), np.inf)
    for network, member in zip(table.networks, table.membership, strict=True):
        if len(network.group) == 1:
            found[member] = np.minimum(found[member], abs(np.log2(network.size)))
    return np.where(np.isinf(found), 1.0, found)


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
