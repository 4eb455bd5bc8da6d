"""The adaptive search: what it trains, when it stops, and that it is worth its trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from grouping.domain.jobs.job import StopReason
from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.replay.tables import open_table
from grouping.search import Search
from grouping.solver import BudgetSolver, solve, solve_budgets
from grouping.solver.confidence.draw_programme import MAX_BLOCKS
from grouping.strategies import Evidence, get_strategy
from grouping.strategies.adaptive.adaptive import Adaptive
from grouping.strategies.adaptive.expected_improvement import improvement_alone, improvement_together
from grouping.strategies.sampling import cover
from tests.searches import run_to_the_end
from tests.tables import make_table, random_table

BUDGETS = (1.0, 2.0, 3.0)


def mean_seeds(table: ScoreTable) -> ScoreTable:
    return ScoreTable.from_arrays(
        table.tasks, table.networks, (0,), table.validation[:, :, None], table.test[:, :, None]
    )


DIGITS = mean_seeds(open_table("digits").full)


def sparse_table(n_tasks: int) -> ScoreTable:
    """All tasks together, half-size singles and 60 random groups, with random losses in (0, 1)."""
    generator = np.random.default_rng(0)
    names = tuple(f"t{i:02d}" for i in range(n_tasks))
    groups = {frozenset(generator.choice(names, 4, replace=False).tolist()) for _ in range(60)}
    networks = (
        Network.of(*names),
        *(Network.of(name, size=0.5) for name in names),
        *(Network(group) for group in sorted(groups, key=sorted)),
    )
    losses = generator.uniform(0.05, 1.0, (len(networks), n_tasks, 1))
    return make_table(networks, tuple(map(Task, names)), losses)


def test_it_starts_with_all_tasks_together_and_the_cheap_single_tasks() -> None:
    found = run_to_the_end(get_strategy("adaptive"), DIGITS, budgets_snt=BUDGETS)
    halves = {Network.of(task, size=0.5).name() for task in DIGITS.task_names}
    assert {r.network.name() for r in found.batches[0]} == {Network.of(*DIGITS.task_names).name()} | halves


def test_where_no_network_holds_all_tasks_it_starts_with_the_few_that_blind_searches_start_from() -> None:
    table = random_table(3, n_tasks=5)
    small = table.select([n for n, network in enumerate(table.networks) if len(network.group) <= 3])
    listed = Candidates.listed(small.task_names, small.networks)
    described = Candidates.of(small.task_names, max_group_size=3, single_sizes=(0.5,))
    for candidates in (listed, described):
        search = Search(get_strategy("adaptive"), small.tasks, candidates, budgets_snt=(2.0,))
        first = [request.network for request in search.ask()]
        assert tuple(n for n in first if n.size == 1) == cover(candidates)
        assert {n for n in first if n.size < 1} == {n for n in small.networks if n.size < 1}


@pytest.mark.parametrize("name", ["digits", "breast-cancer"])
def test_it_finds_nearly_the_best_grouping_with_about_half_of_the_trainings(name: str) -> None:
    table = mean_seeds(open_table(name).full)
    regrets, shares = [], []
    for seed in range(3):
        found = run_to_the_end(get_strategy("adaptive"), table, budgets_snt=BUDGETS, seed=seed)
        assert found.search.stop_reason is StopReason.CONVERGED
        for budget in BUDGETS:
            best, ours = solve(table, budget).loss, found.search.recommend(budget).loss
            assert best is not None
            assert ours is not None
            regrets.append(ours / best - 1)
        shares.append(sum(n.size for n in found.full) / sum(n.size for n in table.networks))
    assert np.mean(regrets) < 0.005
    assert np.mean(shares) < 0.65


def test_the_same_seed_trains_the_same_and_another_seed_may_not() -> None:
    first, again, other = (
        run_to_the_end(get_strategy("adaptive"), DIGITS, budgets_snt=BUDGETS, seed=seed).requests
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_every_seed_of_a_network_is_trained_and_no_training_is_asked_for_twice() -> None:
    table = random_table(2, n_tasks=4, n_seeds=2)
    found = run_to_the_end(get_strategy("adaptive"), table, stops_inside=True)
    by_network = {n: {r.seed for r in found.requests if r.network == n} for n in found.networks}
    assert set(map(frozenset, by_network.values())) == {frozenset(table.seeds)}


def test_networks_that_diverge_are_replaced() -> None:
    whole = Network.of(*DIGITS.task_names)
    found = run_to_the_end(
        get_strategy("adaptive"),
        DIGITS,
        budgets_snt=BUDGETS,
        diverges=lambda r: (
            r.network.group in (whole.group, {"digit"}) and r.network.size * len(r.network.group) != 1
        ),
    )
    assert found.search.recommend(3.0).grouping is not None
    assert Network.of("digit") in found.networks


def test_a_task_that_fails_alone_and_with_all_others_is_served_beside_another() -> None:
    fails = {frozenset({"digit"}), frozenset(DIGITS.task_names), frozenset({"digit", "loop"})}
    found = run_to_the_end(
        get_strategy("adaptive"), DIGITS, budgets_snt=BUDGETS, diverges=lambda r: r.network.group in fails
    )
    best = found.search.recommend(3.0)
    assert best.grouping is not None
    assert found.search.stop_reason is StopReason.CONVERGED


def test_a_task_that_no_network_learns_ends_the_search_with_the_reason() -> None:
    found = run_to_the_end(get_strategy("adaptive"), DIGITS, diverges=lambda r: "digit" in r.network.group)
    assert found.search.stop_reason is StopReason.SEARCH_COMPLETE
    assert "Some task has no network" in found.notes[-1]


def test_a_coarser_tolerance_trains_less() -> None:
    spent = [
        len(run_to_the_end(get_strategy("adaptive", {"tolerance": t}), DIGITS, budgets_snt=BUDGETS).requests)
        for t in (0.0, 0.002, 1.0)
    ]
    assert spent[0] > spent[1] > spent[2] == 6


@pytest.mark.parametrize(("n_tasks", "size"), [(14, 16), (10, 2)])
def test_steps_are_as_large_as_a_stack_where_there_are_many_tasks(n_tasks: int, size: int) -> None:
    table = sparse_table(n_tasks)
    rows = [0, *range(1, n_tasks + 1)]
    evidence = Evidence(
        Candidates.of(table.task_names, single_sizes=(0.5,)),
        table.select(rows),
        table.select([]),
        (2.0, 4.0),
        table.seeds,
        frozenset(TrialRequest(table.networks[n], 0).key for n in rows),
        n_together=16,
    )
    asked = get_strategy("adaptive").ask(evidence, BudgetSolver())
    assert len(asked.requests) == size
    alone = get_strategy("adaptive").ask(replace(evidence, n_together=1), BudgetSolver())
    assert len(alone.requests) == n_tasks // 5
    assert set(alone.requests) <= set(asked.requests)


def test_a_batch_is_as_large_as_asked_for() -> None:
    found = run_to_the_end(get_strategy("adaptive", {"batch": 4}), DIGITS, budgets_snt=BUDGETS)
    assert max(len(batch) for batch in found.batches[1:]) == 4
    with pytest.raises(InvalidInputError, match="batch"):
        get_strategy("adaptive", {"batch": 0})


def test_its_estimate_holds_every_candidate_and_is_certain_only_of_what_was_measured() -> None:
    search = run_to_the_end(get_strategy("adaptive"), DIGITS, budgets_snt=BUDGETS).search
    estimate = search.estimate()
    assert len(estimate.table.networks) == len(DIGITS.networks)
    assert set(search.scores().networks) == {
        n for n, measured in zip(estimate.table.networks, estimate.is_measured, strict=True) if measured
    }
    inside = np.isfinite(estimate.table.validation)
    unmeasured = ~estimate.is_measured
    assert (estimate.standard_deviations[unmeasured][inside[unmeasured]] > 0).all()
    truth = np.array([DIGITS.validation[DIGITS.position(n)] for n in estimate.table.networks])
    z = ((estimate.table.validation - truth) / estimate.standard_deviations)[unmeasured][inside[unmeasured]]
    assert 0.3 < np.sqrt((z**2).mean()) < 2.0


def test_many_tasks_are_searched_without_listing_the_candidates() -> None:
    names = tuple(f"t{i:02d}" for i in range(24))
    space = Candidates.of(names, single_sizes=(0.5,))
    assert space.networks is None
    block = {task: i // 6 for i, task in enumerate(names)}
    search = Search(
        get_strategy("adaptive", {"tolerance": 0, "batch": 12}),
        [Task(task) for task in names],
        space,
        budgets_snt=(4.0,),
        max_trainings=110,
    )

    def loss(task: str, network: Network) -> float:
        others = network.group - {task}
        good = sum(block[other] == block[task] for other in others)
        return 1.0 - 0.04 * good + 0.03 * (len(others) - good) - 0.04 * (network.size - 1)

    whole = None
    while requests := search.ask():
        for request in requests:
            search.tell(request, {task: loss(task, request.network) for task in request.network.group})
        whole = whole or search.recommend(4.0).loss
    found = search.recommend(4.0).loss
    assert whole is not None
    assert found is not None
    blocks = sum(1.0 - 0.04 * 5 for _ in names)
    left = (found - blocks) / (whole - blocks)
    assert left < 0.65, "well on the way from what was first to the four blocks"


@dataclass(frozen=True)
class Twins:
    """A step with two networks that bring the same, and a third that brings less beside it."""

    is_joint: bool
    pending: tuple[int, ...] = ()

    def as_expected(self) -> Twins:
        return self

    def values(self, choose: object) -> tuple[FloatArray, FloatArray]:
        expected = np.array([0.5, 0.5, 0.1])
        expected[list(self.pending)] = 0.0
        if {0, 1} & set(self.pending):
            expected[:2] = 0.0
        return expected, expected

    def with_pending(self, rows: Sequence[int]) -> Twins:
        return replace(self, pending=(*self.pending, *rows))


def test_what_one_training_will_bring_is_not_trained_a_second_time_by_another_free_worker() -> None:
    most_valuable = Adaptive()._most_valuable
    assert most_valuable(Twins(is_joint=True), 3, BudgetSolver()) == {0: 0.5, 2: 0.1}  # type: ignore[arg-type]
    assert list(most_valuable(Twins(is_joint=False), 2, BudgetSolver())) == [0, 1]  # type: ignore[arg-type]


def test_free_workers_are_given_different_networks_none_of_which_is_running() -> None:
    first = [n for n, one in enumerate(DIGITS.networks) if len(one.group) in (1, 5)]
    running = [n for n, one in enumerate(DIGITS.networks) if len(one.group) == 3][:3]
    evidence = Evidence(
        Candidates.listed(DIGITS.task_names, DIGITS.networks),
        DIGITS.select(first),
        DIGITS.select([]),
        BUDGETS,
        (0,),
        frozenset(TrialRequest(DIGITS.networks[n], 0).key for n in first),
        running=frozenset(TrialRequest(DIGITS.networks[n], 0).key for n in running),
        n_free=3,
    )
    jointly, at_once = (
        [
            request.network
            for request in get_strategy("adaptive", {"batch": 3}).ask(one, BudgetSolver()).requests
        ]
        for one in (evidence, replace(evidence, n_free=0))
    )
    assert len(set(jointly)) == len(jointly) == 3
    assert not set(jointly) & {DIGITS.networks[n] for n in running}
    assert jointly[0] == at_once[0], "the most valuable one"
    assert set(jointly) != set(at_once), "the others are chosen given that one"


def test_improvement_alone_is_what_the_solver_gains_from_one_more_network() -> None:
    table = mean_seeds(random_table(5, n_tasks=4))
    known = [n for n, network in enumerate(table.networks) if len(network.group) in (1, 4)]
    losses = np.where(table.membership, table.validation * table.weights, np.inf)
    for budget in (1.0, 2.0, 2.5):
        best = solve(table.select(known), budget)
        chosen = [table.position(n) for n in best.require_grouping().networks]
        found = improvement_alone(losses[None], table.costs_snt, chosen, float(best.loss or 0), budget)
        for n in range(len(table.networks)):
            after = solve(table.select(sorted({*known, n})), budget).loss
            assert after is not None
            gained = (float(best.loss or 0) - after) / float(best.loss or 1)
            assert found[n] <= gained + 1e-12, "one exchange is never better than the optimum"
            if n not in known and gained > 0:
                with_it = solve(table.select(sorted({*known, n})), budget).require_grouping()
                kept = {x for x in with_it.networks if x != table.networks[n]}
                if kept <= set(best.require_grouping().networks):
                    assert found[n] == pytest.approx(gained)


def test_improvement_together_is_shared_by_the_networks_that_are_still_needed() -> None:
    draws = np.array([[[1.0, np.inf], [np.inf, 1.0], [2.0, 3.0]]])
    found = improvement_together(draws, [(0, (0, 1))], 5.0, np.array([False, False, True]))
    np.testing.assert_allclose(found, [0.3, 0.3, 0.0])
    assert improvement_together(draws, [(0, ())], 5.0, np.array([False] * 3)).max() == 0


@pytest.mark.parametrize("n_tasks", [4, 11])
def test_the_solver_in_draws_agrees_with_the_solver_on_each_draw_at_every_budget(n_tasks: int) -> None:
    table = mean_seeds(random_table(9, n_tasks=4)) if n_tasks == 4 else sparse_table(n_tasks)
    assert (n_tasks > MAX_BLOCKS) == (n_tasks == 11), "one table for the dynamic programme, one beyond it"
    generator = np.random.default_rng(0)
    draws = table.validation * generator.lognormal(0, 0.3, (5, *table.validation.shape))
    budgets = (3.0, 0.5, 1.5, 1.0)  # in any order
    for draw, chosen in zip(draws, solve_budgets.in_draws(table, draws, budgets), strict=True):
        drawn = ScoreTable.from_arrays(
            table.tasks, table.networks, (0,), draw[:, :, None], np.full((*draw.shape, 1), np.nan)
        )
        for budget, rows in zip(budgets, chosen, strict=True):
            expected = solve(drawn, budget)
            if expected.grouping is None:
                assert rows == ()
                continue
            served = np.nanmin(np.where(table.membership, draw, np.nan)[list(rows)], axis=0)
            assert (served * table.weights).sum() == pytest.approx(expected.loss)
            assert table.costs_snt[list(rows)].sum() <= budget + 1e-9


def test_a_request_for_a_network_told_in_advance_is_not_repeated() -> None:
    search = Search(
        get_strategy("adaptive"),
        DIGITS.tasks,
        Candidates.listed(DIGITS.task_names, DIGITS.networks),
        budgets_snt=BUDGETS,
    )
    whole = Network.of(*DIGITS.task_names)
    row = DIGITS.position(whole)
    search.tell(TrialRequest(whole, 0), dict(zip(DIGITS.task_names, DIGITS.validation[row], strict=True)))
    assert whole not in {request.network for request in search.ask()}
