"""Jobs that users pause and stop while they are carried out, in this process and by a dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grouping.domain.jobs.job import Job, JobState, Stop, StopReason
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.search import Plan, Planner
from grouping.solver import recommend
from grouping.store import Store
from grouping.strategies import get_strategy
from grouping.trainers import terms_of_job, trainer_of
from grouping_workers.job.executor import TrainingOrder
from tests.in_process import LocalExecutor, claim_any, run_of
from tests.integration.conftest import Api, Scenes
from tests.patience import wait_for
from tests.services import dispatcher, small_spec, submit, wait_for_trials, wait_until_final

SPEC = small_spec(tasks=("digit", "loop"), epochs=1, n_seeds=4, n_confirmation_seeds=2)


def carried_out(store: Store, ask: Callable[[Job, int], object]) -> Job:
    """Carry out a job here, as its process does; `ask` is called before each order, with its number."""
    job = submit(store, SPEC)
    executor = LocalExecutor()

    def before(order: TrainingOrder) -> None:
        ask(job, order.number)

    executor.before_training = before
    run_of(store, executor).run()
    return store.get_job(job.id)


def ended(store: Store, job: Job, purpose: Purpose) -> list[TrialState]:
    return [trial.state for trial in store.trials(job.id) if trial.purpose is purpose]


def test_a_stopped_search_confirms_what_is_there_and_says_why_it_ended(api: Api, store: Store) -> None:
    def ask(job: Job, number: int) -> None:
        if number == 3:
            assert api.post(f"/v1/jobs/{job.id}/stop").json()["stop"] == "search"

    job = carried_out(store, ask)
    assert (job.state, job.stop_reason, job.stop) == (
        JobState.SUCCEEDED,
        StopReason.STOPPED_BY_USER,
        Stop.SEARCH,
    )
    search = ended(store, job, Purpose.SEARCH)
    assert set(search) == {TrialState.SUCCEEDED, TrialState.SKIPPED}
    confirmed = ended(store, job, Purpose.CONFIRMATION)
    assert confirmed
    assert set(confirmed) == {TrialState.SUCCEEDED}
    told = api.get(f"/v1/jobs/{job.id}/recommendations").json()["items"]
    assert all(item["verdict"]["is_confirmed"] for item in told if item["solution"]["grouping"])
    assert "The search was stopped" in api.get(f"/v1/jobs/{job.id}/ledger").json()["sentence"]


def test_a_job_that_is_to_train_nothing_more_recommends_from_what_is_there(api: Api, store: Store) -> None:
    def ask(job: Job, number: int) -> None:
        if number == 3:
            api.post(f"/v1/jobs/{job.id}/stop?confirm=false")
        assert number <= 4, "nothing more is trained"

    job = carried_out(store, ask)
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.STOPPED_BY_USER)
    assert not ended(store, job, Purpose.CONFIRMATION)
    found = recommend(store.score_table(job.score_table_id), None, job.spec.budgets_snt)
    assert any(item.solution.grouping for item in found)
    assert {trial.state for trial in store.trials(job.id)} == {TrialState.SUCCEEDED, TrialState.SKIPPED}


def test_a_stop_while_it_confirms_ends_it_only_if_nothing_more_is_to_be_trained(
    api: Api, store: Store
) -> None:
    seen: list[int] = []

    def ask(job: Job, number: int) -> None:
        if store.get_job(job.id).state is JobState.CONFIRMING:
            seen.append(number)
            api.post(f"/v1/jobs/{job.id}/stop" + ("?confirm=false" if len(seen) == 2 else ""))

    job = carried_out(store, ask)
    assert (job.stop, job.stop_reason) == (Stop.ALL, StopReason.STOPPED_BY_USER)
    assert len(seen) == 2
    assert TrialState.SKIPPED in ended(store, job, Purpose.CONFIRMATION)


def scores_of(store: Store, job: Job) -> set[object]:
    return {(trial.key, trial.scores) for trial in store.trials(job.id)}


def test_a_paused_job_finishes_what_is_in_training_and_goes_on_to_the_same_scores(
    api: Api, store: Store
) -> None:
    def ask(job: Job, number: int) -> None:
        if number in (1, 3):
            assert api.post(f"/v1/jobs/{job.id}/pause").json()["state"] == "pausing"

    job = carried_out(store, ask)
    assert job.state is JobState.PAUSED
    n_trained = len(store.trials(job.id, states={TrialState.SUCCEEDED}))
    assert n_trained >= 1
    assert not store.trials(job.id, states={TrialState.RUNNING})
    assert store.claim_job("another") is None
    assert "nothing is trained" in api.get(f"/jobs/{job.id}", headers={"Accept": "text/html"}).text
    assert "grouping resume" in api.get(f"/v1/jobs/{job.id}/progress").json()["notes"][0]
    api.post(f"/v1/jobs/{job.id}/resume")
    run_of(store).run()
    undisturbed = carried_out(store, lambda job, number: None)
    assert scores_of(store, job) == scores_of(store, undisturbed)
    assert store.get_job(job.id).stop_reason is StopReason.SEARCH_COMPLETE


@pytest.mark.parametrize("number", [1, 3])
def test_a_pause_that_is_taken_back_changes_nothing_but_the_events(
    api: Api, store: Store, number: int
) -> None:
    def ask(job: Job, now: int) -> None:
        if now == number:
            api.post(f"/v1/jobs/{job.id}/pause")
            assert api.post(f"/v1/jobs/{job.id}/resume").json()["state"] == "queued"

    job = carried_out(store, ask)
    kinds = [event.kind for event in store.events(job.id)]
    assert {"job_pausing", "job_resumed"} <= set(kinds)
    assert "job_paused" not in kinds
    assert kinds.count("job_prepared") == 1
    undisturbed = carried_out(store, lambda job, number: None)
    assert job.state is undisturbed.state is JobState.SUCCEEDED
    assert scores_of(store, job) == scores_of(store, undisturbed)


def test_a_job_that_is_stopped_before_its_data_is_loaded_again_ends_without_them(
    api: Api, store: Store
) -> None:
    def ask(job: Job, number: int) -> None:
        if number == 3:
            store.request_pause(job.id)

    job = carried_out(store, ask)
    api.post(f"/v1/jobs/{job.id}/stop?confirm=false")
    events = len(store.events(job.id))
    run_of(store).run()
    job = store.get_job(job.id)
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.STOPPED_BY_USER)
    assert "job_prepared" not in [event.kind for event in store.events(job.id)[events:]]


def test_a_refused_stop_and_an_unknown_choice_leave_the_job(api: Api, store: Store) -> None:
    job = submit(store, SPEC)
    answer = api.post(f"/v1/jobs/{job.id}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    assert api.post(f"/v1/jobs/{job.id}/stop?confirm=perhaps").status_code == 422
    assert api.post(f"/v1/jobs/{job.id}/stop?confirmed=no").status_code == 422
    assert store.get_job(job.id) == job
    claim_any(store)


def test_a_search_that_plans_step_by_step_plans_no_further_step_once_it_is_stopped(
    store: Store, scenes: Scenes
) -> None:
    job = scenes.running(strategy="exhaustive", n_seeds=1)
    scenes.train(job)
    claim = scenes.claims[job.id]
    more = replace(job.spec, n_seeds=2)  # as if half of the search were still to be planned

    def plan(stop: Stop | None) -> Plan:
        state = replace(store.search_state(job.id), stop=stop)
        trainings = trainer_of(job).trainings
        return Planner(
            terms_of_job(more), state, get_strategy("exhaustive", {}), trainings.prices
        ).next_plan()

    assert {request.purpose for request in plan(None).requests} == {Purpose.SEARCH}
    stopped = plan(Stop.SEARCH)
    assert {request.purpose for request in stopped.requests} == {Purpose.CONFIRMATION}
    assert (stopped.state, stopped.reason) == (JobState.CONFIRMING, StopReason.STOPPED_BY_USER)
    nothing = plan(Stop.ALL)
    assert (nothing.requests, nothing.reason) == ((), StopReason.STOPPED_BY_USER)
    store.release(claim)


@pytest.mark.slow
def test_a_dispatcher_pauses_goes_on_and_stops(store: Store, sqlite_url: str, tmp_path: Path) -> None:
    spec = small_spec(n_seeds=6, epochs=2)
    with dispatcher(sqlite_url, tmp_path / "log", workers=1):
        job = submit(store, spec)
        wait_for_trials(store, job, 2)
        store.request_pause(job.id)
        wait_for(lambda: store.get_job(job.id).state is JobState.PAUSED, "the pause")
        n_trained = len(store.trials(job.id, states={TrialState.SUCCEEDED}))
        assert not store.trials(job.id, states={TrialState.RUNNING})
        other = wait_until_final(store, submit(store, SPEC))
        assert other.state is JobState.SUCCEEDED, "the dispatcher takes the next job"
        assert len(store.trials(job.id, states={TrialState.SUCCEEDED})) == n_trained
        store.resume(job.id)
        wait_for_trials(store, job, n_trained + 1)
        store.request_stop(job.id)
        done = wait_until_final(store, job)
    assert (done.state, done.stop_reason) == (JobState.SUCCEEDED, StopReason.STOPPED_BY_USER)
    assert ended(store, done, Purpose.CONFIRMATION)
