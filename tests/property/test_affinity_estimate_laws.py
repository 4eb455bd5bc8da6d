"""Laws of the affinity that is estimated from whatever was trained."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.affinities.matrix import AffinityMatrix, pairwise_affinity
from grouping.domain.affinities.status import CellStatus
from grouping.domain.networks import Network, list_candidates
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.strategies.affinity.estimate import estimate_affinity, gains_over_first
from grouping.strategies.affinity.posterior import posterior_affinity
from grouping.strategies.affinity.trained_part import MAX_ESTIMATE_CELLS
from tests.effort import examples
from tests.tables import make_table, random_table

PARTS = st.lists(st.integers(0, 18), unique=True, max_size=10)


def additive_table(seed: int, n_tasks: int = 5, noise: float = 0.005) -> tuple[ScoreTable, FloatArray]:
    """Losses of a base times 1 minus the sum of directed effects; half-size singles are dearer by 4 %."""
    generator = np.random.default_rng(seed)
    names = [f"t{i}" for i in range(n_tasks)]
    networks = list_candidates(names, max_group_size=n_tasks, single_sizes=(0.5,))
    effects = generator.normal(0, 0.08, (n_tasks, n_tasks))
    np.fill_diagonal(effects, 0.0)
    member = np.array([[name in network.group for name in names] for network in networks], dtype=float)
    sizes = np.array([network.size for network in networks])[:, None]
    losses = generator.uniform(0.2, 2.0, n_tasks) * (1 - member @ effects) * (1 - 0.04 * np.log2(sizes))
    losses = losses * (1 + noise * generator.standard_normal(losses.shape))
    return make_table(networks, tuple(map(Task, names)), losses), effects


def table_of(seed: int, n_seeds: int = 1) -> ScoreTable:
    """All groups of four tasks with random losses far from 0."""
    table = random_table(seed, n_seeds=n_seeds)
    return ScoreTable.from_arrays(
        table.tasks, table.networks, table.seeds, 2 + table.validation_losses, table.test_losses
    )


def renamed(table: ScoreTable, order: list[int], rows: list[int]) -> ScoreTable:
    """The table with its tasks in another order under other names, and its rows in another order."""
    names = {task.name: f"z{place}" for place, task in enumerate(reversed(table.tasks))}
    networks = [
        Network(frozenset(names[task] for task in table.networks[n].group), table.networks[n].size)
        for n in rows
    ]
    cubes = [losses[rows][:, order] for losses in (table.validation_losses, table.test_losses)]
    tasks = tuple(Task(names[table.tasks[t].name]) for t in order)
    return ScoreTable.from_arrays(tasks, tuple(networks), table.seeds, cubes[0], cubes[1])


def assert_same(found: AffinityMatrix, wanted: AffinityMatrix, order: list[int]) -> None:
    square = np.ix_(order, order)
    np.testing.assert_allclose(found.values, wanted.values[square], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.standard_errors, wanted.standard_errors[square], rtol=1e-3, atol=1e-5)
    assert (found.n_networks == wanted.n_networks[square]).all()


@pytest.mark.parametrize("seed", range(4))
def test_additive_effects_are_recovered_without_any_pair(seed: int) -> None:
    table, effects = additive_table(seed)
    seen = table.select([n for n, one in enumerate(table.networks) if one.size < 1 or len(one.group) > 2])
    found = estimate_affinity(seen)
    apart = ~np.eye(5, dtype=np.bool_)
    assert found.is_estimated is not None
    assert found.is_estimated[apart].all()
    off = (found.values - effects)[apart]
    assert np.corrcoef(found.values[apart], effects[apart])[0, 1] > 0.9
    assert np.mean(np.abs(off) <= 2.5 * found.standard_errors[apart]) >= 0.9
    assert np.sqrt(np.mean(off**2)) < 0.5 * np.sqrt(np.mean(effects[apart] ** 2))


@given(PARTS, st.integers(0, 3))
@settings(max_examples=examples(40), deadline=None)
def test_a_cell_has_a_value_exactly_where_a_contrast_exists(rows: list[int], seed: int) -> None:
    table = table_of(seed).select(rows)
    found, pairs = estimate_affinity(table), pairwise_affinity(table)
    for i, source in enumerate(table.task_names):
        for j, target in enumerate(table.task_names):
            if i == j:
                assert np.isnan(found.values[i, j])
                continue
            groups = [network.group for network in table.networks if target in network.group]
            has_contrast = len({source in group for group in groups}) == 2
            if not np.isnan(pairs.values[i, j]):
                assert found.status(i, j) is CellStatus.MEASURED
            else:
                assert found.status(i, j) is (CellStatus.ESTIMATED if has_contrast else CellStatus.UNKNOWN)
            assert found.n_networks[i, j] == sum(source in group for group in groups)
            is_known = found.status(i, j) is not CellStatus.UNKNOWN
            assert np.isfinite(found.values[i, j]) == is_known


@given(PARTS, st.integers(0, 3))
@settings(max_examples=examples(15), deadline=None)
def test_a_measured_cell_is_that_of_the_pairs(rows: list[int], seed: int) -> None:
    table = table_of(seed, n_seeds=3).select(rows)
    found, pairs = estimate_affinity(table), pairwise_affinity(table)
    measured = ~np.isnan(pairs.values)
    np.testing.assert_array_equal(found.values[measured], pairs.values[measured])
    np.testing.assert_array_equal(found.standard_errors[measured], pairs.standard_errors[measured])
    assert not (found.is_estimated & measured).any()


@given(PARTS, st.integers(0, 3), st.integers(0, 2**32))
@settings(max_examples=examples(40), deadline=None)
def test_unknown_noise_is_warned_about_exactly_where_a_measured_cell_has_none(
    rows: list[int], seed: int, mix: int
) -> None:
    table = table_of(seed, n_seeds=2).select(rows)
    is_lost = np.random.default_rng(mix).random((len(rows), 1, 2)) < 0.3
    is_lost &= ~is_lost.all(axis=2, keepdims=True)
    losses = np.where(is_lost, np.nan, table.validation_losses)
    part = ScoreTable.from_arrays(table.tasks, table.networks, table.seeds, losses, table.test_losses)
    found = estimate_affinity(part)
    assert found.is_estimated is not None
    has_no_error = ~np.isnan(found.values) & ~found.is_estimated & np.isnan(found.standard_errors)
    assert any(text.startswith("One seed only") for text in found.warnings) == has_no_error.any()


@given(
    PARTS,
    st.integers(0, 3),
    st.lists(st.sampled_from([1e-300, 0.01, 3.0, 1e4, 1e300, 4e307]), min_size=4, max_size=4),
)
@settings(max_examples=examples(15), deadline=None)
def test_the_unit_of_a_loss_changes_nothing(rows: list[int], seed: int, units: list[float]) -> None:
    table = table_of(seed, n_seeds=2).select(rows)
    scaled = ScoreTable.from_arrays(
        table.tasks,
        table.networks,
        table.seeds,
        table.validation_losses * np.array(units)[:, None],
        table.test_losses,
    )
    for affinity in (estimate_affinity, posterior_affinity):
        assert_same(affinity(scaled), affinity(table), [0, 1, 2, 3])


def test_losses_of_either_sign_at_the_ends_of_the_floating_point_range_give_finite_effects() -> None:
    table, _ = additive_table(2)
    seen = table.select([*range(5), 12, 15, 20, 30, 35])
    losses = np.where(np.arange(10)[:, None, None] % 2, 1.7e308, -1.7e308) * seen.membership[:, :, None]
    losses = np.where(seen.membership[:, :, None], losses, np.nan)
    found = estimate_affinity(
        ScoreTable.from_arrays(seen.tasks, seen.networks, seen.seeds, losses, seen.test_losses)
    )
    assert not np.isinf(found.values).any()
    assert not np.isinf(found.standard_errors).any()


@given(PARTS, st.integers(0, 3), st.permutations(range(4)), st.randoms())
@settings(max_examples=examples(15), deadline=None)
def test_names_and_orders_change_nothing(rows: list[int], seed: int, order: list[int], mix: object) -> None:
    table = table_of(seed).select(rows)
    turned = list(range(len(rows)))
    mix.shuffle(turned)  # type: ignore[attr-defined]
    for affinity in (estimate_affinity, posterior_affinity):
        assert_same(affinity(renamed(table, order, turned)), affinity(table), order)


def test_names_and_orders_change_nothing_where_a_part_of_a_large_table_is_seen() -> None:
    table, _ = additive_table(7, n_tasks=9)
    member = table.membership.sum(axis=1)
    large = table.select(np.flatnonzero((member != 2) | (table.costs_snt < 1)))
    assert large.membership.sum() > MAX_ESTIMATE_CELLS
    order = [4, 2, 8, 1, 0, 7, 3, 6, 5]
    rows = np.random.default_rng(1).permutation(len(large.networks)).tolist()
    assert_same(estimate_affinity(renamed(large, order, rows)), estimate_affinity(large), order)


def test_only_the_networks_that_the_model_sees_are_said_to_be_behind_it() -> None:
    table, _ = additive_table(7, n_tasks=9)
    member = table.membership.sum(axis=1)
    large = table.select(np.flatnonzero((member != 2) | (table.costs_snt < 1)))
    said = " ".join(estimate_affinity(large).warnings)
    (number,) = re.findall(r"a model of ([\d,]+) trained networks", said)
    sizes = np.sort(large.membership.sum(axis=1))
    assert 0.9 * MAX_ESTIMATE_CELLS < sizes[: int(number)].sum() <= MAX_ESTIMATE_CELLS < sizes.sum()


def test_test_losses_are_not_read() -> None:
    table, _ = additive_table(1)
    seen = table.select([*range(5), 12, 15, 20, 30, 35])
    other = ScoreTable.from_arrays(
        seen.tasks, seen.networks, seen.seeds, seen.validation_losses, seen.test_losses * 9
    )
    np.testing.assert_array_equal(estimate_affinity(seen).values, estimate_affinity(other).values)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gains_and_their_errors_are_those_of_draws(sign: float) -> None:
    generator = np.random.default_rng(5)
    mean = sign * np.array([1.0, 0.8, 1.3])
    half = generator.normal(0, 0.02, (3, 3))
    covariance = half @ half.T
    draws = generator.multivariate_normal(mean, covariance, size=50_000)
    gains = (draws[:, :1] - draws[:, 1:]) / np.abs(draws[:, :1])
    values, errors = gains_over_first(mean, covariance)
    np.testing.assert_allclose(values, gains.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(errors, gains.std(axis=0), rtol=0.03)
    unknown, _ = gains_over_first(np.array([0.01, 0.8, 1.3]), covariance)
    assert np.isnan(unknown).all()


def test_a_loss_alone_that_is_extrapolated_over_sizes_is_less_certain() -> None:
    table, _ = additive_table(6)
    groups = [n for n, network in enumerate(table.networks) if len(network.group) > 2]
    halves, full = list(range(5)), list(range(5, 10))
    at_half, at_full = (estimate_affinity(table.select([*some, *groups])) for some in (halves, full))
    apart = ~np.eye(5, dtype=np.bool_)
    assert at_half.standard_errors[apart].min() > 0.08
    assert at_full.standard_errors[apart].max() < 0.08


def test_a_share_of_a_loss_that_may_be_zero_is_unknown() -> None:
    networks = (Network.of("a", size=0.5), Network.of("b"), Network.of("a", "b"), Network.of("a", "c"))
    losses = np.array([[1e-4, 0, 0], [0, 0.5, 0], [-1.0, 0.4, 0], [1.0, 0, 0.5]])
    found = estimate_affinity(make_table(networks, tuple(map(Task, "abc")), losses))
    assert found.status(1, 0) is CellStatus.UNKNOWN, "the loss of a alone cannot be told from 0"
    assert found.status(0, 1) is CellStatus.MEASURED
    assert found.status(2, 0) is CellStatus.UNKNOWN


def test_negative_losses_give_finite_effects() -> None:
    table, _ = additive_table(2)
    seen = table.select([*range(5), 12, 15, 20, 30, 35])
    negative = ScoreTable.from_arrays(
        seen.tasks, seen.networks, seen.seeds, -seen.validation_losses, seen.test_losses
    )
    found = estimate_affinity(negative)
    assert found.is_known
    assert np.nanmax(np.abs(found.values)) < 1


def test_the_summary_tells_what_is_known_and_only_what_stands_out() -> None:
    table, _ = additive_table(3)
    nothing = estimate_affinity(table.select(range(10)))
    assert nothing.summary() == "No network with two tasks has been trained."
    together = estimate_affinity(table.select([len(table.networks) - 1]))
    assert together.summary() == "No two trained networks tell the effect of a task on another."
    assert not together.is_known
    some = estimate_affinity(table.select([*range(10), 10, len(table.networks) - 1]))
    assert "Of 20 effects 2 measured and 18 estimated." in some.summary()
    noisy = AffinityMatrix(
        ("a", "b"),
        "estimate",
        "",
        np.array([[np.nan, 0.1], [-0.3, np.nan]]),
        np.array([[np.nan, 0.06], [0.1, np.nan]]),
        np.ones((2, 2), dtype=np.int64),
        is_estimated=np.array([[False, True], [True, False]]),
    )
    assert noisy.summary() == (
        "b harms a most (about -30.0 % ± 10.0 %); no help stands out from the noise. "
        "All 2 effects are estimated."
    )
    assert "~-30.0 %" in noisy._repr_html_()


def test_tasks_never_trained_alone_are_warned_about() -> None:
    table, _ = additive_table(4)
    groups = table.select([n for n, network in enumerate(table.networks) if len(network.group) > 2])
    assert any("Never trained alone at any size: t0" in text for text in estimate_affinity(groups).warnings)
    singles = table.select([n for n, network in enumerate(table.networks) if len(network.group) != 2])
    assert not any("Never trained alone" in text for text in estimate_affinity(singles).warnings)
