"""What clustering the tasks costs against the exact grouping."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from grouping.clustering import MAX_CLUSTERED_TASKS, compare_clusterings
from grouping.domain.affinities.matrix import pairwise_affinity
from grouping.domain.networks import Network, list_candidates
from grouping.domain.percentages import two_digit_percent
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import solve
from tests.clusterings import BLOCKS, SIX, block_table
from tests.tables import make_table, random_table


def test_on_planted_blocks_clustering_costs_nothing() -> None:
    table = block_table()
    found = compare_clusterings(table, pairwise_affinity(table), solve(table, 2.0))
    for outcome in found.outcomes:
        assert {network.group for network in outcome.networks} == set(BLOCKS)
        assert (outcome.missing, outcome.cost_snt) == ((), 2.0)
        assert outcome.difference == pytest.approx(0, abs=1e-12)
    assert "as good as the exact one" in found.sentence()


@pytest.mark.parametrize("seed", range(6))
def test_no_clustering_beats_the_exact_grouping_and_its_price_is_read_from_the_table(seed: int) -> None:
    table = random_table(seed, n_tasks=5, n_seeds=2)
    for budget in (1.0, 2.5, 4.0):
        exact = solve(table, budget)
        assert exact.loss is not None
        found = compare_clusterings(table, pairwise_affinity(table), exact)
        for outcome in found.outcomes:
            assert outcome.loss is not None
            assert outcome.cost_snt is not None
            assert outcome.difference is not None
            assert outcome.relative_difference is not None
            rows = [table.position(network) for network in outcome.networks]
            assert outcome.loss == pytest.approx(np.nansum(table.validation[rows]))
            assert outcome.cost_snt == len(outcome.networks) <= budget
            assert outcome.difference == pytest.approx(outcome.loss - exact.loss)
            assert outcome.difference >= -1e-12
            assert outcome.relative_difference * exact.loss == pytest.approx(outcome.difference)
        best = min(outcome.relative_difference or 0.0 for outcome in found.outcomes)
        if best > 1e-9:
            assert f"at least {two_digit_percent(best)} more loss" in found.sentence()


def test_networks_that_were_not_measured_are_named() -> None:
    table = block_table()
    pairs = table.select([n for n, network in enumerate(table.networks) if len(network.group) <= 2])
    found = compare_clusterings(pairs, pairwise_affinity(pairs), solve(pairs, 4.0))
    outcomes = {outcome.method: outcome for outcome in found.outcomes}
    modularity, matching = outcomes["modularity"], outcomes["matching"]
    assert set(modularity.missing) == {Network(block) for block in BLOCKS}
    assert (modularity.cost_snt, modularity.loss, modularity.difference) == (2.0, None, None)
    assert (matching.missing, matching.cost_snt) == ((), 4.0)
    assert matching.loss is not None
    assert found.best is not None
    assert found.best.loss == matching.loss
    found = compare_clusterings(pairs, pairwise_affinity(pairs), solve(pairs, 4.5))
    assert found.sentence().endswith("the other methods propose has been measured.")
    assert found.sentence().startswith(("Spectral clustering alone", "Maximum-weight matching alone"))


def test_what_cannot_be_said_is_said() -> None:
    table = block_table()
    matrix = pairwise_affinity(table)
    assert "No grouping of the measured" in compare_clusterings(table, matrix, solve(table, 0.1)).sentence()
    halves = table.select([n for n, network in enumerate(table.networks) if network.size == 0.5])
    found = compare_clusterings(halves, pairwise_affinity(halves), solve(halves, 3.0))
    assert found.outcomes == ()
    assert found.sentence().startswith("There is nothing to cluster"), "no effect is known by pairs"
    smaller = table.select(
        [n for n, one in enumerate(table.networks) if one.size == 0.5 or len(one.group) < 3]
    )
    found = compare_clusterings(smaller, matrix, solve(smaller, 3.0))
    assert "has not been measured" in found.sentence()
    one = table.with_weights({"a": 2.0}).select([table.position(Network.of(*SIX, size=1.0))])
    assert "No grouping" in compare_clusterings(one, matrix, solve(one, 0.5)).sentence()


def test_weights_count() -> None:
    table = random_table(3, n_tasks=4).with_weights({"task 0": 3.0})
    found = compare_clusterings(table, pairwise_affinity(table), solve(table, 1.0))
    row = table.position(Network.of(*table.task_names))
    for outcome in found.outcomes:
        assert outcome.loss == pytest.approx(table.validation[row] @ table.weights)


def test_measured_costs_count() -> None:
    names = ("a", "b", "c")
    networks = tuple(
        Network(frozenset(group), 1.0, 1.0 + 0.1 * len(group))
        for size in (1, 2, 3)
        for group in combinations(names, size)
    )
    losses = np.random.default_rng(5).uniform(0.1, 1, (len(networks), 3))
    table = make_table(networks, tuple(map(Task, names)), losses)
    exact = solve(table, 2.0)
    for outcome in compare_clusterings(table, pairwise_affinity(table), exact).outcomes:
        assert outcome.cost_snt == pytest.approx(1.3), "two networks cost 2.3 together"


def test_cheap_networks_make_more_groups() -> None:
    networks = tuple(Network(n.group, 1.0, 0.5) for n in list_candidates(SIX, max_group_size=6))
    table = make_table(networks, tuple(map(Task, SIX)), np.ones((len(networks), 6)))
    found = compare_clusterings(table, pairwise_affinity(table), solve(table, 2.0))
    groups = {outcome.method: len(outcome.networks) for outcome in found.outcomes}
    assert groups["spectral"] == 4


def test_losses_are_compared_on_the_seeds_that_all_networks_have() -> None:
    full = random_table(6, n_tasks=3, n_seeds=3)
    losses = np.array(full.validation_losses)
    losses[0, :, 2] = np.nan
    losses[1:, :, 2] *= 0.01  # an easy seed, which the first network does not have
    table = ScoreTable.from_arrays(full.tasks, full.networks, full.seeds, losses, full.test_losses)
    exact = solve(table, 1.0)
    for outcome in compare_clusterings(table, pairwise_affinity(table), exact).outcomes:
        row = table.position(Network.of(*table.task_names))
        assert outcome.loss == pytest.approx(losses[row, :, :2].mean(axis=1).sum())
        assert outcome.difference == pytest.approx(0, abs=1e-12)


def test_a_network_with_a_missing_loss_is_not_measured() -> None:
    full = random_table(6, n_tasks=3)
    losses = np.array(full.validation_losses)
    together = full.position(Network.of(*full.task_names))
    losses[together, 0] = np.nan
    table = ScoreTable.from_arrays(full.tasks, full.networks, full.seeds, losses, full.test_losses)
    for outcome in compare_clusterings(table, pairwise_affinity(table), solve(table, 1.0)).outcomes:
        assert outcome.missing == (full.networks[together],)


def test_a_table_of_too_many_tasks_is_not_clustered() -> None:
    names = tuple(f"t{i}" for i in range(MAX_CLUSTERED_TASKS + 1))
    networks = (Network.of("t0"), Network.of("t0", "t1"), Network.of(*names))
    table = make_table(networks, tuple(map(Task, names)), np.ones((3, len(names))))
    found = compare_clusterings(table, pairwise_affinity(table), solve(table, 1.0))
    assert found.outcomes == ()
    assert f"more than {MAX_CLUSTERED_TASKS} tasks" in found.sentence()


@pytest.mark.parametrize(
    ("share", "text"), [(0.0312, "3.1 %"), (0.0, "0.0 %"), (0.00042, "0.042 %"), (1.5, "150.0 %")]
)
def test_small_shares_keep_their_digits(share: float, text: str) -> None:
    assert two_digit_percent(share) == text
