"""The model for many tasks: its arithmetic against a written out Gaussian process, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import SolverError
from grouping.strategies.adaptive.effect_model import (
    EffectModel,
    PredictedPool,
    Shared,
    divisors,
    features,
    fit_effects,
)
from grouping.strategies.adaptive.loss_covariance import Pool, PoolCells
from grouping.strategies.adaptive.loss_model import relative_losses

N_TASKS = 5
TASKS = tuple(f"t{t}" for t in range(N_TASKS))


def pool_of(member: FloatArray, sizes: FloatArray | None = None) -> Pool:
    names = [f"t{t}" for t in range(member.shape[1])]
    sizes = np.ones(len(member)) if sizes is None else sizes
    return Pool.of(
        [
            Network(frozenset(names[t] for t in np.flatnonzero(row)), float(size), float(size))
            for row, size in zip(member, sizes, strict=True)
        ],
        names,
    )


def small_model(power: float, noise: float = 0.04) -> tuple[EffectModel, Pool]:
    """A model of five tasks with everything in it at once, and a pool with all it measured and more."""
    generator = np.random.default_rng(3)
    groups = ((np.arange(1, 32)[:, None] >> np.arange(N_TASKS)) & 1).astype(float)
    member = np.concatenate([groups, np.eye(N_TASKS)])
    pool = pool_of(member, np.concatenate([np.ones(31), np.full(N_TASKS, 0.5)]))
    measured = pool.select(np.array([30, 4, 9, 17, 22, 12, 28, 31, 33]))
    losses = np.where(measured.member > 0, generator.uniform(0.5, 1.5, measured.member.shape), np.nan)
    root = generator.normal(0, 0.4, (N_TASKS, N_TASKS))
    shared = Shared(
        power,
        root @ root.T + 0.05 * np.eye(N_TASKS),
        np.array([0.0, 0.3, -0.2, 0.0]),
        np.array([9.0, 0.5, 0.4, 0.3]),
        generator.uniform(0.1, 0.4, N_TASKS),
    )
    relative = relative_losses(measured, losses)
    residuals = relative.residuals(losses, measured) / relative.spread
    return EffectModel(measured, relative, residuals, np.full(losses.shape, noise), shared), pool


def written_out(model: EffectModel, pool: Pool) -> tuple[PoolCells, FloatArray, FloatArray]:
    """Posterior mean and covariance of all losses of the pool, from one covariance of all cells."""
    shared, relative = model.shared, model.relative
    everything = pool_of(
        np.concatenate([model.measured.member, pool.member]),
        2.0 ** np.concatenate([model.measured.log_size, pool.log_size]),
    )
    n, t = np.nonzero(everything.member)
    others = everything.member[n].copy()
    others[np.arange(len(n)), t] = 0.0
    others *= divisors(everything.partners[n], shared.power)[:, None]
    own = features(everything)[n]
    names = [everything.networks[i].key for i in n]
    same = np.array([[a == b for b in names] for a in names])
    covariance = others @ shared.partners @ others.T + (own * shared.variances) @ own.T
    covariance = (covariance + same * shared.luck[t]) * (t[:, None] == t[None])
    is_known = n < len(model.measured.member)
    known, wanted = np.flatnonzero(is_known), np.flatnonzero(~is_known)
    noise = np.diag(model.noise[n[known], t[known]])
    gain = np.linalg.solve(covariance[np.ix_(known, known)] + noise, covariance[np.ix_(known, wanted)]).T
    centre = own @ shared.centres
    mean = centre[wanted] + gain @ (model.residuals[n[known], t[known]] - centre[known])
    posterior = covariance[np.ix_(wanted, wanted)] - gain @ covariance[np.ix_(known, wanted)]
    cells = PoolCells(n[wanted] - len(model.measured.member), t[wanted])
    unit = (relative.unit * relative.spread)[cells.t]
    z = pool.log_size[cells.n]
    losses = relative.reference[cells.t] + unit * mean - 0.04 * z * relative.unit[cells.t]
    return cells, losses, posterior * unit[:, None] * unit


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_mean_and_covariance_are_those_of_the_written_out_gaussian_process(power: float) -> None:
    model, pool = small_model(power)
    cells, mean, covariance = written_out(model, pool)
    predicted = PredictedPool(pool, model)
    np.testing.assert_allclose(predicted.mean()[cells.n, cells.t], mean, rtol=1e-8)
    found, found_covariance = predicted.posterior(cells)
    np.testing.assert_allclose(found, mean, rtol=1e-8)
    np.testing.assert_allclose(found_covariance, covariance, atol=1e-8)


def test_draws_have_the_mean_and_the_covariance_of_the_posterior() -> None:
    model, pool = small_model(0.5)
    cells, mean, covariance = written_out(model, pool)
    drawn = PredictedPool(pool, model).draw(4000, np.random.default_rng(0))[:, cells.n, cells.t]
    deviation = np.sqrt(np.diag(covariance))
    assert np.abs(drawn.mean(axis=0) - mean).max() <= 0.08 * deviation.max()
    difference = (np.cov(drawn.T) - covariance) / deviation[:, None] / deviation
    assert np.abs(difference).max() <= 0.12


def test_measured_losses_without_error_are_reproduced() -> None:
    model, pool = small_model(0.0, noise=0.0)
    predicted = PredictedPool(pool, model).mean()
    rows = [[n.key for n in pool.networks].index(m.key) for m in model.measured.networks]
    losses = model.relative.losses(model.residuals[None], model.measured)[0]
    np.testing.assert_allclose(predicted[rows], losses, rtol=1e-6)


def test_a_running_network_that_comes_out_as_expected_leaves_the_mean_and_narrows_the_spread() -> None:
    model, pool = small_model(0.0)
    wanted = PoolCells(np.array([6]), np.array([0]))
    mean, variance = PredictedPool(pool, model).posterior(wanted)
    later, less = PredictedPool(pool, model.expecting(pool.select(np.array([14])))).posterior(wanted)
    np.testing.assert_allclose(later, mean, rtol=1e-9)
    assert less[0, 0] < variance[0, 0]


def clustered(n_tasks: int, n_networks: int, seed: int = 0) -> tuple[Pool, FloatArray, FloatArray]:
    """Random groups of a third of the tasks; tasks help their own cluster of five and harm others."""
    generator = np.random.default_rng(seed)
    member = np.ones((n_networks, n_tasks))
    for n in range(1, n_networks):
        member[n] = 0.0
        member[n, generator.choice(n_tasks, n_tasks // 3, replace=False)] = 1.0
    cluster = np.arange(n_tasks) // 5
    effects = np.where(cluster[:, None] == cluster, -0.05, 0.005)
    np.fill_diagonal(effects, 0.0)
    losses = 1.0 + member @ effects.T + generator.normal(0, 0.01, member.shape)
    return pool_of(member), np.where(member > 0, losses, np.nan), effects


def test_partners_of_one_cluster_are_known_before_most_pairs_were_seen_often() -> None:
    """60 networks, 20 cells for each task with 29 partners: alone a task knows less than half of it."""
    pool, losses, effects = clustered(30, 60)
    model = fit_effects(pool, losses, np.full(losses.shape, np.nan), np.random.default_rng(0))
    found = model.mean().partners[0]
    apart = ~np.eye(30, dtype=np.bool_)
    assert np.corrcoef(found[apart], effects[apart])[0, 1] > 0.85


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_losses_too_large_to_compute_with_are_an_error() -> None:
    pool, losses, _ = clustered(10, 12)
    losses[1:4] *= 1e308
    with pytest.raises(SolverError, match="finite and of moderate size"):
        fit_effects(pool, losses, np.full(losses.shape, np.nan), np.random.default_rng(0))
