"""What every store does with jobs as users see them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grouping.domain.jobs.job import Job, JobState, StopReason
from grouping.domain.jobs.specification import MAX_BUDGET_SNT, MAX_SEED, JobSpec, TrainingBudget
from grouping.domain.tasks import SQUARED_ERROR, Direction, Metric, Task, TaskKind
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialState
from grouping.errors import (
    IdempotencyConflictError,
    InvalidInputError,
    NotFoundError,
    StateConflictError,
)
from grouping.store import Store
from grouping.store.codec import as_json
from grouping.trainers.built_in import recipe_of
from tests.contracts.scenarios import (
    FAILED,
    NAMES,
    NETWORKS,
    SPEC,
    TASKS,
    at_once,
    claim,
    everything,
    plan,
    requests,
    running_scene,
    submit,
    success,
    train,
)
from tests.effort import examples
from tests.recipes import by, recipe_in

LAWS = settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
UNKNOWN_IDS = ("", "0" * 32, "../../etc/passwd", "a\0b", "\ud800", "x" * 10_000, "' OR 1=1 --")

_positive = st.floats(min_value=1e-12, max_value=8, allow_subnormal=False)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_recipes = st.builds(
    Recipe,
    hidden=st.lists(st.integers(1, 4096), min_size=1, max_size=4).map(tuple),
    epochs=st.integers(1, 10_000),
    batch_size=st.integers(1, 10**6),
    learning_rate=st.floats(min_value=5e-324, max_value=100),
    weight_decay=st.floats(min_value=0, max_value=100),
)
_specs = st.builds(
    JobSpec,
    problem=st.text(min_size=1, max_size=100),
    tasks=st.just(NAMES),
    name=st.text(max_size=200),
    strategy=st.text(min_size=1, max_size=100),
    strategy_parameters=st.dictionaries(st.text(), _json, max_size=3),
    max_group_size=st.integers(1, 60),
    single_sizes=st.lists(st.floats(min_value=5e-324, max_value=8), max_size=3).map(tuple),
    budgets_snt=st.lists(st.floats(min_value=5e-324, max_value=MAX_BUDGET_SNT), min_size=1, max_size=5).map(
        tuple
    ),
    n_seeds=st.integers(1, 50),
    n_confirmation_seeds=st.integers(0, 50),
    training_budget=st.builds(
        TrainingBudget,
        trainings=st.none() | st.integers(1, 10**9),
        epochs=st.none() | st.integers(1, 10**9),
        seconds=st.none() | st.floats(min_value=5e-324, max_value=1e9),
    ),
    trainer_parameters=st.builds(by, _recipes, st.integers(0, 100)).map(as_json),
    weights=st.dictionaries(st.sampled_from(NAMES), st.floats(min_value=5e-324, max_value=1e6)),
    seed=st.integers(0, MAX_SEED),
)


class JobContract:
    """Submitting, reading, cancelling, resuming and deleting."""

    @LAWS
    @given(spec=_specs)
    @example(spec=JobSpec("a\0problem", NAMES, name="NUL \0, surrogate \ud800, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢"))
    def test_a_job_comes_back_with_every_field_as_it_was_submitted(self, store: Store, spec: JobSpec) -> None:
        job, was_created = store.create_job(spec, TASKS)
        assert was_created
        assert store.get_job(job.id) == job
        assert job.spec == spec
        assert (job.state, recipe_of(job), job.versions) == (JobState.QUEUED, recipe_in(spec), {})
        assert (job.stop_reason, job.error, job.started_s, job.finished_s) == (None,) * 4

    def test_a_table_has_the_tasks_with_the_weights_of_the_job(self, store: Store) -> None:
        tasks = (
            Task(
                "ä b",
                TaskKind.DENSE_MAP,
                SQUARED_ERROR,
                Metric("psnr", Direction.HIGHER_IS_BETTER),
                0.1,
                64,
            ),
            Task("plain"),
        )
        spec = JobSpec("p", ("ä b", "plain"), name="weights", weights={"plain": 0.3})
        job, _ = store.create_job(spec, tasks)
        info = store.get_table_info(job.score_table_id)
        assert info.tasks == (tasks[0], tasks[1].with_weight(0.3))
        assert (info.id, info.name, info.revision, info.job_id) == (job.score_table_id, "weights", 0, job.id)
        assert store.find_job_of_table(info.id) == job
        assert store.find_job_of_table("0" * 32) is None

    def test_submission_is_the_first_event(self, store: Store) -> None:
        job = submit(store)
        (first,) = store.events(job.id)
        assert (first.number, first.kind, first.at_s) == (1, "job_submitted", job.created_s)

    def test_times_come_from_a_clock_that_agrees_with_this_machine(self, store: Store) -> None:
        before = time.time()
        created_s = submit(store).created_s
        assert before - 0.01 <= created_s <= time.time() + 0.01

    def test_tasks_that_are_not_those_of_the_job_are_refused(self, store: Store) -> None:
        with pytest.raises(InvalidInputError):
            store.create_job(SPEC, TASKS[:2])

    @pytest.mark.parametrize("value", [float("nan"), object(), {1, "a"}])
    def test_parameters_without_a_json_form_are_refused(self, store: Store, value: object) -> None:
        spec = JobSpec("p", NAMES, strategy_parameters={"value": value})
        with pytest.raises(InvalidInputError) as caught:
            store.create_job(spec, TASKS)
        assert caught.value.pointer == "/strategy_parameters"

    def test_a_seed_too_large_for_the_database_is_refused(self, store: Store) -> None:
        with pytest.raises(InvalidInputError) as caught:
            store.create_job(JobSpec("p", NAMES, seed=10**16), TASKS)
        assert caught.value.pointer == "/seed"

    # --- idempotency

    def test_the_same_key_and_digest_give_the_first_job(self, store: Store) -> None:
        first, was_created = store.create_job(SPEC, TASKS, idempotency_key="k", request_digest="d")
        again, was_created_again = store.create_job(SPEC, TASKS, idempotency_key="k", request_digest="d")
        assert (was_created, was_created_again) == (True, False)
        assert again == first
        assert len(store.list_jobs()) == 1

    def test_the_same_key_with_another_digest_is_a_conflict(self, store: Store) -> None:
        submit(store, idempotency_key="k", request_digest="d")
        before = everything(store)
        with pytest.raises(IdempotencyConflictError):
            store.create_job(SPEC, TASKS, idempotency_key="k", request_digest="other")
        assert everything(store) == before

    def test_jobs_without_a_key_are_different_jobs(self, store: Store) -> None:
        assert submit(store).id != submit(store).id

    def test_jobs_without_a_name_that_come_at_once_get_different_ones(self, store: Store) -> None:
        unnamed = replace(SPEC, name="")
        names = [job.name for job, _ in at_once(8, lambda _number: store.create_job(unnamed, TASKS))]
        assert len(set(names)) == 8, names

    @pytest.mark.parametrize("key", ["", "x" * 256, "a\0b", "\ud800"])
    def test_a_key_that_cannot_be_stored_is_refused(self, store: Store, key: str) -> None:
        with pytest.raises(InvalidInputError):
            store.create_job(SPEC, TASKS, idempotency_key=key)

    def test_one_job_comes_of_eight_simultaneous_submissions_with_one_key(self, store: Store) -> None:
        def act(_number: int) -> tuple[Job, bool]:
            return store.create_job(SPEC, TASKS, idempotency_key="k", request_digest="d")

        results = at_once(8, act)
        assert [was_created for _, was_created in results].count(True) == 1
        assert len({job.id for job, _ in results}) == 1
        assert len(store.list_tables()) == 1

    # --- lists

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 1000])
    def test_pages_show_each_job_once_newest_first(self, store: Store, size: int) -> None:
        ids = [submit(store, f"job {i}").id for i in range(7)]
        seen: list[str] = []
        token = None
        while True:
            page = store.list_jobs(limit=size, after=token)
            assert len(page) <= size
            seen += [job.id for job in page]
            submit(store, "added meanwhile")
            token = page.next_token
            if token is None:
                break
        assert seen == ids[::-1]

    def test_pages_show_each_table_once_newest_first(self, store: Store) -> None:
        jobs = [submit(store, f"job {i}") for i in range(5)]
        first = store.list_tables(limit=3)
        second = store.list_tables(limit=3, after=first.next_token)
        assert [(info.id, info.job_id) for info in (*first, *second)] == [
            (job.score_table_id, job.id) for job in reversed(jobs)
        ]
        assert second.next_token is None

    @pytest.mark.parametrize("token", ["", "x", "0" * 32, "é", "\ud800", "AAAA", "bmFuIHg="])
    def test_a_token_that_was_never_given_out_is_refused(self, store: Store, token: str) -> None:
        with pytest.raises(InvalidInputError):
            store.list_jobs(after=token)
        with pytest.raises(InvalidInputError):
            store.list_tables(after=token)

    @pytest.mark.parametrize("unknown", UNKNOWN_IDS)
    def test_an_unknown_id_is_not_found_whatever_it_looks_like(self, store: Store, unknown: str) -> None:
        calls: list[Any] = [
            store.get_job,
            store.request_cancel,
            store.resume,
            store.delete_job,
            store.ledger,
            store.progress,
            store.trials,
            store.events,
            store.get_table_info,
            store.score_table,
            store.networks,
        ]
        for call in calls:
            with pytest.raises(NotFoundError) as caught:
                call(unknown)
            assert caught.value.identifier == unknown
        assert store.find_job_of_table(unknown) is None

    # --- cancelling, resuming, deleting

    def test_cancelling_a_queued_job_ends_it_at_once(self, store: Store) -> None:
        job = store.request_cancel(submit(store).id)
        assert job.state is JobState.CANCELLED
        assert job.finished_s is not None
        assert store.get_job(job.id) == job
        assert store.claim_job("one") is None
        assert store.events(job.id)[-1].kind == "job_cancelled"

    def test_cancelling_a_held_job_tells_its_dispatcher(self, store: Store) -> None:
        scene = running_scene(store)
        assert not store.renew(scene.claim)
        assert store.request_cancel(scene.job_id).state is JobState.CANCELLING
        assert store.renew(scene.claim)
        before = everything(store)
        assert store.request_cancel(scene.job_id).state is JobState.CANCELLING
        assert everything(store) == before
        store.enter_state(scene.claim, JobState.CANCELLED)
        assert store.get_job(scene.job_id).state is JobState.CANCELLED

    def test_cancelling_a_job_whose_dispatcher_is_gone_ends_it_at_once(self, store: Store) -> None:
        scene = running_scene(store, lease_s=0)
        job = store.request_cancel(scene.job_id)
        assert job.state is JobState.CANCELLED
        assert {trial.state for trial in store.trials(job.id)} == {TrialState.PLANNED}

    @pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
    def test_a_job_that_has_ended_cannot_be_cancelled(self, store: Store, state: JobState) -> None:
        scene = running_scene(store)
        store.enter_state(scene.claim, state)
        before = everything(store)
        with pytest.raises(StateConflictError):
            store.request_cancel(scene.job_id)
        assert everything(store) == before

    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
    def test_a_failed_or_cancelled_job_resumes_with_its_scores(self, store: Store, state: JobState) -> None:
        scene = running_scene(store)
        store.record_outcome(scene.claim, scene.running.id, success(scene.running.network))
        train(store, scene.claim, scene.planned, FAILED)
        store.enter_state(scene.claim, state)
        spent = store.ledger(scene.job_id)
        job = store.resume(scene.job_id)
        assert (job.state, job.error, job.stop_reason, job.finished_s) == (JobState.QUEUED, None, None, None)
        first, second, third = store.trials(scene.job_id)
        assert (first.state, len(first.scores)) == (TrialState.SUCCEEDED, 1)
        assert (second.state, second.attempts, second.error) == (TrialState.PLANNED, 0, None)
        assert third.state is TrialState.PLANNED
        assert store.ledger(scene.job_id) == spent
        held = claim(store, "two")
        assert not store.renew(held)
        store.enter_state(held, JobState.PREPARING)
        store.start_trial(held, second.id)
        assert store.ledger(scene.job_id).trainings == spent.trainings + 1

    def test_a_job_that_succeeded_without_some_of_its_trials_resumes_for_them(self, store: Store) -> None:
        scene = running_scene(store)
        store.record_outcome(scene.claim, scene.running.id, success(scene.running.network))
        train(store, scene.claim, scene.planned, FAILED)
        store.enter_state(scene.claim, JobState.SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE)
        job = store.resume(scene.job_id)
        assert (job.state, job.stop_reason, job.finished_s) == (JobState.QUEUED, None, None)
        kept, again, _ = store.trials(scene.job_id)
        assert kept.state is TrialState.SUCCEEDED
        assert (again.state, again.attempts, again.error) == (TrialState.PLANNED, 0, None)
        assert not job.is_taken
        claim(store, "two")
        assert store.get_job(scene.job_id).is_taken

    def test_jobs_that_have_not_failed_cannot_be_resumed(self, store: Store) -> None:
        scene = running_scene(store)
        with pytest.raises(StateConflictError):
            store.resume(scene.job_id)
        store.enter_state(scene.claim, JobState.SUCCEEDED)
        with pytest.raises(StateConflictError):
            store.resume(scene.job_id)

    def test_deleting_a_job_leaves_nothing_of_it(self, store: Store) -> None:
        kept = running_scene(store)
        train(store, kept.claim, kept.planned)
        before = everything(store)
        job = submit(store, idempotency_key="k")
        held = claim(store)
        store.enter_state(held, JobState.PREPARING)
        store.add_networks(held, NETWORKS)
        for trial in plan(store, held, requests(*NETWORKS)):
            train(store, held, trial)
        with pytest.raises(StateConflictError):
            store.delete_job(job.id)
        store.enter_state(held, JobState.FAILED, error="no reason")
        store.delete_job(job.id)
        assert everything(store) == before
        with pytest.raises(NotFoundError):
            store.get_job(job.id)
        with pytest.raises(NotFoundError):
            store.score_table(job.score_table_id)
