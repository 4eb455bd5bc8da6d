"""What a job trains next under a training budget, on a real database and without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event

from grouping.domain.groupings import Solution
from grouping.domain.jobs.job import Job, JobState, StopReason
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.specification import Planning, TrainingBudget
from grouping.domain.trainings.allowance import Prices
from grouping.domain.trainings.budgets import (
    ConfirmationNeed,
    ConfirmationRound,
    allowance_left,
    is_time_short,
    trials_over_time,
)
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import EARLY_FIDELITY, Purpose, TaskScore, TrialOutcome, TrialState
from grouping.recipes import epochs_of
from grouping.search import Plan, networks_to_measure
from grouping.solver import TableSolver
from grouping.store import Store
from grouping.strategies import list_strategies
from grouping.trainers.built_in import recipe_of
from grouping_workers.job.planner import planner_of
from tests.integration.conftest import NAMES, Scenes
from tests.recipes import by


def prepared(scenes: Scenes, **spec: Any) -> Job:
    """A job whose networks are measured and of which nothing is planned."""
    job = scenes.submitted(NAMES, **spec)
    claim = scenes.store.claim_job("test", lease_s=3600)
    assert claim is not None
    scenes.claims[job.id] = claim
    scenes.store.enter_state(claim, JobState.PREPARING)
    scenes.store.record_preparation(claim, data_digest="0" * 64, versions={})
    scenes.add(claim, networks_to_measure(SearchTerms.of_job(job.spec)))
    scenes.store.enter_state(claim, JobState.RUNNING)
    return scenes.store.get_job(job.id)


def next_plan(store: Store, job: Job, *, with_reuse: bool = True) -> Plan:
    return planner_of(store, job, with_reuse=with_reuse).next_plan()


def one_round(store: Store, job: Job) -> tuple[int, int]:
    """Networks and epochs of a round of the confirmation."""
    found = planner_of(store, job).one_round
    return found.networks, found.epochs


def epochs_left(store: Store, job: Job) -> float | None:
    budget = SearchTerms.of_job(job.spec).training_budget
    return allowance_left(budget, store.search_state(job.id), Prices(epochs_of(recipe_of(job)))).epochs


def over_time(store: Store, job: Job, n_networks: int) -> set[str]:
    """Planned trials that must not start any more, if each round of the confirmation has so many networks."""
    planned = store.trials(job.id, states={TrialState.PLANNED})
    one = ConfirmationRound(n_networks, 25 * n_networks)
    return {t.id for t in trials_over_time(SearchTerms.of_job(job.spec), planned, store.ledger(job.id), one)}


def carry_out(scenes: Scenes, job: Job, plan: Plan) -> None:
    """Plan and train."""
    claim = scenes.claims[job.id]
    scenes.store.enter_state(claim, plan.state)
    scenes.store.plan_trials(claim, plan.requests, planned_epochs=[25] * len(plan.requests))
    scenes.train(job)


def run(scenes: Scenes, job: Job) -> tuple[list[Plan], StopReason | None]:
    """Plan and train to the end."""
    plans = []
    while (plan := next_plan(scenes.store, job)).requests:
        plans.append(plan)
        carry_out(scenes, job, plan)
    return plans, plan.reason


def test_the_first_plan_leaves_what_the_confirmation_may_need(scenes: Scenes, store: Store) -> None:
    budget = TrainingBudget(trainings=50)
    job = prepared(scenes, budgets_snt=(2.0,), n_confirmation_seeds=2, training_budget=budget)
    most = ConfirmationNeed.of(SearchTerms.of_job(job.spec)).most
    assert one_round(store, job) == (9, 9 * 25)
    assert most == 9
    plan = next_plan(store, job)
    assert len(plan.requests) == 50 - 2 * most
    carry_out(scenes, job, plan)
    assert one_round(store, job)[0] < most, "the recommendation is known now"
    plans, reason = run(scenes, job)
    assert plans[-1].state is JobState.CONFIRMING
    assert reason is StopReason.TRAINING_BUDGET_SPENT
    confirmed = {t.seed for t in store.trials(job.id) if t.purpose is Purpose.CONFIRMATION}
    assert confirmed == set(job.spec.confirmation_seeds)
    assert len(store.trials(job.id)) <= 50


@pytest.mark.parametrize("strategy", sorted(info.name for info in list_strategies()))
def test_no_seed_of_a_search_is_trained_again_to_confirm_it(
    scenes: Scenes, store: Store, strategy: str
) -> None:
    job = prepared(scenes, budgets_snt=(2.0,), n_confirmation_seeds=2, strategy=strategy)
    run(scenes, job)
    seeds = {
        purpose: {trial.seed for trial in store.trials(job.id) if trial.purpose is purpose}
        for purpose in Purpose
    }
    assert len(seeds[Purpose.CONFIRMATION]) == job.spec.n_confirmation_seeds
    assert seeds[Purpose.SEARCH]
    assert not seeds[Purpose.CONFIRMATION] & {*seeds[Purpose.SEARCH], job.spec.preparation_seed}


def test_what_prepares_a_network_counts_in_a_budget_of_epochs(scenes: Scenes, store: Store) -> None:
    recipe = Recipe(epochs=25, sharing=Method("sparse"))  # a task is trained for 25 epochs before
    counting = epochs_of(recipe)
    assert counting(3, 1.0) == 100
    job = prepared(
        scenes,
        n_confirmation_seeds=0,
        trainer_parameters=by(recipe),
        training_budget=TrainingBudget(epochs=500),
    )
    requests = next_plan(store, job).requests
    spent = [counting(len(request.network.group), 1.0) for request in requests]
    assert sum(spent) <= 500 < sum(spent) + 25 * (1 + len(NAMES))
    assert len(requests) < 20, "as many as without preparation"


def test_rounds_are_kept_back_with_what_prepares_their_networks(scenes: Scenes, store: Store) -> None:
    recipe = Recipe(epochs=25, sharing=Method("sparse"))
    budget = TrainingBudget(epochs=2900)
    job = prepared(
        scenes,
        budgets_snt=(2.0,),
        n_confirmation_seeds=2,
        trainer_parameters=by(recipe),
        training_budget=budget,
    )
    # The baselines are four networks of one task and one of all four; four more may be chosen, all large.
    assert one_round(store, job) == (9, 4 * 25 + 125 + 4 * 125)
    requests = next_plan(store, job).requests
    assert sum(epochs_of(recipe)(len(r.network.group), 1.0) for r in requests) <= 2900 - 2 * 725


def test_what_is_kept_back_holds_the_confirmation_also_when_a_part_of_it_is_trained(
    scenes: Scenes, store: Store
) -> None:
    job = prepared(scenes, budgets_snt=(2.0,), n_confirmation_seeds=3)
    carry_out(scenes, job, next_plan(store, job))
    while True:
        left = next_plan(store, job)
        if not left.requests:
            break
        assert left.state is JobState.CONFIRMING
        n_networks, n_epochs = one_round(store, job)
        assert 3 * n_networks >= len(left.requests)
        assert 3 * n_epochs >= 25 * len(left.requests)
        first = left.requests[0]
        scenes.plan(scenes.claims[job.id], [first.network], [first.seed], Purpose.CONFIRMATION)
        scenes.train(job)
    assert n_networks == 1


def test_a_budget_too_small_to_confirm_is_left_to_the_search(scenes: Scenes, store: Store) -> None:
    budget = TrainingBudget(trainings=20)
    job = prepared(scenes, budgets_snt=(2.0,), n_confirmation_seeds=5, training_budget=budget)
    assert len(next_plan(store, job).requests) == 20


def test_without_any_grouping_the_search_goes_on_one_by_one_into_what_was_kept_back(
    scenes: Scenes, store: Store
) -> None:
    # Within 1 SNT only the network of all four tasks covers them, and it is the last of the candidates.
    budget = TrainingBudget(trainings=28)
    job = prepared(scenes, budgets_snt=(1.0,), n_confirmation_seeds=2, training_budget=budget)
    plans, _ = run(scenes, job)
    sizes = [len(plan.requests) for plan in plans if plan.state is JobState.RUNNING]
    assert sizes == [14, 1, 1, 1, 1, 1]
    assert plans[-1].state is JobState.CONFIRMING


def test_once_the_confirmation_has_begun_a_limited_search_is_over(scenes: Scenes, store: Store) -> None:
    budget = TrainingBudget(trainings=60)
    job = prepared(scenes, budgets_snt=(2.0,), n_seeds=3, n_confirmation_seeds=2, training_budget=budget)
    carry_out(scenes, job, next_plan(store, job))
    assert next_plan(store, job).state is JobState.RUNNING, "the recommendation needs less than was kept back"
    pair = next(n for n in job.spec.candidates.networks or () if len(n.group) == 2)
    scenes.plan(scenes.claims[job.id], [pair], job.spec.confirmation_seeds, Purpose.CONFIRMATION)
    scenes.train(job)
    plan = next_plan(store, job)
    assert plan.state is JobState.CONFIRMING
    assert {request.purpose for request in plan.requests} == {Purpose.CONFIRMATION}
    _, reason = run(scenes, job)
    assert reason is StopReason.TRAINING_BUDGET_SPENT


def test_a_search_that_time_ended_is_not_taken_up_again(scenes: Scenes, store: Store) -> None:
    budget = TrainingBudget(seconds=1000.0)
    job = prepared(scenes, budgets_snt=(1.0,), training_budget=budget, strategy="hoa")
    claim = scenes.claims[job.id]
    plan = next_plan(store, job)
    store.plan_trials(claim, plan.requests, planned_epochs=[25] * len(plan.requests))
    scenes.train(job, 4)
    left = store.trials(job.id, states={TrialState.PLANNED})
    store.skip_trials(claim, [trial.id for trial in left])
    assert all(r.purpose is Purpose.CONFIRMATION for r in next_plan(store, job).requests)


def test_what_another_job_knows_is_copied_and_fits_into_any_budget(scenes: Scenes, store: Store) -> None:
    source = scenes.finished(NAMES, budgets_snt=(2.0,), n_confirmation_seeds=2)
    budget = TrainingBudget(trainings=1)
    job = prepared(
        scenes,
        budgets_snt=(2.0,),
        n_confirmation_seeds=2,
        training_budget=budget,
        reuse_jobs=(source.id,),
    )
    plan = next_plan(store, job)
    assert (len(plan.reused), plan.requests) == (19 * 2, ())
    assert next_plan(store, job, with_reuse=False).reused == ()
    store.plan_reused(scenes.claims[job.id], plan.reused, planned_epochs=[25] * len(plan.reused))
    assert one_round(store, job) == (0, 0)
    plan = next_plan(store, job)
    assert plan.state is JobState.CONFIRMING
    assert {request.purpose for request in plan.reused} == {Purpose.CONFIRMATION}
    assert plan.requests == ()


def test_a_search_ends_early_enough_for_its_confirmation_when_seconds_are_limited(
    scenes: Scenes, store: Store
) -> None:
    # A training takes 1.5 s here, and a round of the confirmation at most 9 networks: 27 s for both rounds.
    budget = TrainingBudget(seconds=60.0)
    job = prepared(scenes, budgets_snt=(2.0,), n_confirmation_seeds=2, training_budget=budget)
    claim = scenes.claims[job.id]
    plan = next_plan(store, job)
    store.plan_trials(claim, plan.requests, planned_epochs=[25] * len(plan.requests))
    pair = next(n for n in job.spec.candidates.networks or () if len(n.group) == 2)
    scenes.plan(claim, [pair], job.spec.confirmation_seeds, Purpose.CONFIRMATION)
    assert not is_time_short(SearchTerms.of_job(job.spec), store.ledger(job.id))
    scenes.train(job, 21)
    assert is_time_short(SearchTerms.of_job(job.spec), store.ledger(job.id))
    assert not over_time(store, job, 9), "31.5 s are spent, and the search may use 33"
    scenes.train(job, 1)
    over = over_time(store, job, 9)
    planned = store.trials(job.id, states={TrialState.PLANNED})
    assert over == {trial.id for trial in planned if trial.purpose is Purpose.SEARCH}
    assert not over_time(store, job, 0)
    scenes.train(job, 18)
    assert over_time(store, job, 0) == {t.id for t in store.trials(job.id, states={TrialState.PLANNED})}


def test_epochs_that_a_continued_training_did_not_need_return_to_the_budget(
    scenes: Scenes, store: Store
) -> None:
    job = prepared(scenes, n_confirmation_seeds=0, training_budget=TrainingBudget(epochs=100))
    claim = scenes.claims[job.id]
    plan = next_plan(store, job)
    assert len(plan.requests) == 4
    store.plan_trials(claim, plan.requests, planned_epochs=[25] * 4)
    first, second, *_ = store.trials(job.id)
    assert epochs_left(store, job) == 0
    store.start_trials(claim, [first.id, second.id])
    scores = tuple(TaskScore(name, 0.5, 0.5, 0.5, 0.5) for name in first.network.group)
    outcomes = {
        first.id: TrialOutcome(TrialState.SUCCEEDED, scores, epochs=20),
        second.id: TrialOutcome(TrialState.FAILED, epochs=1, error="no memory left"),
    }
    store.record_outcomes(claim, outcomes)
    assert epochs_left(store, job) == 5, "what failed may have cost all it was given"


def test_the_state_of_a_search_has_the_tables_that_the_store_gives(scenes: Scenes, store: Store) -> None:
    job = prepared(scenes, budgets_snt=(1.0, 2.0, 3.0), n_seeds=2, strategy="esa")
    carry_out(scenes, job, next_plan(store, job))
    plan = next_plan(store, job)
    store.plan_trials(scenes.claims[job.id], plan.requests, planned_epochs=[25] * len(plan.requests))
    scenes.train(job, 3)
    planned = store.trials(job.id, states={TrialState.PLANNED})
    store.start_trials(scenes.claims[job.id], [planned[0].id])
    diverged = TrialOutcome(TrialState.DIVERGED, epochs=1, error="not finite")
    store.record_outcomes(scenes.claims[job.id], {planned[0].id: diverged})
    store.skip_trials(scenes.claims[job.id], [planned[1].id])
    state = store.search_state(job.id)
    for fidelity, table in ((1.0, state.full), (EARLY_FIDELITY, state.early)):
        told = store.score_table(job.score_table_id, fidelity=fidelity)
        assert (table.networks, table.seeds) == (told.networks, told.seeds)
        assert np.array_equal(table.validation_losses, told.validation_losses, equal_nan=True)
        assert np.array_equal(table.test_losses, told.test_losses, equal_nan=True)
    assert state.trials == store.trials(job.id)
    assert state.spent == store.ledger(job.id)


def test_a_plan_reads_once_in_one_transaction_however_much_is_trained(store: Store, scenes: Scenes) -> None:
    counts = []
    job = prepared(scenes, budgets_snt=(1.0, 2.0), n_seeds=2, strategy="adaptive")
    for _ in range(3):
        counted = {"before_cursor_execute": 0, "begin": 0}
        with ExitStack() as following:
            for happening in counted:
                following.enter_context(_counted(happening, counted))
            plan = next_plan(store, job)
        counts.append(tuple(counted.values()))
        assert plan.requests
        scenes.store.plan_trials(
            scenes.claims[job.id], plan.requests, planned_epochs=[1] * len(plan.requests)
        )
        scenes.train(job)
    assert {transactions for _, transactions in counts} == {1}
    assert len({statements for statements, _ in counts}) == 1


def test_a_plan_solves_each_budget_once(
    store: Store, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    solved: list[float] = []
    solve = TableSolver.solve

    def counted(self: TableSolver[Any], budget_snt: float, **options: Any) -> Solution:
        solved.append(budget_snt)
        return solve(self, budget_snt, **options)

    monkeypatch.setattr(TableSolver, "solve", counted)
    budgets = (1.0, 2.0, 3.0)
    limits = TrainingBudget(trainings=100)
    job = prepared(
        scenes, budgets_snt=budgets, n_confirmation_seeds=2, training_budget=limits, strategy="adaptive"
    )
    states: list[JobState] = []
    while not states or states[-1] is JobState.RUNNING:
        solved.clear()
        plan = next_plan(store, job)
        states.append(plan.state)
        assert sorted(solved) == list(budgets)
        carry_out(scenes, job, plan)
    assert states[2:], "plans of a search, and one of its confirmation"


@contextmanager
def _counted(happening: str, counted: dict[str, int]) -> Iterator[None]:
    def count(*_: Any) -> None:
        counted[happening] += 1

    event.listen(Engine, happening, count)
    try:
        yield
    finally:
        event.remove(Engine, happening, count)


def test_while_trials_run_only_a_job_that_is_planned_continuously_plans_further(
    scenes: Scenes, store: Store
) -> None:
    for planning in Planning:
        job = prepared(
            scenes,
            budgets_snt=(2.0,),
            n_seeds=2,
            n_confirmation_seeds=2,
            strategy="adaptive",
            planning=planning,
        )
        claim = scenes.claims[job.id]
        plan = next_plan(store, job)
        store.plan_trials(claim, plan.requests, planned_epochs=[1] * len(plan.requests))
        scenes.train(job, len(plan.requests) - 1)
        further = planner_of(store, job).next_plan(n_free=3)
        if planning is Planning.STEPS:
            assert further.is_waiting
            continue
        assert further.state is JobState.RUNNING
        assert further.requests
        assert {r.key for r in further.requests}.isdisjoint(trial.key for trial in store.trials(job.id))
