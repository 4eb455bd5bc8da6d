"""Strategies: what they ask for, and when they stop."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.jobs.specification import DEFAULT_STRATEGY, JobSpec
from grouping.domain.networks import Candidates, Network, list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.trainings.trials import TrialKey, TrialRequest
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.solver import solve, solve_budgets
from grouping.strategies import Evidence, get_strategy, list_strategies
from grouping.strategies.paper.hoa import predict_higher_orders
from tests.tables import random_table

TRUTH = random_table(7, n_tasks=4, n_seeds=2)
EARLY = random_table(8, n_tasks=4, n_seeds=2)
CANDIDATES = list_candidates(TRUTH.task_names, max_group_size=4, single_sizes=(0.5,))
SPACE = Candidates.listed(TRUTH.task_names, CANDIDATES)


def run_search(name: str, budgets: tuple[float, ...] = (1.0, 2.0)) -> list[tuple[TrialRequest, ...]]:
    """Ask and tell until the strategy stops, with `TRUTH` and `EARLY` as oracles."""
    strategy = get_strategy(name)
    rounds: list[tuple[TrialRequest, ...]] = []
    while True:
        asked = [request for batch in rounds for request in batch]
        evidence = Evidence(
            SPACE,
            _reveal(TRUTH, asked, 1.0),
            _reveal(EARLY, asked, 0.2),
            budgets,
            TRUTH.seeds,
            frozenset(r.key for r in asked),
        )
        proposal = strategy.ask(evidence, solve_budgets)
        assert proposal == strategy.ask(evidence, solve_budgets), "the same evidence gives the same answer"
        if not proposal.requests:
            assert proposal.reason is not None
            return rounds
        rounds.append(proposal.requests)


def _reveal(oracle: ScoreTable, asked: list[TrialRequest], fidelity: float) -> ScoreTable:
    rows = {oracle.position(request.network) for request in asked if request.fidelity == fidelity}
    return oracle.select(sorted(rows))


def test_exhaustive_asks_for_every_candidate_and_seed_once() -> None:
    (batch,) = run_search("exhaustive")
    assert len(batch) == len(set(batch)) == len(CANDIDATES) * len(TRUTH.seeds)
    assert {(r.network, r.seed) for r in batch} == {(n, s) for n in CANDIDATES for s in TRUTH.seeds}


def test_the_first_seed_of_every_network_comes_before_the_second() -> None:
    (batch,) = run_search("exhaustive")
    assert [request.seed for request in batch] == sorted(request.seed for request in batch)


def test_hoa_trains_singles_and_pairs_and_then_what_the_pair_means_recommend() -> None:
    first, *later = run_search("hoa")
    assert {r.network for r in first} == {n for n in CANDIDATES if len(n.group) <= 2}
    table = TRUTH.select([n for n, network in enumerate(TRUTH.networks) if len(network.group) <= 2])
    predicted = predict_higher_orders(table, CANDIDATES)
    chosen = {
        network
        for budget in (1.0, 2.0)
        for network in solve(predicted, budget).require_grouping().networks
        if len(network.group) > 2
    }
    assert len(later) == 1, "HOA predicts once"
    assert {r.network for r in later[0]} == chosen


def test_esa_trains_everything_briefly_and_only_the_chosen_networks_in_full() -> None:
    early, full = run_search("esa")
    assert {r.network for r in early} == set(CANDIDATES)
    assert {r.fidelity for r in early} == {0.2}
    expected = {n for b in (1.0, 2.0) for n in solve(EARLY, b).require_grouping().networks}
    assert {r.network for r in full} == expected
    assert {r.fidelity for r in full} == {1.0}


def test_a_chosen_network_that_diverges_is_replaced_by_the_next_best() -> None:
    early_only = [TrialRequest(network, seed, 0.2) for network in CANDIDATES for seed in TRUTH.seeds]
    chosen = solve(EARLY, 2.0).require_grouping().networks
    lost = {TrialKey(n.key, seed) for n in chosen for seed in TRUTH.seeds}
    evidence = Evidence(
        SPACE,
        TRUTH.select([]),
        EARLY,
        (2.0,),
        TRUTH.seeds,
        frozenset(r.key for r in early_only) | lost,
    )
    again = {request.network for request in get_strategy("esa").ask(evidence, solve_budgets).requests}
    assert again
    assert not again & set(chosen)


def test_trials_left_out_by_the_budget_are_asked_for_again() -> None:
    evidence = Evidence(
        SPACE,
        TRUTH,
        EARLY.select([]),
        (1.0,),
        TRUTH.seeds,
        frozenset(TrialKey(n.key, TRUTH.seeds[0]) for n in CANDIDATES),
    )
    wanted = get_strategy("exhaustive").ask(evidence, solve_budgets).requests
    assert {request.seed for request in wanted} == {TRUTH.seeds[1]}


def test_a_predicted_loss_is_the_mean_over_the_pairs_of_the_task() -> None:
    a, b, c, d = TRUTH.task_names
    table = TRUTH.select([n for n, network in enumerate(TRUTH.networks) if len(network.group) <= 2])
    predicted = predict_higher_orders(table, CANDIDATES)
    pairs = [table.validation[table.position(Network.of(a, other)), 0] for other in (b, c, d)]
    assert predicted.validation[predicted.position(Network.of(a, b, c, d)), 0] == pytest.approx(
        np.mean(pairs)
    )
    row = predicted.position(Network.of(a, b))
    assert np.array_equal(predicted.validation[row], table.validation[table.position(Network.of(a, b))], True)


def test_groups_with_an_unmeasured_pair_are_not_predicted() -> None:
    a, b, *_ = TRUTH.task_names
    rows = [
        n for n, network in enumerate(TRUTH.networks) if len(network.group) <= 2 and network.group != {a, b}
    ]
    predicted = predict_higher_orders(TRUTH.select(rows), CANDIDATES)
    assert predicted.networks
    assert not any({a, b} <= network.group for network in predicted.networks)


def test_every_listed_strategy_can_be_had_and_refuses_parameters_it_does_not_take() -> None:
    assert [info.name for info in list_strategies()][:4] == ["adaptive", "exhaustive", "hoa", "esa"]
    assert DEFAULT_STRATEGY == "adaptive"
    assert JobSpec("digits", ("digit",)).strategy == DEFAULT_STRATEGY
    for info in list_strategies():
        assert get_strategy(info.name).name == info.name
        with pytest.raises(InvalidInputError, match="does not know no_such_thing"):
            get_strategy(info.name, {"no_such_thing": 3})


def test_an_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Known: .*exhaustive, .*hoa"):
        get_strategy("greedy")
