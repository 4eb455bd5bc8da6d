"""Gains, affinities, groupings and verdicts on tables small enough to check by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.affinities.matrix import higher_order_affinity, pairwise_affinity
from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network, count_candidates, list_candidates
from grouping.domain.tables.score_table import Score, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.verdicts.baselines import BOTH_BASELINES
from grouping.domain.verdicts.gains import GainFormula, losses_alone
from grouping.domain.verdicts.verdict import judge
from grouping.errors import InvalidInputError, TooManyCandidatesError
from grouping.solver import solve
from grouping.strategies.affinity.from_table import table_affinity
from grouping.strategies.affinity.graph import affinity_graph, cluster_order, communities
from tests.tables import make_table, random_table

LOSSES = st.floats(-1e6, 1e6).filter(lambda loss: abs(loss) > 1e-6)
A, B, C = Task("a"), Task("b"), Task("c")


def small_table() -> ScoreTable:
    """Two tasks, two seeds: together b gains 20 and 40 per cent, a loses 10 and 10."""
    networks = (Network.of("a"), Network.of("b"), Network.of("a", "b"))
    losses = np.array(
        [[[1.0, 2.0], [0, 0]], [[0, 0], [1.0, 1.0]], [[1.1, 2.2], [0.8, 0.6]]], dtype=np.float64
    )
    return make_table(networks, (A, B), losses)


@given(LOSSES, LOSSES)
def test_a_gain_is_positive_exactly_where_the_loss_is_lower_whatever_its_sign(a: float, b: float) -> None:
    for formula in GainFormula:
        gain = formula.apply(np.array(a), np.array(b))
        assert np.sign(gain) == np.sign(a - b)
        divisor = a if formula is GainFormula.RELATIVE_TO_ALONE else b
        assert abs(gain) == pytest.approx(abs((a - b) / divisor))


def test_affinity_rows_are_sources_and_columns_targets() -> None:
    affinity = pairwise_affinity(small_table())
    assert affinity.values[0, 1] == pytest.approx(0.3), "a helps b"
    assert affinity.values[1, 0] == pytest.approx(-0.1), "b harms a"
    assert np.isnan(affinity.values[0, 0])
    assert affinity.n_networks.tolist() == [[0, 1], [1, 0]]
    assert affinity.summary() == "a helps b most (+30.0 % ± 10.0 %); b harms a most (-10.0 % ± 0.0 %)."


def test_higher_orders_average_over_every_group_that_holds_both() -> None:
    table = random_table(3, n_tasks=3)
    by_seed = GainFormula.RELATIVE_TO_ALONE.apply(losses_alone(table)[None], table.validation_losses)
    gains = by_seed.mean(axis=2)
    groups = [table.position(Network.of("task 0", "task 1")), table.position(Network.of(*table.task_names))]
    affinity = higher_order_affinity(table)
    assert affinity.values[0, 1] == pytest.approx(np.mean(gains[groups, 1]))
    assert affinity.n_networks[0, 1] == 2


def test_one_seed_and_missing_pairs_are_warned_about() -> None:
    table = random_table(1, n_tasks=3).select([3, 4, 6])
    for method in ("pairwise", "higher-order"):
        one_seed, missing = table_affinity(table, method).warnings
        assert "One seed" in one_seed
        assert "task 0 and task 2, task 1 and task 2" in missing


def test_an_empty_matrix_says_what_is_missing() -> None:
    table = random_table(1, n_tasks=3)
    halves = table.select([0, 1, 2])
    said = pairwise_affinity(halves).summary()
    assert "3 single tasks (task 0, task 1, task 2) and 3 pairs (task 0 and task 1, " in said
    no_single = table.select([table.position(Network.of("task 0", "task 1"))])
    assert "3 single tasks" in pairwise_affinity(no_single).summary()
    assert "2 pairs" in pairwise_affinity(no_single).summary(), "one pair was trained"


def test_communities_hold_the_tasks_that_help_each_other() -> None:
    networks = list_candidates(["a", "b", "c"], max_group_size=2)
    losses = np.ones((len(networks), 3))
    for n, network in enumerate(networks):
        if network.group == {"a", "c"}:
            losses[n] = 0.5
        elif len(network.group) == 2:
            losses[n] = 1.5
    affinity = pairwise_affinity(make_table(networks, (A, B, C), losses))
    assert communities(affinity) == (("a", "c"), ("b",))
    assert cluster_order(affinity) == (0, 2, 1)
    assert affinity_graph(affinity)["a"]["b"]["weight"] == pytest.approx(-0.5)


def test_a_grouping_tells_who_serves_and_who_only_helps() -> None:
    networks = (Network.of("a"), Network.of("a", "b", "c"))
    losses = np.array([[0.1, 0, 0], [0.2, 0.3, 0.4]])
    grouping = Grouping.from_rows(make_table(networks, (A, B, C), losses), [0, 1])
    assert grouping.served_tasks(1) == ("b", "c")
    assert grouping.helper_tasks(1) == ("a",)
    assert grouping.cost_snt == 2
    assert not grouping.is_partition
    assert grouping.network_for("a") == networks[0]


def test_a_network_that_serves_nothing_is_dropped() -> None:
    networks = (Network.of("a"), Network.of("a", "b"))
    grouping = Grouping.from_rows(make_table(networks, (A, B), np.array([[0.5, 0], [0.4, 0.4]])), [0, 1])
    assert grouping.networks == (networks[1],)
    assert grouping.is_partition


def test_a_task_cannot_be_served_by_a_network_that_is_not_trained_on_it() -> None:
    with pytest.raises(InvalidInputError, match="not trained on it"):
        Grouping(("a", "b"), (Network.of("a"),), (0, 0))


def test_a_score_table_refuses_what_is_not_a_score() -> None:
    network = Network.of("a")
    with pytest.raises(InvalidInputError, match="Two scores"):
        ScoreTable.from_scores([A], [network], [Score(network, "a", 0, 1.0), Score(network, "a", 0, 2.0)])
    with pytest.raises(InvalidInputError, match="not finite"):
        ScoreTable.from_scores([A], [network], [Score(network, "a", 0, math.inf)])
    with pytest.raises(InvalidInputError, match="outside the network's group"):
        ScoreTable.from_arrays((A, B), (network,), (0,), np.ones((1, 2, 1)), np.full((1, 2, 1), np.nan))


def test_a_score_table_cannot_be_changed() -> None:
    table = small_table()
    with pytest.raises(ValueError, match="read-only"):
        table.validation_losses[0, 0, 0] = 0


def test_networks_are_compared_on_the_seeds_that_all_of_them_have() -> None:
    networks = (Network.of("a"), Network.of("b"), Network.of("a", "b"))
    losses = np.array(
        [
            [[0.5, np.nan, np.nan], [0] * 3],
            [[0] * 3, [0.5, np.nan, np.nan]],
            [[0.4, 0.8, 0.8], [0.4, 0.8, 0.8]],
        ]
    )
    table = make_table(networks, (A, B), losses)
    assert table.on_common_seeds().seeds == (0,)
    solution = solve(table, 2.0)
    assert solution.require_grouping().networks == (networks[2],)
    assert solution.loss == pytest.approx(0.8)
    full = random_table(1, n_seeds=3)
    assert full.on_common_seeds() is full


def test_names_that_would_mislead_are_refused() -> None:
    for name in ("", " a", "a+b", "a@2", "a\u202eb", "a\x00", "\ud800", "x" * 101):
        with pytest.raises(InvalidInputError):
            Task(name)


def test_five_tasks_have_the_36_candidates_of_the_paper() -> None:
    assert len(list_candidates("abcde", max_group_size=5, single_sizes=(0.5,))) == 36
    assert count_candidates(5, 5, 1) == 36


def test_forty_tasks_are_refused_before_anything_is_listed() -> None:
    with pytest.raises(TooManyCandidatesError, match="candidate networks") as caught:
        list_candidates([f"t{i}" for i in range(40)], max_group_size=40)
    assert caught.value.n_networks == 2**40 - 1


def confirmation_table(ours: list[float], theirs: list[float]) -> tuple[Grouping, ScoreTable]:
    """A grouping of two singles at budget 2 against the baselines of equal cost, test loss = 1.1 x these."""
    together, alone = BOTH_BASELINES.of_cost(("a", "b"), 2.0)
    pair = Network.of("a", "b")
    half = Network.of("b", size=0.5)
    networks = (pair, half, *together.networks, *alone.networks)
    losses = np.zeros((len(networks), 2, len(ours)))
    losses[0, 0], losses[1, 1] = ours, ours
    losses[0, 1] = 9.0
    losses[2:] = theirs
    grouping = Grouping(("a", "b"), (half, pair), (1, 0))
    return grouping, make_table(networks, (A, B), losses)


def test_a_gain_is_claimed_only_when_both_baselines_are_beaten_beyond_the_noise() -> None:
    clear = judge(*_at_budget_2([0.80, 0.81, 0.79], [1.0, 1.01, 0.99]))
    assert clear.is_worth_it
    assert clear.sentence().startswith("Worth it as trained here")
    assert [c.gain for c in clear.comparisons] == pytest.approx([0.2, 0.2], abs=0.005)
    noisy = judge(*_at_budget_2([0.6, 1.2, 0.9], [1.0, 1.01, 0.99]))
    assert not noisy.is_worth_it
    assert noisy.sentence().startswith("Not worth it")
    small = judge(*_at_budget_2([0.990, 1.000, 0.980], [1.0, 1.01, 0.99]))
    assert small.comparisons[0].t > 3, "certain, and still too small to claim"
    assert not small.is_worth_it


def _at_budget_2(ours: list[float], theirs: list[float]) -> tuple[Grouping, float, ScoreTable]:
    grouping, table = confirmation_table(ours, theirs)
    return grouping, 2.0, table


def test_a_verdict_without_all_fresh_seeds_says_what_is_missing() -> None:
    grouping, table = confirmation_table([0.8, 0.8], [1.0, 1.0])
    verdict = judge(grouping, 2.0, table.select([0, 1, 2]))
    assert not verdict.is_confirmed
    assert not verdict.is_worth_it
    assert "all alone" in verdict.sentence()


def test_one_fresh_seed_is_not_enough_to_judge() -> None:
    verdict = judge(*_at_budget_2([0.5], [1.0]))
    assert not verdict.is_confirmed
    assert "needs two fresh seeds" in verdict.sentence()
    assert not judge(*_at_budget_2([0.50, 0.51], [1.0, 1.0])).is_worth_it, "two seeds claim nothing"


def test_a_missing_baseline_does_not_hide_the_other_comparison() -> None:
    grouping, table = confirmation_table([0.8, 0.8, 0.8], [1.0, 1.1, 1.0])
    verdict = judge(grouping, 2.0, table.select([0, 1, 3, 4]))
    assert [comparison.baseline for comparison in verdict.comparisons] == ["all alone"]
    assert not verdict.is_confirmed


def test_choosing_a_baseline_itself_is_said_plainly() -> None:
    together = Network.of("a", "b")
    alone = BOTH_BASELINES.of_cost(("a", "b"), 1.0)[1].networks
    table = make_table((together, *alone), (A, B), np.ones((3, 2, 3)))
    verdict = judge(Grouping(("a", "b"), (together,), (0, 0)), 1.0, table)
    assert "baseline all together itself" in verdict.sentence()
    assert not verdict.is_worth_it


def test_notebook_displays_escape_names() -> None:
    task = Task("<script>")
    network = Network.of("<script>")
    table = make_table((network,), (task,), np.array([[1.0]]))
    grouping = Grouping.from_rows(table, [0])
    for html in (table._repr_html_(), grouping._repr_html_(), pairwise_affinity(table)._repr_html_()):
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
