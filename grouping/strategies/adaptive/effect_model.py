"""Model of the losses for many tasks: each task's losses are linear in its partners, in closed form.

A cell is a task t in a network with group G, k partners of t and z = log2 of its size. Its loss, relative as
in `grouping.strategies.adaptive.loss_model` and in units of the task's spread, is

    y[G, s, t] = beta z + usual[t] + trend[t] k / (T - 1) + more[t] log(1 + k) / log T + osz[t] z
               + k^-q  sum over u in G, u != t, of  w[t, u]
               + luck[G, s, t] + error of measurement

with Gaussian weights, which are independent from task to task given what the tasks share. That is found from
the losses of all of them (empirical Bayes): the covariance ``[T, T]`` of the partners' effects w[t, .], means
and variances of the other weights, the variance of the luck, and the power q, 0 where effects of partners add
up, 1 where their mean counts. The covariance says which partners act alike, whoever the target is: clusters
of tasks are known long before every pair was together in a network. It is the most probable one under an
inverse Wishart prior, by EM (Dempster, Laird and Rubin, 1977), on as many networks as `MOST_FITTED` allows.

Given these, each task is a Gaussian process of its own: no covariance of all cells is ever built, and memory
grows with the squares of the numbers of measured networks and of tasks, and with what is predicted. Draws are
draws of the weights (Matheron's rule, as in the other model), from which the losses of any network follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.score_table import FloatArray
from grouping.errors import SolverError
from grouping.strategies.adaptive.loss_covariance import Pool, PoolCells
from grouping.strategies.adaptive.loss_model import Relative, relative_losses

POWERS = (0.0, 0.5, 1.0)
"""Powers of the number of partners by which the sum of their effects may be divided."""
OWN_DEVIATIONS = (12.0, 0.7, 0.7, 0.4)
"""Deviations, at first, of the usual loss, which stays so wide, and of the other weights of `features`."""
PARTNERS_DEVIATION = 0.7
"""Deviation, at first, of what the partners do in a group of half the tasks."""
LUCK_DEVIATION = 0.5
"""Deviation of the luck at first."""
PRIOR_SHARE = 0.3
"""What the priors of what tasks share weigh, in shares of all tasks."""
ROUNDS = 10
ROUNDS_OF_POWERS = 3
MOST_FITTED = 1e9
"""Multiplications in a round of EM; beyond it a seeded part of the networks is left out."""
LEAST_LUCK = 1e-6
N_FITTED_OF_POWERS = 60
"""Tasks by which the power is chosen."""
NO_MODEL = (
    "No model of the losses can be fitted: they differ by more than can be computed with. Check that they "
    "are finite and of moderate size."
)


@dataclass(frozen=True, eq=False)
class Shared:
    """What the tasks share.

    Attributes:
        power: q.
        partners: ``[T, T]``, second moments of the effects of two partners on any task.
        centres: ``[4]``, prior means of the weights of `features`.
        variances: ``[4]``, their prior variances.
        luck: ``[T]``, variance of the luck of each task.
    """

    power: float
    partners: FloatArray = field(repr=False)
    centres: FloatArray
    variances: FloatArray
    luck: FloatArray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of the model, and the luck of the measured networks: the posterior mean, or draws.

    Attributes:
        own: ``[D, T, 4]``, of `features`.
        partners: ``[D, T, T]``, of target and source; 0 on the diagonal.
        luck: ``[D, M, T]``, of the measured networks; 0 outside their groups.
    """

    own: FloatArray
    partners: FloatArray
    luck: FloatArray


@dataclass(frozen=True, eq=False)
class EffectModel:
    """The posterior of the weights, given the measured losses of some networks.

    Attributes:
        measured: the `M` networks.
        relative: how their losses became relative.
        residuals: ``[M, T]``, relative losses in units of the spread, less the expected effect of the size;
            NaN outside the groups.
        noise: ``[M, T]``, variance of the error of each.
        shared: what the tasks share.
    """

    measured: Pool
    relative: Relative
    residuals: FloatArray = field(repr=False)
    noise: FloatArray = field(repr=False)
    shared: Shared

    def mean(self) -> Weights:
        """Compute the posterior means; ``D`` is 1."""
        return self._given(None)

    def draw(self, n_draws: int, generator: np.random.Generator) -> Weights:
        """Draw weights from the posterior."""
        n_tasks, n_known = self.residuals.shape[1], len(self.residuals)
        shared, lower = self.shared, np.linalg.cholesky(self.shared.partners)
        own = generator.standard_normal((n_draws, n_tasks, 4)) * np.sqrt(shared.variances)
        partners = generator.standard_normal((n_draws, n_tasks, n_tasks)) @ lower.T
        luck = generator.standard_normal((n_draws, n_known, n_tasks)) * np.sqrt(shared.luck)
        errors = generator.standard_normal((n_draws, n_known, n_tasks)) * np.sqrt(self.noise)
        return self._given(Weights(own + shared.centres, partners, luck), errors)

    def _given(self, prior: Weights | None, errors: FloatArray | None = None) -> Weights:
        """Correct draws of the prior, or its mean, for what was measured."""
        from scipy.linalg import cho_solve

        shared, (n_known, n_tasks) = self.shared, self.residuals.shape
        if prior is None or errors is None:
            own = np.broadcast_to(shared.centres, (1, n_tasks, 4))
            prior = Weights(own, np.zeros((1, n_tasks, n_tasks)), np.zeros((1, n_known, n_tasks)))
            errors = np.zeros((1, n_known, n_tasks))
        n_draws = len(prior.own)
        member, own_features = self.measured.member, features(self.measured)
        own, luck = prior.own.copy(), np.where(member > 0, prior.luck, 0.0)
        spread = np.zeros((n_draws, n_tasks, n_tasks))
        share = divisors(self.measured.partners, shared.power)
        for task in _tasks(self.measured, shared, self.noise, range(n_tasks)):
            n, t = task.rows, task.t
            drawn = own_features[n] @ prior.own[:, t].T + luck[:, n, t].T + errors[:, n, t].T
            effects = member[n] @ prior.partners[:, t].T - prior.partners[:, t, t]
            missed = self.residuals[n, t][:, None] - drawn - share[n, None] * effects
            solved = cho_solve((task.factor, True), missed, check_finite=False)
            own[:, t] += (shared.variances[:, None] * (own_features[n].T @ solved)).T
            luck[:, n, t] += shared.luck[t] * solved.T
            spread[:, t] = (member[n].T @ (share[n, None] * solved)).T
            spread[:, t, t] = 0.0
        partners = prior.partners + spread @ shared.partners
        diagonal = np.arange(n_tasks)
        partners[:, diagonal, diagonal] = 0.0
        return Weights(own, partners, luck)

    def expecting(self, more: Pool) -> EffectModel:
        """Return the posterior as if further networks had been measured and come out as expected."""
        expected = PredictedPool(more, self).mean()
        residuals = self.relative.residuals(expected, more) / self.relative.spread
        return replace(
            self,
            measured=self.measured.with_more(more),
            residuals=np.concatenate([self.residuals, residuals]),
            noise=np.concatenate([self.noise, np.zeros_like(residuals)]),
        )


@dataclass(frozen=True, eq=False)
class PredictedPool:
    """The losses of a pool under an `EffectModel`; answers as `LossModel` does.

    Attributes:
        pool: the networks to predict, measured ones among them.
        model: the posterior.
        drawn: draws of its weights that `draw` is to use; None for new ones.
    """

    pool: Pool
    model: EffectModel
    drawn: Weights | None = None

    def mean(self) -> FloatArray:
        """Compute the expected losses ``[N, T]``; NaN outside the groups."""
        expected: FloatArray = self.of_weights(self.model.mean())[0]
        return expected

    def draw(self, n_draws: int, generator: np.random.Generator) -> FloatArray:
        """Draw losses from the posterior, ``[D, N, T]``; NaN outside the groups."""
        if self.drawn is not None and len(self.drawn.own) == n_draws:
            return self.of_weights(self.drawn, generator)
        return self.of_weights(self.model.draw(n_draws, generator), generator)

    def of_weights(self, weights: Weights, generator: np.random.Generator | None = None) -> FloatArray:
        """Compute losses ``[D, N, T]``; where a generator is given, with luck of networks not measured."""
        model, pool = self.model, self.pool
        share = divisors(pool.partners, model.shared.power)[:, None]
        total = np.einsum("nf,dtf->dnt", features(pool), weights.own, optimize=True)
        for drawn, partners in zip(total, weights.partners, strict=True):
            drawn += share * (pool.member @ partners.T)
        if generator is not None:
            total += generator.standard_normal(total.shape) * np.sqrt(model.shared.luck)
        rows, at = self._known
        if generator is not None:
            total[:, rows] = 0.0
            known = pool.member[rows], features(pool)[rows]
            for drawn, own, partners in zip(total, weights.own, weights.partners, strict=True):
                drawn[rows] = known[1] @ own.T + share[rows] * (known[0] @ partners.T)
        total[:, rows] += weights.luck[:, at]
        return model.relative.losses(total, pool)

    def posterior(self, wanted: PoolCells) -> tuple[FloatArray, FloatArray]:
        """Compute expected losses of some cells, ``[C]``, and the covariance of their errors, ``[C, C]``."""
        from scipy.linalg import solve_triangular

        model, pool = self.model, self.pool
        shared = model.shared
        mean = self.mean()[wanted.n, wanted.t]
        covariance = np.zeros((len(wanted.n), len(wanted.n)))
        place = np.full(len(pool.member), -1)
        rows, at = self._known
        place[rows] = at
        for task in _tasks(model.measured, shared, model.noise, np.unique(wanted.t).tolist()):
            cells = np.flatnonzero(wanted.t == task.t)
            n = wanted.n[cells]
            across = _covariance(shared, task.t, (pool, n), (model.measured, task.rows))
            across += shared.luck[task.t] * (place[n][:, None] == task.rows[None])
            prior = _covariance(shared, task.t, (pool, n), (pool, n))
            prior += shared.luck[task.t] * (n[:, None] == n[None])
            half = solve_triangular(task.factor, across.T, lower=True, check_finite=False)
            unit = model.relative.unit[task.t] * model.relative.spread[task.t]
            covariance[np.ix_(cells, cells)] = (prior - half.T @ half) * unit**2
        return mean, covariance

    @property
    def _known(self) -> tuple[list[int], list[int]]:
        """Rows of the measured networks in the pool, and their places among the measured."""
        place = {network.key: m for m, network in enumerate(self.model.measured.networks)}
        found = [(n, place[x.key]) for n, x in enumerate(self.pool.networks) if x.key in place]
        return [n for n, _ in found], [m for _, m in found]


def features(pool: Pool) -> FloatArray:
    """Return ``[N, 4]``: 1, share of the other tasks, logarithms of the number of tasks and of the size."""
    n_tasks = pool.member.shape[1]
    company = np.log1p(pool.partners) / np.log(max(n_tasks, 2))
    return np.stack([np.ones(len(company)), pool.company, company, pool.log_size], axis=1)


def own_by_partners(own: FloatArray) -> FloatArray:
    """Compute from weights ``[T, 4]`` of `features` the part of each task beside k partners, ``[T, T]``."""
    n_tasks = len(own)
    k = np.arange(n_tasks)
    company = np.log1p(k) / np.log(max(n_tasks, 2))
    rows = np.stack([np.ones(n_tasks), k / max(n_tasks - 1, 1), company, np.zeros(n_tasks)])
    by_partners: FloatArray = own @ rows
    return by_partners


def divisors(partners: NDArray[np.int64], power: float) -> FloatArray:
    """Return k^-q for each number of partners; 1 without partners."""
    shares: FloatArray = np.maximum(partners, 1).astype(np.float64) ** -power
    return shares


@dataclass(frozen=True, eq=False)
class _Task:
    """A task, the networks it was measured in, and the Cholesky factor of its losses' covariance."""

    t: int
    rows: NDArray[np.int64]
    factor: FloatArray


def _tasks(pool: Pool, shared: Shared, noise: FloatArray, tasks: Sequence[int]) -> Iterator[_Task]:
    """Factor the covariance of the measured losses of one task after another.

    Raises:
        SolverError: if one has no factor, as of numbers that are not finite.
    """
    from scipy.linalg import LinAlgError, cholesky

    member, share, own = pool.member, divisors(pool.partners, shared.power), features(pool)
    gram = member @ shared.partners
    by_source = gram * share[:, None]
    gram = share[:, None] * (gram @ member.T) * share
    gram += (own * shared.variances) @ own.T
    for t in tasks:
        rows = np.flatnonzero(member[:, t] > 0)
        source = np.outer(by_source[rows, t], share[rows])
        covariance = gram[np.ix_(rows, rows)] - source - source.T
        covariance += shared.partners[t, t] * np.outer(share[rows], share[rows])
        jitter = 1e-12 * float(np.mean(np.diag(covariance)))
        covariance[np.diag_indices_from(covariance)] += shared.luck[t] + noise[rows, t] + jitter
        try:
            factor = cholesky(covariance.T, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            factor = covariance * np.nan
        if not np.isfinite(np.diag(factor)).all():
            raise SolverError(NO_MODEL)
        yield _Task(t, rows, factor)


def _covariance(
    shared: Shared, t: int, ours: tuple[Pool, NDArray[np.int64]], theirs: tuple[Pool, NDArray[np.int64]]
) -> FloatArray:
    """Compute the covariance of a task's losses in networks, ``[A, B]``, without their luck."""
    parts = []
    for pool, n in (ours, theirs):
        others = pool.member[n].copy()
        others[:, t] = 0.0
        parts.append((others * divisors(pool.partners[n], shared.power)[:, None], features(pool)[n]))
    (a, own_a), (b, own_b) = parts
    covariance: FloatArray = a @ shared.partners @ b.T + (own_a * shared.variances) @ own_b.T
    return covariance


def fit_effects(
    measured: Pool, losses: FloatArray, errors: FloatArray, generator: np.random.Generator
) -> EffectModel:
    """Fit the model to measured losses.

    Args:
        measured: the networks.
        losses: ``[M, T]`` losses; NaN outside the groups. Every task is in some group.
        errors: ``[M, T]`` standard errors of them; NaN where unknown, which counts as none.
        generator: picks the networks from which is learned what the tasks share, where there are too many.

    Raises:
        SolverError: if the losses are too large to compute with.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        relative = relative_losses(measured, losses)
        residuals = relative.residuals(losses, measured) / relative.spread
    if not (np.isfinite(relative.spread).all() and np.isfinite(residuals[measured.member > 0]).all()):
        raise SolverError(NO_MODEL)
    noise = np.nan_to_num(errors / (relative.unit * relative.spread)) ** 2
    rows = _affordable(measured, MOST_FITTED, generator)
    part = measured.select(rows), residuals[rows], noise[rows]
    n_tasks = losses.shape[1]
    some = generator.permutation(n_tasks)[:N_FITTED_OF_POWERS].tolist()
    fits = []
    for power in POWERS:
        shared, density = _first(measured, power), -np.inf
        for _ in range(ROUNDS_OF_POWERS):
            shared, density = _improved(*part, shared, some)
        fits.append((density, power))
    shared = _first(measured, max(fits)[1])
    for _ in range(ROUNDS):
        shared, _ = _improved(*part, shared, range(n_tasks))
    return EffectModel(measured, relative, residuals, noise, shared)


def _affordable(pool: Pool, most: float, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return as many of the networks as a round of EM can afford; the largest is kept."""
    order = generator.permutation(len(pool.member))
    largest = int(pool.partners.argmax())
    order = np.concatenate([[largest], order[order != largest]])
    kept = len(order)
    while kept > 1 and float((pool.member[order[:kept]].sum(axis=0) ** 3).sum()) > most:
        kept = int(kept * 0.9)
    return np.sort(order[:kept])


def _first(pool: Pool, power: float) -> Shared:
    """Return what is assumed of the tasks at first."""
    n_tasks = pool.member.shape[1]
    half = np.array([max(n_tasks // 2, 1)])
    variance = float(PARTNERS_DEVIATION**2 / (half[0] * divisors(half, power)[0] ** 2))
    return Shared(
        power,
        variance * np.eye(n_tasks),
        np.zeros(4),
        np.array(OWN_DEVIATIONS) ** 2,
        np.full(n_tasks, LUCK_DEVIATION**2),
    )


def _improved(
    pool: Pool, residuals: FloatArray, noise: FloatArray, shared: Shared, tasks: Sequence[int]
) -> tuple[Shared, float]:
    """Return what the tasks share after a round of EM, and the logarithm of the likelihood before it.

    Args:
        pool, residuals, noise: of the measured networks.
        shared: as known so far.
        tasks: those that are looked at.
    """
    from scipy.linalg import cho_solve, solve_triangular

    (n_networks, n_tasks), member, own = pool.member.shape, pool.member, features(pool)
    share = divisors(pool.partners, shared.power)
    spread = np.zeros((n_tasks, n_tasks))
    inverses = np.zeros((n_networks, n_networks))
    borders = np.zeros((n_tasks, n_tasks))
    corners = np.zeros(n_tasks)
    means, squares = np.zeros((n_tasks, 4)), np.zeros((n_tasks, 4))
    luck, count = np.zeros(n_tasks), np.zeros(n_tasks)
    density = 0.0
    for task in _tasks(pool, shared, noise, tasks):
        n, t = task.rows, task.t
        missed = residuals[n, t] - own[n] @ shared.centres
        solved = cho_solve((task.factor, True), missed, check_finite=False)
        density -= 0.5 * float(missed @ solved) + float(np.log(np.diag(task.factor)).sum())
        root = solve_triangular(task.factor, np.eye(len(n)), lower=True, check_finite=False)
        inverse = root.T @ root
        spread[t] = member[n].T @ (share[n] * solved)
        spread[t, t] = 0.0
        weighted = share[n][:, None] * inverse * share[n]
        inverses[np.ix_(n, n)] += weighted
        sums = weighted.sum(axis=1)
        borders[t] = member[n].T @ sums
        corners[t] = sums.sum()
        shift = shared.variances * (own[n].T @ solved)
        means[t] = shared.centres + shift
        squares[t] = shared.variances - shared.variances**2 * ((own[n].T @ inverse) * own[n].T).sum(axis=1)
        luck[t] = shared.luck[t] ** 2 * (solved @ solved - np.trace(inverse)) + shared.luck[t] * len(n)
        count[t] = len(n)
    known = member.T @ inverses @ member - borders - borders.T
    known[np.diag_indices_from(known)] += corners
    weights = spread @ shared.partners
    n_seen, prior = len(tasks), PRIOR_SHARE * len(tasks)
    total = weights.T @ weights + n_seen * shared.partners - shared.partners @ known @ shared.partners
    usual = prior * float(np.mean(np.diag(shared.partners)))
    partners = (total + usual * np.eye(n_tasks)) / (n_seen + prior)
    seen = list(tasks)
    centres = means[seen].sum(axis=0) / (n_seen + prior)
    centres[[0, 3]] = 0.0
    first = np.array(OWN_DEVIATIONS) ** 2
    moments = ((means - centres) ** 2 + squares)[seen].sum(axis=0)
    variances = (moments + prior * first) / (n_seen + prior)
    variances[0] = first[0]
    pooled = (luck.sum() + prior * LUCK_DEVIATION**2) / (count.sum() + prior)
    luck = (luck + 2 * prior * pooled) / (count + 2 * prior)
    symmetric = (partners + partners.T) / 2
    return Shared(shared.power, symmetric, centres, variances, np.maximum(luck, LEAST_LUCK)), density
