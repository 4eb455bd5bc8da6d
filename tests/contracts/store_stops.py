"""What every store does when users pause and stop jobs."""

from __future__ import annotations

import pytest

from grouping.domain.jobs.job import Job, JobState, Stop, StopReason
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.errors import StaleLeaseError, StateConflictError
from grouping.store import Store
from tests.contracts.scenarios import (
    DEPTH,
    FAILED,
    Scene,
    claim,
    crash_everywhere,
    everything,
    plan,
    requests,
    running_scene,
    submit,
    success,
    train,
)

ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


def trained_scene(store: Store, *, lease_s: float = 30.0) -> Scene:
    """A running job of which one search trial succeeded, one is planned, and one to confirm is planned."""
    scene = running_scene(store, lease_s=lease_s)
    store.record_outcome(scene.claim, scene.running.id, success(scene.running.network))
    store.start_trial(scene.claim, scene.planned.id)
    plan(store, scene.claim, requests(DEPTH, purpose=Purpose.CONFIRMATION))
    return scene


def states(store: Store, job_id: str) -> list[TrialState]:
    """States of the trials of a job, in the order of the plan."""
    return [trial.state for trial in store.trials(job_id)]


class StopContract:
    """Nobody works on a paused job; a stopped one skips what is no more wanted, and nothing else."""

    def test_a_queued_job_pauses_at_once_and_is_claimed_by_nobody(self, store: Store) -> None:
        job = store.request_pause(submit(store).id)
        assert (job.state, job.finished_s) == (JobState.PAUSED, None)
        assert store.claim_job("one") is None
        before = everything(store)
        assert store.request_pause(job.id) == job
        assert everything(store) == before
        assert store.resume(job.id).state is JobState.QUEUED
        claim(store)

    def test_a_held_job_pauses_when_its_dispatcher_has_finished_what_is_in_training(
        self, store: Store
    ) -> None:
        scene = trained_scene(store)
        assert store.request_pause(scene.job_id).state is JobState.PAUSING
        with pytest.raises(StateConflictError):
            store.enter_state(scene.claim, JobState.CONFIRMING)
        store.record_outcome(scene.claim, scene.planned.id, FAILED)
        store.enter_state(scene.claim, JobState.PAUSED)
        with pytest.raises(StaleLeaseError):
            store.renew(scene.claim)
        paused = store.get_job(scene.job_id)
        assert (paused.state, paused.is_taken, paused.finished_s) == (JobState.PAUSED, False, None)
        assert store.claim_job("two") is None
        kinds = [event.kind for event in store.events(scene.job_id)]
        assert kinds[-1] == "job_paused"
        assert "job_pausing" in kinds
        store.resume(scene.job_id)
        held = claim(store, "two")
        assert held.job.id == scene.job_id
        assert states(store, scene.job_id)[0] is TrialState.SUCCEEDED

    @pytest.mark.parametrize("verb", ["resume", "request_stop"])
    def test_a_pause_is_taken_back_before_it_has_come(self, store: Store, verb: str) -> None:
        scene = trained_scene(store)
        before = states(store, scene.job_id)
        store.request_pause(scene.job_id)
        assert getattr(store, verb)(scene.job_id).state is JobState.QUEUED
        assert store.claim_job("two") is None, "it is held"
        with pytest.raises(StateConflictError):
            store.enter_state(scene.claim, JobState.PAUSED)
        store.enter_state(scene.claim, JobState.PREPARING)
        store.enter_state(scene.claim, JobState.RUNNING)
        assert states(store, scene.job_id)[:2] == before[:2]
        resumed = [event for event in store.events(scene.job_id) if event.kind == "job_resumed"]
        assert [event.data["from"] for event in resumed] == ["pausing"]

    def test_a_job_whose_dispatcher_is_gone_pauses_at_once(self, store: Store) -> None:
        scene = running_scene(store, lease_s=0)
        assert store.request_pause(scene.job_id).state is JobState.PAUSED
        assert set(states(store, scene.job_id)) == {TrialState.PLANNED}
        assert store.claim_job("two") is None

    def test_a_paused_job_can_be_cancelled_and_is_not_deleted_before(self, store: Store) -> None:
        job = store.request_pause(submit(store).id)
        with pytest.raises(StateConflictError, match="cancel it before"):
            store.delete_job(job.id)
        assert store.request_cancel(job.id).state is JobState.CANCELLED

    @pytest.mark.parametrize("state", ENDED)
    def test_a_job_that_has_ended_is_neither_paused_nor_stopped(self, store: Store, state: JobState) -> None:
        scene = trained_scene(store)
        store.enter_state(scene.claim, state)
        before = everything(store)
        for ask in (store.request_pause, store.request_stop):
            with pytest.raises(StateConflictError, match="already"):
                ask(scene.job_id)
        assert everything(store) == before

    def test_a_job_without_any_score_has_nothing_to_recommend_from(self, store: Store) -> None:
        scene = running_scene(store)
        before = everything(store)
        with pytest.raises(StateConflictError, match="nothing to recommend from"):
            store.request_stop(scene.job_id)
        assert everything(store) == before

    def test_a_stopped_search_skips_what_searches_and_keeps_what_confirms(self, store: Store) -> None:
        scene = trained_scene(store)
        job = store.request_stop(scene.job_id)
        assert (job.state, job.stop) == (JobState.RUNNING, Stop.SEARCH)
        succeeded, running, skipped, planned = TrialState.SUCCEEDED, TrialState.RUNNING, *_LEFT
        assert states(store, scene.job_id) == [succeeded, running, skipped, planned]
        assert store.search_state(scene.job_id).stop is Stop.SEARCH
        before = everything(store)
        assert store.request_stop(scene.job_id) == job
        assert everything(store) == before
        everything_stopped = store.request_stop(scene.job_id, Stop.ALL)
        assert everything_stopped.stop is Stop.ALL
        assert states(store, scene.job_id)[3] is TrialState.SKIPPED
        assert store.request_stop(scene.job_id).stop is Stop.ALL, "that cannot be taken back"

    def test_what_was_under_way_is_skipped_when_a_stopped_job_succeeds(self, store: Store) -> None:
        scene = trained_scene(store)
        store.request_stop(scene.job_id, Stop.ALL)
        store.enter_state(scene.claim, JobState.SUCCEEDED, stop_reason=StopReason.STOPPED_BY_USER)
        job = store.get_job(scene.job_id)
        assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.STOPPED_BY_USER)
        assert set(states(store, scene.job_id)[1:]) == {TrialState.SKIPPED}

    def test_a_training_that_is_lost_after_the_stop_is_skipped_by_its_dispatcher(self, store: Store) -> None:
        scene = trained_scene(store)
        store.request_stop(scene.job_id)
        store.release(scene.claim)
        assert states(store, scene.job_id)[1] is TrialState.PLANNED
        held = claim(store, "two")
        assert store.skip_unwanted_trials(held, Stop.SEARCH) == 1
        assert store.skip_unwanted_trials(held, Stop.SEARCH) == 0

    def test_a_paused_job_goes_on_to_end_when_it_is_stopped(self, store: Store) -> None:
        scene = trained_scene(store, lease_s=0)
        store.request_pause(scene.job_id)
        assert store.request_stop(scene.job_id, Stop.ALL).state is JobState.QUEUED
        held = claim(store, "two")
        store.enter_state(held, JobState.SUCCEEDED, stop_reason=StopReason.STOPPED_BY_USER)
        with pytest.raises(StateConflictError, match="clone it"):
            store.resume(scene.job_id)

    def test_only_a_stopped_job_succeeds_before_it_began(self, store: Store) -> None:
        submit(store)
        with pytest.raises(StateConflictError, match="cannot become"):
            store.enter_state(claim(store), JobState.SUCCEEDED)

    def test_a_resumed_job_stays_stopped(self, store: Store) -> None:
        scene = trained_scene(store)
        store.record_outcome(scene.claim, scene.planned.id, FAILED)
        store.request_stop(scene.job_id)
        store.enter_state(scene.claim, JobState.FAILED, error="The disk is full.")
        job: Job = store.resume(scene.job_id)
        assert job.stop is Stop.SEARCH
        assert states(store, scene.job_id)[1:3] == [TrialState.SKIPPED, TrialState.SKIPPED]

    def test_a_crash_while_a_job_is_stopped_leaves_it(self, store: Store) -> None:
        scene = trained_scene(store)
        train(store, scene.claim, scene.last)
        assert crash_everywhere(store, lambda: store.request_stop(scene.job_id, Stop.ALL)) >= 3


_LEFT = (TrialState.SKIPPED, TrialState.PLANNED)
