"""Gaussian process over the cells of a score table: it predicts the losses of untrained networks.

The terms of the model and their covariances are in `grouping.strategies.adaptive.loss_covariance`. Their
amplitudes are the most probable ones (marginal likelihood, in which the usual loss of every task is
integrated out, times a broad prior around effects of a few per cent), found on at most `MAX_FITTED` cells.

Every term but the last two is linear in a few weights, so the posterior is never written down for all cells:
draws are made by drawing from the prior and correcting for the residuals at the measured cells (Matheron's
rule; Wilson et al., "Efficiently sampling functions from Gaussian process posteriors", ICML 2020).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.score_table import FloatArray
from grouping.errors import SolverError
from grouping.strategies.adaptive.loss_covariance import (
    PRIOR,
    SHARED_BY_SIZES,
    USUAL_DEVIATION,
    Pool,
    PoolCells,
    size_covariance,
)

BETA = -0.04
"""Expected change of the relative loss when a network's size doubles."""
TYPICAL_DEVIATION = 0.08
"""Deviation of the relative losses of a task that the amplitudes of `PRIOR` are meant for."""
MAX_FITTED = 240
MAX_MODEL_CELLS = 3_000
"""Measured cells used at most; beyond it a seeded part of the networks is left out."""
MAX_LIFTS = 8
"""How often the diagonal of a covariance is raised at most, 100-fold each time, until it can be factored."""


@dataclass(frozen=True, eq=False)
class LossModel:
    """The posterior of the losses of a pool, given the measured losses of some of its networks.

    Attributes:
        pool: the networks.
        reference: ``[T]``, mean measured loss of each task.
        unit: ``[T]``, what relative losses of the task are relative to; positive.
        scale: ``[T]``, how far the relative losses of the task spread, in `TYPICAL_DEVIATION`.
        correlation: ``[T, T]``, of the part of a network's luck that its tasks share.
        amplitudes: of each term, in the order of `PRIOR`.
        cells: the measured cells.
        residuals: ``[C]``, measured relative losses less the expected effect of the size.
        factor: Cholesky factor of the covariance of the measured cells, ``[C, C]``, lower.
        noise: ``[C]``, standard error of each residual.
    """

    pool: Pool
    reference: FloatArray
    unit: FloatArray
    scale: FloatArray
    correlation: FloatArray
    amplitudes: FloatArray
    cells: PoolCells = field(repr=False)
    residuals: FloatArray = field(repr=False)
    factor: FloatArray = field(repr=False)
    noise: FloatArray = field(repr=False)

    def mean(self) -> FloatArray:
        """Compute the expected losses ``[N, T]``; NaN outside the groups."""
        from scipy.linalg import cho_solve

        weights = cho_solve((self.factor, True), self.residuals)
        expected: FloatArray = self._losses(self._spread(weights[None]))[0]
        return expected

    def posterior(self, wanted: PoolCells) -> tuple[FloatArray, FloatArray]:
        """Compute expected losses of some cells, ``[C]``, and the covariance of their errors, ``[C, C]``."""
        from scipy.linalg import solve_triangular

        unit, scale = self.unit[wanted.t], self.scale[wanted.t]
        terms = self.pool, self.correlation, self.amplitudes
        across = wanted.covariance_with(self.cells, *terms) * scale[:, None] * self.scale[self.cells.t]
        half = solve_triangular(self.factor, across.T, lower=True, check_finite=False)
        solved = solve_triangular(self.factor, self.residuals, lower=True, check_finite=False)
        mean = self.reference[wanted.t] + unit * (half.T @ solved + BETA * self.pool.log_size[wanted.n])
        prior = wanted.covariance_with(wanted, *terms) * scale[:, None] * scale
        return mean, (prior - half.T @ half) * unit[:, None] * unit

    def surprises(self) -> FloatArray:
        """Compute how far each measured loss is from what the other networks foretell, ``[C]``.

        In standard deviations of that prediction, each network left out as a whole (Sundararajan and Keerthi,
        "Predictive approaches for choosing hyperparameters in Gaussian processes", Neural Computation 2001).
        """
        from scipy.linalg import cho_solve

        inverse = cho_solve((self.factor, True), np.eye(len(self.residuals)), check_finite=False)
        weights = inverse @ self.residuals
        found = np.empty(len(self.residuals))
        for n in np.unique(self.cells.n).tolist():
            at = np.flatnonzero(self.cells.n == n)
            covariance = np.linalg.inv(inverse[np.ix_(at, at)])
            found[at] = covariance @ weights[at] / np.sqrt(np.diag(covariance))
        return found

    def draw(self, n_draws: int, generator: np.random.Generator) -> FloatArray:
        """Draw losses from the posterior, ``[D, N, T]``; NaN outside the groups."""
        from scipy.linalg import cho_solve

        prior = self._draw_prior(n_draws, generator)
        noisy = prior[:, self.cells.n, self.cells.t]
        noisy = noisy + self.noise * generator.standard_normal(noisy.shape)
        weights = cho_solve((self.factor, True), (self.residuals - noisy).T).T
        return self._losses(prior + self._spread(weights))

    def _losses(self, relative: FloatArray) -> FloatArray:
        """Convert relative losses without the expected effect of the size to losses, ``[D, N, T]``."""
        whole = relative + BETA * self.pool.log_size[:, None]
        losses: FloatArray = np.where(self.pool.member > 0, self.reference + self.unit * whole, np.nan)
        return losses

    def _draw_prior(self, n_draws: int, generator: np.random.Generator) -> FloatArray:
        pool, (n_networks, n_tasks) = self.pool, self.pool.member.shape
        a = dict(zip(PRIOR, self.amplitudes, strict=True))

        def normal(*shape: int) -> FloatArray:
            return generator.standard_normal((n_draws, *shape))

        z = pool.log_size[:, None]
        steps = np.linalg.cholesky(size_covariance(n_tasks) + 1e-9 * np.eye(n_tasks))
        shared = np.linalg.cholesky(self.correlation)
        source = a["clin"] * normal(n_tasks) / np.sqrt(2.0)
        total = (
            self._partners(a["lin"] * normal(n_tasks, n_tasks), a["mean"] * normal(n_tasks, n_tasks))
            + (source @ pool.member.T)[:, :, None]
            - source[:, None, :]
            + a["ck"] * (normal(n_tasks) @ steps.T)[:, pool.partners, None]
            + (USUAL_DEVIATION * normal(n_tasks))[:, None, :]
            + pool.company[:, None] * (a["trend"] * normal(n_tasks))[:, None, :]
            + z * ((a["osz"] * normal(n_tasks))[:, None, :] + (a["csz"] * normal(1))[:, :, None])
            + a["net"] * normal(n_networks, n_tasks) @ shared.T
            + np.sqrt(SHARED_BY_SIZES) * a["rest"] * normal(n_networks, n_tasks)[:, pool.group]
            + np.sqrt(1 - SHARED_BY_SIZES) * a["rest"] * normal(n_networks, n_tasks)
        )
        drawn: FloatArray = total * self.scale
        return drawn

    def _partners(self, lin: FloatArray, mean: FloatArray) -> FloatArray:
        """Compute effects of the partners, ``[D, N, T]``, from weights ``[D, target, source]``.

        Those of `lin` are made to sum to 0 for each target.
        """
        diagonal = np.arange(lin.shape[1])
        lin[:, diagonal, diagonal] = mean[:, diagonal, diagonal] = 0.0
        lin -= lin.sum(axis=2, keepdims=True) / self.pool.most_partners
        lin[:, diagonal, diagonal] = 0.0
        member = self.pool.member
        by_sum = np.einsum("dtu,nu->dnt", lin, member, optimize=True) / np.sqrt(2.0)
        by_mean = np.einsum("dtu,nu->dnt", mean, member, optimize=True)
        effects: FloatArray = by_sum + by_mean / np.maximum(self.pool.partners, 1)[:, None]
        return effects

    def _spread(self, weights: FloatArray) -> FloatArray:
        """Multiply the covariance of every cell with the measured ones by weights ``[D, C]``."""
        pool, (n_networks, n_tasks) = self.pool, self.pool.member.shape
        a = dict(zip(PRIOR, self.amplitudes**2, strict=True))
        w = np.zeros((len(weights), n_networks, n_tasks))
        w[:, self.cells.n, self.cells.t] = weights * self.scale[self.cells.t]
        known = np.unique(self.cells.n)
        wk, member, z = w[:, known], pool.member[known], pool.log_size
        count = np.maximum(pool.partners[known], 1)[:, None]
        lin = np.einsum("dnt,nu->dtu", wk, member, optimize=True) / np.sqrt(2.0)
        mean = np.einsum("dnt,nu->dtu", wk / count, member, optimize=True)
        source = np.einsum("dnt,nu->du", wk, member, optimize=True) - wk.sum(axis=1)
        of_count = np.eye(n_tasks)[pool.partners[known]]
        by_count = wk.sum(axis=2) @ of_count
        by_size = np.einsum("dnt,n->dt", wk, z[known])
        by_company = np.einsum("dnt,n->dt", wk, pool.company[known])
        by_group = np.zeros_like(w)
        for n in known.tolist():
            by_group[:, pool.group[n]] += w[:, n]
        total = (
            self._partners(a["lin"] * lin, a["mean"] * mean)
            + a["clin"] / 2.0 * ((source @ pool.member.T)[:, :, None] - source[:, None, :])
            + a["ck"] * (by_count @ size_covariance(n_tasks))[:, pool.partners, None]
            + USUAL_DEVIATION**2 * wk.sum(axis=1)[:, None, :]
            + a["trend"] * pool.company[:, None] * by_company[:, None, :]
            + z[:, None] * (a["osz"] * by_size[:, None, :] + a["csz"] * by_size.sum(axis=1)[:, None, None])
            + a["net"] * w @ self.correlation
            + a["rest"] * (SHARED_BY_SIZES * by_group[:, pool.group] + (1 - SHARED_BY_SIZES) * w)
        )
        spread: FloatArray = total * self.scale
        return spread


def fit_model(
    pool: Pool, losses: FloatArray, errors: FloatArray, generator: np.random.Generator
) -> LossModel:
    """Fit the model to measured losses.

    Args:
        pool: the networks.
        losses: ``[N, T]`` measured losses; NaN where not measured. Every task is measured somewhere.
        errors: ``[N, T]`` standard errors of them; NaN where unknown, which counts as none.
        generator: picks the cells that are left out where there are too many.

    Raises:
        SolverError: if the losses are too large to compute with.
    """
    measured = np.flatnonzero(np.isfinite(losses).any(axis=1))
    measured = _at_most(measured, losses, MAX_MODEL_CELLS, generator)
    n, t = _cells_of(measured, losses)
    known = np.full(losses.shape, np.nan)
    known[n, t] = losses[n, t]
    how = relative_losses(pool, known)
    reference, unit, scale = how.reference, how.unit, how.scale
    relative = how.residuals(known, pool)
    correlation = _correlation(relative / (scale * TYPICAL_DEVIATION))
    residuals = relative[n, t]
    noise = np.nan_to_num(errors[n, t] / unit[t])
    part = np.isin(n, _at_most(measured, losses, MAX_FITTED, generator))
    scales = scale[t[part]][:, None] * scale[t[part]][None]
    terms = np.stack(list(PoolCells(n[part], t[part]).terms(pool, correlation))) * scales
    usual = USUAL_DEVIATION**2 * scales * (t[part][:, None] == t[part][None])
    amplitudes = _most_probable(terms, usual, residuals[part], noise[part])
    cells = PoolCells(n, t)
    covariance = cells.covariance(pool, correlation, amplitudes)
    factor = _factor(covariance * scale[t][:, None] * scale[t][None], noise)
    return LossModel(pool, reference, unit, scale, correlation, amplitudes, cells, residuals, factor, noise)


@dataclass(frozen=True, eq=False)
class Relative:
    """How losses become relative.

    Attributes:
        reference: ``[T]``, mean measured loss of each task.
        unit: ``[T]``, what relative losses of the task are relative to; positive.
        scale: ``[T]``, how far the relative losses of the task spread, in `TYPICAL_DEVIATION`.
    """

    reference: FloatArray
    unit: FloatArray
    scale: FloatArray

    @property
    def spread(self) -> FloatArray:
        """``[T]``: about the standard deviation of the relative losses of each task."""
        return self.scale * TYPICAL_DEVIATION

    def residuals(self, losses: FloatArray, pool: Pool) -> FloatArray:
        """Compute relative losses ``[N, T]`` less the expected effect of the size."""
        relative: FloatArray = (losses - self.reference) / self.unit - BETA * pool.log_size[:, None]
        return relative

    def losses(self, spreads: FloatArray, pool: Pool) -> FloatArray:
        """Compute losses ``[D, N, T]`` of residuals in units of the spread; NaN outside the groups."""
        whole = spreads * self.spread + BETA * pool.log_size[:, None]
        losses: FloatArray = np.where(pool.member > 0, self.reference + self.unit * whole, np.nan)
        return losses


def relative_losses(pool: Pool, losses: FloatArray) -> Relative:
    """Find what the measured losses ``[N, T]`` of each task are relative to; NaN where not measured."""
    reference = np.nanmean(losses, axis=0)
    unit = np.maximum(np.nanmean(np.abs(losses), axis=0), 1e-12)
    relative = (losses - reference) / unit - BETA * pool.log_size[:, None]
    return Relative(reference, unit, _scales(relative))


def _at_most(
    rows: NDArray[np.int64], losses: FloatArray, n_cells: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return as many of the networks as have at most `n_cells` cells; the largest one is kept."""
    counts = np.isfinite(losses[rows]).sum(axis=1)
    if counts.sum() <= n_cells:
        return rows
    order = generator.permutation(len(rows))
    order = np.concatenate([[counts.argmax()], order[order != counts.argmax()]])
    kept = order[np.cumsum(counts[order]) <= n_cells]
    return np.sort(rows[kept])


def _cells_of(rows: NDArray[np.int64], losses: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    at, t = np.nonzero(np.isfinite(losses[rows]))
    return rows[at], t.astype(np.int64)


def _scales(relative: FloatArray) -> FloatArray:
    """Return the spread of each task's relative losses, shrunk to the pooled one as by four more cells."""
    count = np.maximum(np.isfinite(relative).sum(axis=0) - 1, 0)
    centred = relative - np.nanmean(relative, axis=0)
    variance = np.where(count > 0, np.nan_to_num(np.nanmean(centred**2, axis=0)), 0.0)
    pooled = (TYPICAL_DEVIATION**2 * 4 + (count * variance).sum()) / (4 + count.sum())
    scales: FloatArray = np.sqrt((4 * pooled + count * variance) / (4 + count)) / TYPICAL_DEVIATION
    return scales


def _correlation(standardised: FloatArray) -> FloatArray:
    """Estimate the correlation of tasks over shared networks, shrunk to the mean one; at least 0."""
    centred = np.nan_to_num(standardised - np.nanmean(standardised, axis=0))
    both = np.isfinite(standardised).astype(float)
    count = both.T @ both
    squares = (centred**2).T @ both
    size = np.sqrt(squares * squares.T)
    raw = np.where(size > 1e-9, centred.T @ centred / np.maximum(size, 1e-9), 0.0)
    apart = ~np.eye(len(raw), dtype=np.bool_)
    usual = np.clip((raw * count)[apart].sum() / max(count[apart].sum(), 1.0), 0.0, 0.8)
    mixed = np.clip((count * raw + 5.0 * usual) / (count + 5.0), 0.0, 0.98)
    np.fill_diagonal(mixed, 1.0)
    values, vectors = np.linalg.eigh(mixed)
    whole = (vectors * np.maximum(values, 0.02)) @ vectors.T
    deviation = np.sqrt(np.diag(whole))
    correlation: FloatArray = whole / deviation[:, None] / deviation[None]
    return correlation


def _most_probable(
    terms: FloatArray, usual: FloatArray, residuals: FloatArray, noise: FloatArray
) -> FloatArray:
    """Find the amplitudes of greatest posterior density, by L-BFGS on their logarithms.

    Args:
        terms: ``[A, C, C]`` covariance of each term at amplitude 1.
        usual: ``[C, C]`` covariance of the usual losses of the tasks.
        residuals: ``[C]`` relative losses.
        noise: ``[C]`` standard errors of them.
    """
    from scipy.linalg import cho_solve
    from scipy.optimize import minimize

    centre = np.log([median for median, _ in PRIOR.values()])
    spread = np.array([deviation for _, deviation in PRIOR.values()])

    def negative_density(logs: FloatArray) -> tuple[float, FloatArray]:
        squares = np.exp(2 * logs)
        factor = _factor(np.tensordot(squares, terms, axes=1) + usual, noise)
        solved = cho_solve((factor, True), residuals)
        inverse = cho_solve((factor, True), np.eye(len(residuals)))
        from_prior = (logs - centre) / spread
        density = 0.5 * residuals @ solved + np.log(np.diag(factor)).sum() + 0.5 * from_prior @ from_prior
        slope = squares * np.tensordot(terms, inverse - np.outer(solved, solved), axes=2)
        return float(density), slope + from_prior / spread

    found = minimize(negative_density, centre, jac=True, method="L-BFGS-B", options={"maxiter": 20})
    amplitudes: FloatArray = np.exp(found.x)
    return amplitudes


def _factor(covariance: FloatArray, noise: FloatArray) -> FloatArray:
    """Compute the lower Cholesky factor with the noise on the diagonal, and as much as rounding needs.

    Raises:
        SolverError: if there is none, as of numbers that are not finite.
    """
    from scipy.linalg import LinAlgError, cholesky

    jitter = 1e-8 * max(float(np.mean(np.diag(covariance))), 1e-8)
    for _ in range(MAX_LIFTS):
        lifted = covariance.copy()
        lifted[np.diag_indices_from(lifted)] += noise**2 + jitter
        try:
            # Transposed, which changes nothing: LAPACK reads columns, and nothing is copied.
            factor: FloatArray = cholesky(lifted.T, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            jitter *= 100.0
            continue
        if np.isfinite(np.diag(factor)).all():
            return factor
        break
    raise SolverError(
        "No model of the losses can be fitted: their covariance has no Cholesky factor. Check that they are "
        "finite and of moderate size."
    )
