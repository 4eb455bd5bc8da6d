"""The mean effect of a task on another over all groups: against the sums that define it, and its noise."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest

from grouping.domain.affinities.status import CellStatus
from grouping.domain.networks import Network, list_candidates
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.strategies.adaptive.loss_covariance import Pool, PoolCells
from grouping.strategies.adaptive.loss_model import LossModel, fit_model
from grouping.strategies.affinity.posterior import MAX_TASKS, MeanEffects, posterior_affinity
from tests.tables import make_table

NAMES = ("a", "b", "c", "d")


def all_networks(names: tuple[str, ...] = NAMES) -> tuple[Network, ...]:
    return tuple(list_candidates(names, max_group_size=len(names), single_sizes=(0.5,)))


def full_table(seed: int, names: tuple[str, ...] = NAMES, n_seeds: int = 1) -> ScoreTable:
    """Every group, half-size single tasks too, with losses between 1 and 2."""
    networks = all_networks(names)
    losses = np.random.default_rng(seed).uniform(1, 2, (n_seeds, len(networks), len(names)))
    tasks = tuple(map(Task, names))
    if n_seeds == 1:
        return make_table(networks, tasks, losses[0])
    layers = [make_table(networks, tasks, layer).validation_losses for layer in losses]
    cube = np.concatenate(layers, axis=2)
    return ScoreTable.from_arrays(tasks, networks, range(n_seeds), cube)


def groups_without(source: str, target: str, names: tuple[str, ...], largest: int) -> list[tuple[str, ...]]:
    """Groups with the target and without the source to which the source may be added."""
    others = [name for name in names if name not in (source, target)]
    sizes = range(largest - 1)
    return [(target, *some) for size in sizes for some in itertools.combinations(others, size)]


def measured_effect(table: ScoreTable, source: str, target: str) -> float:
    """The definition, read off the losses."""
    names, t = table.task_names, table.task_names.index(target)
    total = 0.0
    for group in groups_without(source, target, names, len(names)):
        weight = 1 / ((len(names) - 1) * comb(len(names) - 2, len(group) - 1))
        alone, beside = (
            table.validation[table.position(Network.of(*some)), t] for some in (group, (*group, source))
        )
        total += weight * (alone - beside)
    return float(total / np.nanmean(table.validation[:, t]))


def test_where_every_group_was_trained_it_is_the_mean_of_what_was_measured() -> None:
    table = full_table(0)
    found = posterior_affinity(table)
    for (i, source), (j, target) in itertools.permutations(enumerate(NAMES), 2):
        assert found.values[i, j] == pytest.approx(measured_effect(table, source, target), abs=1e-4)
    apart = ~np.eye(len(NAMES), dtype=np.bool_)
    assert found.standard_errors[apart].max() < 1e-3


def test_effects_on_a_task_add_up_to_what_training_it_with_all_others_does() -> None:
    table = full_table(1)
    found = posterior_affinity(table)
    for j, target in enumerate(NAMES):
        alone, together = (
            table.validation[table.position(Network.of(*group)), j] for group in ((target,), NAMES)
        )
        wanted = (alone - together) / np.nanmean(table.validation[:, j])
        assert np.nansum(found.values[:, j]) == pytest.approx(wanted, abs=1e-4)


def fitted(largest: int) -> tuple[LossModel, Pool, FloatArray]:
    """A model of a part of a table, over a pool of all its groups."""
    table = full_table(2, n_seeds=3)
    pool = Pool.of(table.networks, NAMES)
    counts = pool.member.sum(axis=1)
    is_seen = np.random.default_rng(3).random(len(counts)) < 0.6
    is_seen[counts > largest] = False
    losses = np.where(is_seen[:, None], table.validation, np.nan)
    return fit_model(pool, losses, table.validation_standard_error, np.random.default_rng(0)), pool, counts


@pytest.mark.parametrize("largest", [2, 3, 4])
def test_the_closed_form_is_the_sum_over_the_cells_of_all_groups(largest: int) -> None:
    model, pool, _ = fitted(largest)
    place = {network.key: n for n, network in enumerate(pool.networks)}
    for target in range(len(NAMES)):
        effects = MeanEffects.on(target, len(NAMES), largest)
        mean, variance = effects.posterior(model)
        for at, source in enumerate(effects.sources.tolist()):
            cells, weights = [], []
            for group in groups_without(NAMES[source], NAMES[target], NAMES, largest):
                weight = 1 / ((largest - 1) * comb(len(NAMES) - 2, len(group) - 1))
                cells += [place[Network.of(*some).key] for some in (group, (*group, NAMES[source]))]
                weights += [-weight, weight]
            rows = PoolCells(np.array(cells), np.full(len(cells), target))
            expected, covariance = model.posterior(rows)
            w, unit = np.array(weights), model.unit[target]
            assert mean[at] == pytest.approx(w @ expected / unit, rel=1e-6, abs=1e-9)
            assert variance[at] == pytest.approx(w @ covariance @ w / unit**2, rel=1e-6, abs=1e-12)


def test_a_source_that_helps_is_positive_and_only_in_its_own_direction() -> None:
    networks = all_networks()
    helped = np.array([{"a", "b"} <= network.group for network in networks])
    losses = np.ones((len(networks), len(NAMES)))
    losses[helped, NAMES.index("b")] = 0.8
    table = make_table(networks, tuple(map(Task, NAMES)), losses)
    seen = table.select([n for n in range(len(networks)) if n % 3 != 1])
    found = posterior_affinity(seen)
    assert found.values[0, 1] > 0.1, "a on b"
    assert found.values[0, 1] > 4 * np.nanmax(np.abs(np.delete(found.values.ravel(), 1)))


def test_each_further_network_makes_the_effects_surer() -> None:
    model, pool, counts = fitted(4)
    effects = MeanEffects.on(0, len(NAMES), 4)
    wide = effects.posterior(model)[1]
    n = int(
        np.flatnonzero(
            (counts == 3) & (pool.member[:, 0] > 0) & ~np.isin(np.arange(len(counts)), model.cells.n)
        )[0]
    )
    more = np.append(model.cells.n, n), np.append(model.cells.t, 0)
    cells = PoolCells(*more)
    covariance = cells.covariance(pool, model.correlation, model.amplitudes)
    noise = np.append(model.noise, 0.0)
    scale = model.scale[cells.t]
    lifted = covariance * scale[:, None] * scale + np.diag(noise**2 + 1e-9)
    factor = np.asarray(np.linalg.cholesky(lifted), dtype=np.float64)
    surer = LossModel(
        pool, model.reference, model.unit, model.scale, model.correlation, model.amplitudes,
        cells, np.append(model.residuals, 0.0), factor, noise,
    )  # fmt: skip
    narrow = effects.posterior(surer)[1]
    assert (narrow < wide).all()


def test_a_cell_without_a_contrast_is_unknown_and_named() -> None:
    table = full_table(4).select([*range(4), len(all_networks()) - 1])  # half-size singles and all together
    found = posterior_affinity(table)
    assert found.counts()[CellStatus.ESTIMATED] == 12
    pair = full_table(4)
    rows = [pair.position(Network.of(*group)) for group in (("a", "b"), ("a", "b", "c"), ("a", "b", "d"))]
    some = posterior_affinity(pair.select(rows))
    assert some.status(0, 1) is CellStatus.UNKNOWN, "b was never trained without a"
    assert some.status(2, 1) is CellStatus.ESTIMATED
    assert any("a on b" in text for text in some.warnings)
    assert any("Groups of more than 3 tasks are left out" in text for text in some.warnings)
    assert posterior_affinity(pair.select([0])).why_empty == "No network with two tasks has been trained."


def test_a_table_of_too_many_tasks_says_what_to_do_instead() -> None:
    names = [f"t{i}" for i in range(MAX_TASKS + 1)]
    table = make_table((Network.of(*names),), tuple(map(Task, names)), np.ones((1, len(names))))
    found = posterior_affinity(table)
    assert not found.is_known
    assert "300 tasks at most; these are 301. Take the method pairwise" in found.summary()


def test_test_losses_are_not_read() -> None:
    table = full_table(5).select(range(9))
    other = table.with_arrays(test_losses=9 * table.validation_losses)
    np.testing.assert_array_equal(posterior_affinity(table).values, posterior_affinity(other).values)
