"""The Gaussian process over cells: its structured arithmetic against the plain one, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.networks import Network, list_candidates
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import SolverError
from grouping.strategies.adaptive.loss_covariance import PRIOR, USUAL_DEVIATION, Pool, PoolCells
from grouping.strategies.adaptive.loss_model import BETA, MAX_MODEL_CELLS, LossModel, _factor, fit_model

TASKS = ("a", "b", "c", "d")
NETWORKS = list_candidates(TASKS, max_group_size=4, single_sizes=(0.5,))


def losses_with(effect: FloatArray, *, networks: tuple[Network, ...] = NETWORKS) -> FloatArray:
    """Losses 1 + the summed effects ``[source, target]`` of the partners, dearer at half size."""
    losses = np.full((len(networks), len(effect)), np.nan)
    names = TASKS if len(effect) == 4 else tuple(f"t{i}" for i in range(len(effect)))
    for n, network in enumerate(networks):
        inside = [names.index(task) for task in network.group]
        for t in inside:
            losses[n, t] = 1.0 + sum(effect[s, t] for s in inside if s != t) - BETA * (1 - network.size)
    return losses


def fitted(seed: int = 0, n_measured: int = 10) -> tuple[LossModel, FloatArray]:
    generator = np.random.default_rng(seed)
    truth = losses_with(generator.normal(0, 0.05, (4, 4))) + generator.normal(0, 0.01, (len(NETWORKS), 4))
    pool = Pool.of(NETWORKS, TASKS)
    known = np.full(truth.shape, np.nan)
    rows = [len(NETWORKS) - 1, *range(4), *generator.permutation(len(NETWORKS) - 5)[: n_measured - 5] + 4]
    known[rows] = truth[rows]
    return fit_model(pool, known, np.full(truth.shape, np.nan), generator), truth


def whole_covariance(model: LossModel) -> tuple[PoolCells, FloatArray]:
    n, t = np.nonzero(model.pool.member)
    cells = PoolCells(n, t.astype(np.int64))
    covariance = cells.covariance(model.pool, model.correlation, model.amplitudes)
    return cells, covariance * model.scale[t][:, None] * model.scale[t]


def test_the_covariance_by_blocks_is_the_sum_of_its_terms() -> None:
    model, _ = fitted()
    cells, covariance = whole_covariance(model)
    terms = np.stack(list(cells.terms(model.pool, model.correlation)))
    assert len(terms) == len(PRIOR)
    plain = np.tensordot(model.amplitudes**2, terms, axes=1)
    plain += USUAL_DEVIATION**2 * (cells.t[:, None] == cells.t)
    plain *= model.scale[cells.t][:, None] * model.scale[cells.t]
    np.testing.assert_allclose(covariance, plain, atol=1e-15)


def test_the_posterior_mean_is_that_of_the_written_out_gaussian_process() -> None:
    model, _ = fitted()
    cells, covariance = whole_covariance(model)
    at = [
        int(np.flatnonzero((cells.n == n) & (cells.t == t))[0])
        for n, t in zip(model.cells.n, model.cells.t, strict=True)
    ]
    solved = np.linalg.solve(model.factor @ model.factor.T, model.residuals)
    expected = covariance[:, at] @ solved + BETA * model.pool.log_size[cells.n]
    losses = model.reference[cells.t] + model.unit[cells.t] * expected
    np.testing.assert_allclose(model.mean()[cells.n, cells.t], losses, rtol=1e-10)


def test_the_usual_losses_are_integrated_out() -> None:
    """The posterior is that of a flat prior: generalised least squares for the mean of every task."""
    model, _ = fitted()
    cells, covariance = whole_covariance(model)
    usual = np.eye(4)[cells.t] * model.scale
    covariance = covariance - USUAL_DEVIATION**2 * usual @ usual.T
    is_measured = np.isin(cells.n, model.cells.n)
    rest = np.flatnonzero(~is_measured)
    across, plain = covariance[np.ix_(rest, is_measured)], usual[is_measured]
    inverse = np.linalg.inv(covariance[np.ix_(is_measured, is_measured)] + 1e-9 * np.eye(is_measured.sum()))
    precision = plain.T @ inverse @ plain
    means = np.linalg.solve(precision, plain.T @ inverse @ model.residuals)
    expected = usual[rest] @ means + across @ inverse @ (model.residuals - plain @ means)
    of_means = usual[rest] - across @ inverse @ plain
    spread = covariance[np.ix_(rest, rest)] - across @ inverse @ across.T
    spread += of_means @ np.linalg.solve(precision, of_means.T)
    mean, found = model.posterior(PoolCells(cells.n[rest], cells.t[rest]))
    unit, size = model.unit[cells.t[rest]], model.pool.log_size[cells.n[rest]]
    relative = (mean - model.reference[cells.t[rest]]) / unit - BETA * size
    deviations = np.sqrt(np.diag(spread))
    np.testing.assert_allclose(relative / deviations, expected / deviations, atol=0.01)
    np.testing.assert_allclose(np.sqrt(np.diag(found)) / unit, deviations, rtol=0.01)


def test_effects_of_partners_are_free_of_how_many_there_are() -> None:
    """Single tasks and all tasks together differ by company, and not by who is in it."""
    model, _ = fitted()
    pool = Pool.of((*(Network.of(task) for task in TASKS), Network.of(*TASKS)), TASKS)
    cells = PoolCells(np.array([0, 4]), np.array([0, 0]))
    partners = next(iter(cells.terms(pool, model.correlation)))
    np.testing.assert_allclose(partners, 0.0, atol=1e-15)


def test_draws_have_the_mean_and_the_spread_of_the_posterior() -> None:
    model, _ = fitted()
    cells, covariance = whole_covariance(model)
    measured = np.isin(cells.n, model.cells.n)
    inner = covariance[np.ix_(measured, measured)] + 1e-10 * np.eye(measured.sum())
    across = covariance[:, measured]
    spread = np.sqrt(np.maximum(np.diag(covariance - across @ np.linalg.solve(inner, across.T)), 0))
    draws = model.draw(6_000, np.random.default_rng(1))[:, cells.n, cells.t] / model.unit[cells.t]
    np.testing.assert_allclose(draws.std(axis=0)[~measured], spread[~measured], rtol=0.08)
    errors = draws.mean(axis=0) - (model.mean()[cells.n, cells.t] / model.unit[cells.t])
    assert np.abs(errors[~measured] / spread[~measured]).max() < 0.07
    assert draws.std(axis=0)[measured].max() < 1e-4


def test_the_posterior_of_some_cells_is_that_of_the_written_out_gaussian_process() -> None:
    model, _ = fitted()
    cells, covariance = whole_covariance(model)
    np.testing.assert_allclose(
        cells.covariance_with(cells, model.pool, model.correlation, model.amplitudes)
        * model.scale[cells.t][:, None]
        * model.scale[cells.t],
        covariance,
        atol=1e-15,
    )
    pairs = zip(model.cells.n, model.cells.t, strict=True)
    at = np.array([np.flatnonzero((cells.n == n) & (cells.t == t))[0] for n, t in pairs])
    some = np.array([0, 5, 11, 17])
    across = covariance[np.ix_(some, at)]
    inner = model.factor @ model.factor.T
    mean, spread = model.posterior(PoolCells(cells.n[some], cells.t[some]))
    np.testing.assert_allclose(mean, model.mean()[cells.n[some], cells.t[some]], rtol=1e-9)
    unit = model.unit[cells.t[some]]
    expected = covariance[np.ix_(some, some)] - across @ np.linalg.solve(inner, across.T)
    np.testing.assert_allclose(spread, expected * unit[:, None] * unit, atol=1e-10)


def test_measured_losses_are_reproduced_and_others_predicted_better_than_by_the_mean() -> None:
    gained = []
    for seed in range(6):
        model, truth = fitted(seed, n_measured=13)
        mean = model.mean()
        known = np.unique(model.cells.n)
        np.testing.assert_allclose(mean[known], truth[known], rtol=1e-5)
        rest = np.setdiff1d(np.arange(len(truth)), known)
        error = np.nansum((mean - truth)[rest] ** 2)
        plain = np.nansum((model.reference - truth)[rest] ** 2)
        gained.append(1 - error / plain)
    assert np.mean(gained) > 0.4


def test_noise_of_the_measurements_keeps_the_mean_from_following_them() -> None:
    model, truth = fitted()
    errors = np.full(truth.shape, 0.2)
    known = np.full(truth.shape, np.nan)
    rows = np.unique(model.cells.n)
    known[rows] = truth[rows]
    noisy = fit_model(model.pool, known, errors, np.random.default_rng(0))
    assert np.nanmean(np.abs(noisy.mean() - truth)[rows]) > 10 * np.nanmean(
        np.abs(model.mean() - truth)[rows]
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("value", [np.nan, -1e300])
def test_a_covariance_without_a_factor_is_an_error_and_no_endless_search(value: float) -> None:
    with pytest.raises(SolverError, match="no Cholesky factor"):
        _factor(np.full((3, 3), value), np.zeros(3))


def test_more_cells_than_the_limit_are_left_out_by_whole_networks() -> None:
    names = tuple(f"t{i}" for i in range(20))
    generator = np.random.default_rng(0)
    groups = {frozenset(generator.choice(names, 15, replace=False).tolist()) for _ in range(260)}
    networks = (*(Network(group) for group in sorted(groups, key=sorted)), Network.of(*names))
    losses = losses_with(generator.normal(0, 0.01, (20, 20)), networks=networks)
    model = fit_model(Pool.of(networks, names), losses, np.full(losses.shape, np.nan), generator)
    assert np.isfinite(losses).sum() > MAX_MODEL_CELLS >= len(model.residuals) > 0.9 * MAX_MODEL_CELLS
    assert len(networks) - 1 in model.cells.n
