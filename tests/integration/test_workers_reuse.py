"""Jobs that reuse others, and jobs under a training budget, through a real dispatcher and a real Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grouping.domain.affinities.matrix import pairwise_affinity
from grouping.domain.affinities.status import CellStatus
from grouping.domain.jobs.job import Job, JobState, StopReason
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.specification import TrainingBudget
from grouping.domain.trainings.budgets import ConfirmationNeed
from grouping.domain.trainings.trials import Purpose, Trial, TrialState
from grouping.solver import recommend
from grouping.store import Store, migrate, open_store
from grouping.use_cases.measure_pairs import plan_pairs
from grouping.use_cases.submit import build_spec
from grouping_workers.job.stack_size import FIRST_STACK
from tests.services import (
    assert_same_result,
    dispatcher,
    small_spec,
    submit,
    wait_for_trials,
    wait_until_final,
)

pytestmark = pytest.mark.slow

OLD = ("digit", "loop", "edges")
MORE = ("digit", "loop", "rotation", "edges")
WORKERS = 2
IN_FLIGHT = FIRST_STACK * 2
"""Trials that one worker loses with its dispatcher: the stack that runs, and one that waits."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A database with a dispatcher working on it."""
    folder = tmp_path_factory.mktemp("reuse")
    url = f"sqlite:///{folder / 'grouping.db'}"
    migrate(url)
    store = open_store(url)
    with dispatcher(url, folder / "log", workers=WORKERS):
        yield store
    store.close()


@pytest.fixture(scope="module")
def source(store: Store) -> Job:
    """A finished job on three tasks."""
    job = wait_until_final(store, submit(store, small_spec(tasks=OLD)))
    assert job.state is JobState.SUCCEEDED
    return job


def reused(trials: tuple[Trial, ...]) -> list[Trial]:
    return [trial for trial in trials if trial.reused_from is not None]


def test_the_job_for_missing_pairs_trains_as_many_as_promised_and_has_the_whole_matrix(store: Store) -> None:
    first = small_spec(tasks=OLD, strategy="all-alone", n_confirmation_seeds=0)
    few = wait_until_final(store, submit(store, first))
    plan = plan_pairs(store, store.score_table(few.score_table_id), few)
    assert plan is not None
    assert plan.request is not None
    spec, tasks = build_spec(plan.request)
    job = wait_until_final(store, store.create_job(spec, tasks)[0])
    assert store.ledger(job.id).trainings == plan.n_trainings == 3 * 2
    table = store.score_table(job.score_table_id)
    assert pairwise_affinity(table).counts()[CellStatus.MEASURED] == 3 * 2
    assert plan_pairs(store, table, job) is None


def test_a_job_with_one_more_task_trains_only_what_holds_the_new_task(store: Store, source: Job) -> None:
    spec = small_spec(tasks=MORE, reuse_jobs=(source.id,))
    job = wait_until_final(store, submit(store, spec))
    assert job.state is JobState.SUCCEEDED
    trials = store.trials(job.id)
    search = [trial for trial in trials if trial.purpose is Purpose.SEARCH]
    assert {t.reused_from is None for t in search if "rotation" in t.network.group} == {True}
    assert {t.reused_from is None for t in search if "rotation" not in t.network.group} == {False}
    assert len(reused(tuple(search))) == 10 * 2
    trained = [trial for trial in trials if trial.reused_from is None]
    assert store.ledger(job.id).trainings == len(trained)
    assert store.ledger(job.id).epochs == sum(trial.epochs for trial in trained)
    kinds = [event.kind for event in store.events(job.id, limit=5000)]
    assert kinds.count("trial_reused") == len(reused(trials))
    assert kinds.count("trial_started") == len(trained)
    (found,) = [event.data for event in store.events(job.id) if event.kind == "reuse_found"]
    assert (found["reusable"], found["of"], found["reason"]) == (20, 19 * 2, None)
    originals = {trial.id: trial.scores for trial in store.trials(source.id)}
    assert all(t.scores == originals[t.reused_from[1]] for t in trials if t.reused_from is not None)
    alone = wait_until_final(store, submit(store, replace(spec, reuse_jobs=())))
    assert not reused(store.trials(alone.id))
    assert_same_result(store, job, alone)


def test_a_job_with_one_task_less_trains_nothing_but_a_confirmation(store: Store, source: Job) -> None:
    spec = small_spec(tasks=OLD[:2], reuse_jobs=(source.id,))
    job = wait_until_final(store, submit(store, spec))
    assert job.state is JobState.SUCCEEDED
    trained = [trial for trial in store.trials(job.id) if trial.reused_from is None]
    assert {trial.purpose for trial in trained} <= {Purpose.CONFIRMATION}
    assert store.ledger(job.id).trainings == len(trained)
    assert len(store.score_table(job.score_table_id).networks) == 5


def test_the_same_job_again_trains_nothing_at_all_within_a_budget_of_one(store: Store, source: Job) -> None:
    spec = small_spec(tasks=OLD, reuse_jobs=(source.id,), training_budget=TrainingBudget(trainings=1))
    job = wait_until_final(store, submit(store, spec))
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.SEARCH_COMPLETE)
    assert store.ledger(job.id).trainings == 0
    assert_same_result(store, job, source)


def test_another_seed_leaves_nothing_to_reuse_and_the_job_says_so(store: Store, source: Job) -> None:
    spec = small_spec(tasks=OLD[:1], n_seeds=1, n_confirmation_seeds=0, seed=1, reuse_jobs=(source.id,))
    job = wait_until_final(store, submit(store, spec))
    assert job.state is JobState.SUCCEEDED
    assert not reused(store.trials(job.id))
    (found,) = [event.data for event in store.events(job.id) if event.kind == "reuse_found"]
    assert found["reusable"] == 0
    assert "its seed is 0 and this job's is 1" in found["reason"]


@pytest.mark.parametrize("unit", ["trainings", "epochs"])
def test_a_search_under_a_budget_leaves_enough_to_confirm_what_it_recommends(store: Store, unit: str) -> None:
    spec = small_spec(tasks=MORE, epochs=2, budgets_snt=(2.0,), n_seeds=3)
    need = ConfirmationNeed.of(SearchTerms.of_job(spec))
    limit = 4 * need.most  # half of it holds both rounds
    assert limit < 19 * 3, "the search alone would take more"
    budget = TrainingBudget(**{unit: limit if unit == "trainings" else limit * 2})
    job = wait_until_final(store, submit(store, replace(spec, training_budget=budget)))
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.TRAINING_BUDGET_SPENT)
    ledger = store.ledger(job.id)
    assert getattr(ledger, unit) <= getattr(budget, unit)
    (found,) = recommend(
        store.score_table(job.score_table_id),
        store.score_table(job.score_table_id, purpose=Purpose.CONFIRMATION),
        spec.budgets_snt,
    )
    assert found.verdict is not None
    assert found.verdict.is_confirmed


def test_a_cap_in_seconds_is_passed_by_no_more_than_what_was_in_flight(store: Store, source: Job) -> None:
    spec = small_spec(tasks=MORE, epochs=6, training_budget=TrainingBudget(seconds=0.6), n_seeds=4)
    job = wait_until_final(store, submit(store, spec))
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.TRAINING_BUDGET_SPENT)
    trials = [t for t in store.trials(job.id) if t.state is not TrialState.SKIPPED]
    ledger = store.ledger(job.id)
    assert ledger.seconds == pytest.approx(sum(trial.seconds for trial in trials))
    in_flight = sorted(trial.seconds for trial in trials)[-(WORKERS + 1) :]
    assert ledger.seconds <= 0.6 + sum(in_flight)
    assert any(t.state is TrialState.SKIPPED for t in store.trials(job.id))


def test_neither_crashes_nor_two_dispatchers_pass_the_cap_by_more_than_what_was_in_flight(
    sqlite_url: str, tmp_path: Path
) -> None:
    store = open_store(sqlite_url)
    limit, crashes = 14, 2
    spec = small_spec(
        tasks=OLD, epochs=30, n_confirmation_seeds=0, training_budget=TrainingBudget(trainings=limit)
    )
    job = submit(store, spec)
    with (
        dispatcher(sqlite_url, tmp_path / "one", workers=1, lease_s=4) as one,
        dispatcher(sqlite_url, tmp_path / "other", workers=1, lease_s=4) as other,
    ):
        wait_for_trials(store, job, 2)
        one.kill()  # the other takes over, if it is not the one that works on the job
        wait_for_trials(store, job, 6)
        other.kill()
    with dispatcher(sqlite_url, tmp_path / "last", workers=1):
        job = wait_until_final(store, job)
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.TRAINING_BUDGET_SPENT)
    trials = store.trials(job.id)
    assert len(trials) == limit
    assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}
    assert limit <= store.ledger(job.id).trainings <= limit + crashes * IN_FLIGHT
    store.close()
