"""A Gaussian process over the cells of a score table: what an untrained network would lose on each task.

A cell is a task t in a network with group G and size s. Its loss relative to the task's usual loss is

    y[G, s, t] = beta z + own0[t] + z (osz[t] + csz)                               size, z = log2 s
               + sum over u in G, u != t, of  lin[t, u] / sqrt 2  +  mean[t, u] / (|G| - 1)  partners of t
               + sum over u in G, u != t, of  clin[u] / sqrt 2  +  ck[|G|]         what is common to the tasks
               + sum over features of  w[j] x[j]                                   such as measured affinities
               + net[G, s, t] + rest[G, t]                                         what no pattern explains

with independent Gaussian weights, everything but `beta z` times a scale of the task. The two kinds of partner
effects are those of the linear surrogate (Li et al., TMLR 2023) and of the mean over pairs (the higher order
approximation of Standley et al., 2020); the data decide between them through the amplitudes. `net` is shared
by the tasks of one network with an estimated correlation: a lucky network is often lucky for several tasks at
once. `rest` is mostly shared by the sizes of one group. The amplitudes are the most probable ones (marginal
likelihood times a broad prior around effects of a few per cent), found on at most `MAX_FITTED` cells.

Every term but the last two is linear in a few weights, so the posterior is never written down for all cells:
draws are made by drawing from the prior and correcting for the residuals at the measured cells (Matheron's
rule; Wilson et al., "Efficiently sampling functions from Gaussian process posteriors", ICML 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray

BETA = -0.04
"""Expected change of the relative loss when a network's size doubles."""
TYPICAL_DEVIATION = 0.08
"""Deviation of the relative losses of a task that the amplitudes below are meant for."""
PRIOR = {
    "lin": (0.12, 0.6),
    "mean": (0.06, 0.8),
    "clin": (0.04, 0.8),
    "ck": (0.04, 0.8),
    "own0": (0.04, 0.8),
    "net": (0.03, 0.8),
    "rest": (0.05, 0.6),
    "csz": (0.03, 0.5),
    "osz": (0.03, 0.5),
    "features": (0.02, 1.0),
}
"""Median amplitude of each term, and the standard deviation of its logarithm."""
SHARED_BY_SIZES = 0.85
MAX_FITTED = 240
MAX_CELLS = 3_000
"""Measured cells used at most; beyond it a seeded part of the networks is left out."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Networks as arrays.

    Attributes:
        networks: the `N` networks.
        member: ``[N, T]``, membership.
        log_size: ``[N]``, log2 of the size.
        group: ``[N]``, number of the group, the same for all sizes of one group.
        features: ``[J, N, T]``, further numbers about cells, each of mean 0 and deviation about 1.
    """

    networks: tuple[Network, ...]
    member: FloatArray = field(repr=False)
    log_size: FloatArray = field(repr=False)
    group: NDArray[np.int64] = field(repr=False)
    features: FloatArray = field(repr=False)

    @classmethod
    def of(
        cls, networks: Sequence[Network], tasks: Sequence[str], features: FloatArray | None = None
    ) -> Pool:
        """Arrays of these networks; tasks give the columns."""
        column = {task: t for t, task in enumerate(tasks)}
        member = np.zeros((len(networks), len(tasks)))
        numbers: dict[frozenset[str], int] = {}
        for n, network in enumerate(networks):
            member[n, [column[task] for task in network.group]] = 1.0
            numbers.setdefault(network.group, len(numbers))
        return cls(
            tuple(networks),
            member,
            np.log2([network.size for network in networks]),
            np.array([numbers[network.group] for network in networks], dtype=np.int64),
            np.zeros((0, *member.shape)) if features is None else features,
        )

    @property
    def partners(self) -> NDArray[np.int64]:
        """``[N]``: tasks of the group beside one of them."""
        count: NDArray[np.int64] = self.member.sum(axis=1).astype(np.int64) - 1
        return count


@dataclass(frozen=True, eq=False)
class Cells:
    """Some cells of a pool.

    Attributes:
        n: ``[C]``, network of each cell.
        t: ``[C]``, task of each cell.
    """

    n: NDArray[np.int64]
    t: NDArray[np.int64]

    def terms(self, pool: Pool, correlation: FloatArray) -> Iterator[FloatArray]:
        """``[C, C]`` covariance of each term of the model at amplitude 1, in the order of `PRIOR`."""
        n, t = self.n, self.t
        others = pool.member[n].copy()
        others[np.arange(len(n)), t] = 0.0
        count = pool.partners[n]
        shares = others / np.maximum(count, 1)[:, None]
        same_task = t[:, None] == t[None]
        z = pool.log_size[n]
        sizes = z[:, None] * z[None]
        inner = others @ others.T / 2.0
        x = pool.features[:, n, t]
        yield same_task * inner
        yield same_task * (shares @ shares.T)
        yield inner
        yield _size_covariance(pool.member.shape[1])[np.ix_(count, count)]
        yield same_task * 1.0
        yield (n[:, None] == n[None]) * correlation[np.ix_(t, t)]
        yield same_task * _rest_covariance(pool, n)
        yield sizes
        yield same_task * sizes
        yield x.T @ x

    def covariance(self, pool: Pool, correlation: FloatArray, amplitudes: FloatArray) -> FloatArray:
        """``[C, C]`` covariance of the cells: `terms` added up, task by task where only those are related."""
        a = dict(zip(PRIOR, amplitudes**2, strict=True))
        n, t = self.n, self.t
        others = pool.member[n].copy()
        others[np.arange(len(n)), t] = 0.0
        count = pool.partners[n]
        total: FloatArray = (a["clin"] / 2.0) * (others @ others.T)
        total += (a["ck"] * _size_covariance(pool.member.shape[1]))[np.ix_(count, count)]
        for amplitude, vectors in (
            (a["csz"], pool.log_size[None, n]),
            (a["features"], pool.features[:, n, t]),
        ):
            if amplitude and vectors.any():
                total += amplitude * (vectors.T @ vectors)
        for cells in _alike(t):
            block = others[cells]
            shares = block / np.maximum(count[cells], 1)[:, None]
            z = pool.log_size[n[cells]]
            total[np.ix_(cells, cells)] += (
                (a["lin"] / 2.0) * (block @ block.T)
                + a["mean"] * (shares @ shares.T)
                + a["own0"]
                + a["osz"] * z[:, None] * z[None]
                + a["rest"] * _rest_covariance(pool, n[cells])
            )
        for cells in _alike(n):
            total[np.ix_(cells, cells)] += a["net"] * correlation[np.ix_(t[cells], t[cells])]
        return total


def _alike(labels: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Positions of each label."""
    order = np.argsort(labels, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _size_covariance(n_tasks: int) -> FloatArray:
    """``[T, T]``: covariance of the effect of the number of partners, 0 to T - 1."""
    k = np.arange(n_tasks)
    covariance: FloatArray = np.exp(-np.abs(k[:, None] - k[None]) / 2.0)
    return covariance


def _rest_covariance(pool: Pool, n: NDArray[np.int64]) -> FloatArray:
    same_group = pool.group[n][:, None] == pool.group[n][None]
    same_network = n[:, None] == n[None]
    covariance: FloatArray = np.where(same_network, 1.0, SHARED_BY_SIZES) * same_group
    return covariance


@dataclass(frozen=True, eq=False)
class LossModel:
    """The posterior, given the measured losses of some networks of a pool.

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
    cells: Cells = field(repr=False)
    residuals: FloatArray = field(repr=False)
    factor: FloatArray = field(repr=False)
    noise: FloatArray = field(repr=False)

    def mean(self) -> FloatArray:
        """``[N, T]`` expected losses; NaN outside the groups."""
        from scipy.linalg import cho_solve

        weights = cho_solve((self.factor, True), self.residuals)
        expected: FloatArray = self._losses(self._spread(weights[None]))[0]
        return expected

    def draw(self, n_draws: int, generator: np.random.Generator) -> FloatArray:
        """``[D, N, T]`` draws from the posterior of the losses; NaN outside the groups."""
        from scipy.linalg import cho_solve

        prior = self._draw_prior(n_draws, generator)
        noisy = prior[:, self.cells.n, self.cells.t]
        noisy = noisy + self.noise * generator.standard_normal(noisy.shape)
        weights = cho_solve((self.factor, True), (self.residuals - noisy).T).T
        return self._losses(prior + self._spread(weights))

    def _losses(self, relative: FloatArray) -> FloatArray:
        """Losses from relative ones without the expected effect of the size, ``[D, N, T]``."""
        whole = relative + BETA * self.pool.log_size[:, None]
        losses: FloatArray = np.where(self.pool.member > 0, self.reference + self.unit * whole, np.nan)
        return losses

    def _draw_prior(self, n_draws: int, generator: np.random.Generator) -> FloatArray:
        pool, (n_networks, n_tasks) = self.pool, self.pool.member.shape
        a = dict(zip(PRIOR, self.amplitudes, strict=True))

        def normal(*shape: int) -> FloatArray:
            return generator.standard_normal((n_draws, *shape))

        z = pool.log_size[:, None]
        steps = np.linalg.cholesky(_size_covariance(n_tasks) + 1e-9 * np.eye(n_tasks))
        shared = np.linalg.cholesky(self.correlation)
        source = a["clin"] * normal(n_tasks) / np.sqrt(2.0)
        total = (
            self._partners(a["lin"] * normal(n_tasks, n_tasks), a["mean"] * normal(n_tasks, n_tasks))
            + (source @ pool.member.T)[:, :, None]
            - source[:, None, :]
            + a["ck"] * (normal(n_tasks) @ steps.T)[:, pool.partners, None]
            + (a["own0"] * normal(n_tasks))[:, None, :]
            + z * ((a["osz"] * normal(n_tasks))[:, None, :] + (a["csz"] * normal(1))[:, :, None])
            + a["net"] * normal(n_networks, n_tasks) @ shared.T
            + np.sqrt(SHARED_BY_SIZES) * a["rest"] * normal(n_networks, n_tasks)[:, pool.group]
            + np.sqrt(1 - SHARED_BY_SIZES) * a["rest"] * normal(n_networks, n_tasks)
            + np.einsum("dj,jnt->dnt", a["features"] * normal(len(pool.features)), pool.features)
        )
        drawn: FloatArray = total * self.scale
        return drawn

    def _partners(self, lin: FloatArray, mean: FloatArray) -> FloatArray:
        """Effects of the partners, ``[D, N, T]``, from weights ``[D, target, source]``."""
        diagonal = np.arange(lin.shape[1])
        lin[:, diagonal, diagonal] = mean[:, diagonal, diagonal] = 0.0
        member = self.pool.member
        by_sum = np.einsum("dtu,nu->dnt", lin, member, optimize=True) / np.sqrt(2.0)
        by_mean = np.einsum("dtu,nu->dnt", mean, member, optimize=True)
        effects: FloatArray = by_sum + by_mean / np.maximum(self.pool.partners, 1)[:, None]
        return effects

    def _spread(self, weights: FloatArray) -> FloatArray:
        """Covariance of every cell with the measured ones times weights ``[D, C]``: ``[D, N, T]``."""
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
        by_group = np.zeros_like(w)
        for n in known.tolist():
            by_group[:, pool.group[n]] += w[:, n]
        by_feature = np.einsum("dnt,jnt->dj", wk, pool.features[:, known], optimize=True)
        total = (
            self._partners(a["lin"] * lin, a["mean"] * mean)
            + a["clin"] / 2.0 * ((source @ pool.member.T)[:, :, None] - source[:, None, :])
            + a["ck"] * (by_count @ _size_covariance(n_tasks))[:, pool.partners, None]
            + a["own0"] * wk.sum(axis=1)[:, None, :]
            + z[:, None] * (a["osz"] * by_size[:, None, :] + a["csz"] * by_size.sum(axis=1)[:, None, None])
            + a["net"] * w @ self.correlation
            + a["rest"] * (SHARED_BY_SIZES * by_group[:, pool.group] + (1 - SHARED_BY_SIZES) * w)
            + np.einsum("dj,jnt->dnt", a["features"] * by_feature, pool.features)
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
    """
    measured = np.flatnonzero(np.isfinite(losses).any(axis=1))
    measured = _at_most(measured, losses, MAX_CELLS, generator)
    n, t = _cells_of(measured, losses)
    known = np.full(losses.shape, np.nan)
    known[n, t] = losses[n, t]
    reference = np.nanmean(known, axis=0)
    unit = np.maximum(np.nanmean(np.abs(known), axis=0), 1e-12)
    relative = (known - reference) / unit - BETA * pool.log_size[:, None]
    scale = _scales(relative)
    correlation = _correlation(relative / (scale * TYPICAL_DEVIATION))
    residuals = relative[n, t]
    noise = np.nan_to_num(errors[n, t] / unit[t])
    part = np.isin(n, _at_most(measured, losses, MAX_FITTED, generator))
    fitted = np.stack(list(Cells(n[part], t[part]).terms(pool, correlation)))
    fitted *= scale[t[part]][:, None] * scale[t[part]][None]
    amplitudes = _most_probable(fitted, residuals[part], noise[part], has_features=len(pool.features) > 0)
    cells = Cells(n, t)
    covariance = cells.covariance(pool, correlation, amplitudes)
    factor = _factor(covariance * scale[t][:, None] * scale[t][None], noise)
    return LossModel(pool, reference, unit, scale, correlation, amplitudes, cells, residuals, factor, noise)


def _at_most(
    rows: NDArray[np.int64], losses: FloatArray, n_cells: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """As many of the networks as have no more cells altogether; the largest one is kept."""
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
    """Spread of each task's relative losses, drawn towards the pooled one as four further cells would."""
    count = np.maximum(np.isfinite(relative).sum(axis=0) - 1, 0)
    centred = relative - np.nanmean(relative, axis=0)
    variance = np.where(count > 0, np.nan_to_num(np.nanmean(centred**2, axis=0)), 0.0)
    pooled = (TYPICAL_DEVIATION**2 * 4 + (count * variance).sum()) / (4 + count.sum())
    scales: FloatArray = np.sqrt((4 * pooled + count * variance) / (4 + count)) / TYPICAL_DEVIATION
    return scales


def _correlation(standardised: FloatArray) -> FloatArray:
    """Correlation of tasks over the networks that hold both, drawn towards the mean one; not negative."""
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
    terms: FloatArray, residuals: FloatArray, noise: FloatArray, *, has_features: bool
) -> FloatArray:
    """Amplitudes of greatest posterior density, by L-BFGS on their logarithms with exact gradients."""
    from scipy.linalg import cho_solve
    from scipy.optimize import minimize

    centre = np.log([median for median, _ in PRIOR.values()])
    spread = np.array([deviation for _, deviation in PRIOR.values()])

    def negative_density(logs: FloatArray) -> tuple[float, FloatArray]:
        squares = np.exp(2 * logs)
        factor = _factor(np.tensordot(squares, terms, axes=1), noise)
        solved = cho_solve((factor, True), residuals)
        inverse = cho_solve((factor, True), np.eye(len(residuals)))
        from_prior = (logs - centre) / spread
        density = 0.5 * residuals @ solved + np.log(np.diag(factor)).sum() + 0.5 * from_prior @ from_prior
        slope = squares * np.tensordot(terms, inverse - np.outer(solved, solved), axes=2)
        return float(density), slope + from_prior / spread

    found = minimize(negative_density, centre, jac=True, method="L-BFGS-B", options={"maxiter": 20})
    amplitudes: FloatArray = np.exp(found.x)
    if not has_features:
        amplitudes[list(PRIOR).index("features")] = 0.0
    return amplitudes


def _factor(covariance: FloatArray, noise: FloatArray) -> FloatArray:
    """Lower Cholesky factor with the noise on the diagonal, and as much more as rounding needs."""
    jitter = 1e-8 * max(float(np.mean(np.diag(covariance))), 1e-8)
    while True:
        try:
            factor = np.linalg.cholesky(covariance + np.diag(noise**2 + jitter)).astype(np.float64)
        except np.linalg.LinAlgError:
            jitter *= 100.0
        else:
            return factor
