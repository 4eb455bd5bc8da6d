"""What every store does for dispatchers: claims, leases, states, events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

import pytest

from grouping.domain.jobs.job import JobState, StopReason
from grouping.domain.trainings.faults import LONE_AFTER_CLAIMS, MAX_LOST_CLAIMS, NO_LOSS, PROVEN_S, Fault
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialState
from grouping.errors import InvalidInputError, NotFoundError, StaleLeaseError, StateConflictError
from grouping.store import Claim, Store, TrialReport, open_store
from grouping.store.census import Census
from grouping.store.database import Database
from grouping.store.dispatchers import SILENT_S
from grouping.trainers.built_in import recipe_of
from tests.contracts.scenarios import (
    DIVERGED,
    FENCED,
    Scene,
    at_once,
    calls_that_take,
    claim,
    everything,
    running_scene,
    submit,
    train,
)


def _claimed_by_another(scene: Scene) -> None:
    assert scene.store.claim_job("another") is not None


def _cancelled(scene: Scene) -> None:
    assert scene.store.request_cancel(scene.job_id).state is JobState.CANCELLED


def _deleted(scene: Scene) -> None:
    _cancelled(scene)
    scene.store.delete_job(scene.job_id)


def _resumed_and_claimed_again(scene: Scene) -> None:
    _cancelled(scene)
    scene.store.resume(scene.job_id)
    assert scene.store.claim_job(scene.claim.owner) is not None


LOSSES: dict[str, Callable[[Scene], None]] = {
    "claimed by another": _claimed_by_another,
    "cancelled": _cancelled,
    "deleted": _deleted,
    "released": lambda scene: scene.store.release(scene.claim),
    "resumed and claimed again": _resumed_and_claimed_again,
    "ended": lambda scene: scene.store.enter_state(scene.claim, JobState.FAILED),
}
"""How a dispatcher whose lease ran out can lose its job."""

_ANY_TIME = {JobState.CANCELLING, JobState.CANCELLED, JobState.FAILED}
LEGAL = {
    JobState.QUEUED: {JobState.PREPARING} | _ANY_TIME,
    JobState.PREPARING: {JobState.RUNNING, JobState.CONFIRMING} | _ANY_TIME,
    JobState.RUNNING: {JobState.PREPARING, JobState.CONFIRMING, JobState.SUCCEEDED} | _ANY_TIME,
    JobState.CONFIRMING: {JobState.PREPARING, JobState.RUNNING, JobState.SUCCEEDED} | _ANY_TIME,
    JobState.CANCELLING: {JobState.CANCELLED, JobState.FAILED},
}
PATHS = {
    JobState.QUEUED: [],
    JobState.PREPARING: [JobState.PREPARING],
    JobState.RUNNING: [JobState.PREPARING, JobState.RUNNING],
    JobState.CONFIRMING: [JobState.PREPARING, JobState.RUNNING, JobState.CONFIRMING],
    JobState.CANCELLING: [JobState.CANCELLING],
}


PassTime = Callable[[float], None]


class LeaseContract:
    """Who may write to a job, and what becomes of it."""

    @pytest.fixture
    def pass_time(self, monkeypatch: pytest.MonkeyPatch) -> PassTime:
        """Puts the clock of the database forward by seconds; nobody waits."""
        now_s, passed_s = Database.now_s, 0.0

        def pass_time(seconds: float) -> None:
            nonlocal passed_s
            passed_s += seconds

        monkeypatch.setattr(Database, "now_s", lambda *arguments: now_s(*arguments) + passed_s)
        return pass_time

    # --- claiming

    def test_there_is_nothing_to_claim_in_an_empty_store(self, store: Store) -> None:
        assert store.claim_job("one") is None

    def test_the_oldest_queued_job_is_claimed_first_and_once(self, store: Store) -> None:
        first, second = submit(store), submit(store)
        held = claim(store)
        assert (held.job.id, held.owner, held.epoch, held.lease_s) == (first.id, "one", 1, 30.0)
        assert held.job.started_s is not None
        assert held.job == store.get_job(first.id)
        assert claim(store, "two").job.id == second.id
        assert store.claim_job("three") is None
        assert store.events(first.id)[-1].kind == "job_claimed"

    def test_eight_dispatchers_claim_each_job_once(self, store: Store, url: str) -> None:
        ids = {submit(store).id for _ in range(12)}
        stores = [open_store(url) for _ in range(2)]

        def act(number: int) -> list[Claim]:
            found = []
            idle = 0
            while idle < 3:  # a job that another holds locked just then is passed over
                held = stores[number % 2].claim_job(f"dispatcher {number}")
                if held is None:
                    idle += 1
                else:
                    found.append(held)
            return found

        claims = [held for found in at_once(8, act) for held in found]
        for opened in stores:
            opened.close()
        assert sorted(held.job.id for held in claims) == sorted(ids)
        assert {held.epoch for held in claims} == {1}

    def test_a_job_is_free_again_when_its_lease_ran_out(self, store: Store, pass_time: PassTime) -> None:
        submit(store)
        first = claim(store, lease_s=3600)
        pass_time(3500)
        assert store.claim_job("two") is None
        pass_time(100)
        second = claim(store, "two")
        assert (second.job.id, second.epoch) == (first.job.id, 2)
        assert second.job.started_s == first.job.started_s

    def test_renewing_keeps_the_job(self, store: Store, pass_time: PassTime) -> None:
        submit(store)
        held = claim(store, lease_s=3600)
        for _ in range(4):
            pass_time(1800)
            assert not store.renew(held)
            assert store.claim_job("two") is None

    def test_a_takeover_plans_running_trials_again_and_says_so(self, store: Store) -> None:
        scene = running_scene(store, lease_s=0)
        spent = store.ledger(scene.job_id)
        claim(store, "two")
        trial = store.trials(scene.job_id)[0]
        assert (trial.state, trial.attempts, trial.started_s) == (TrialState.PLANNED, 1, None)
        assert store.ledger(scene.job_id) == spent
        assert [event.kind for event in store.events(scene.job_id)][-3:] == [
            "dispatcher_lost",
            "trial_lost",
            "job_claimed",
        ]

    def test_a_trial_that_loses_its_dispatcher_is_planned_again_however_often(
        self, store: Store, pass_time: PassTime
    ) -> None:
        scene = running_scene(store, lease_s=PROVEN_S)
        n = 40
        for attempt in range(2, n + 1):
            pass_time(PROVEN_S)
            held = claim(store, f"dispatcher {attempt}", lease_s=PROVEN_S)
            store.start_trial(held, scene.running.id)
        pass_time(PROVEN_S)
        claim(store, "last")
        trial = store.trials(scene.job_id)[0]
        assert (trial.state, trial.attempts) == (TrialState.PLANNED, n)
        assert trial.standing == NO_LOSS
        assert store.ledger(scene.job_id).trainings == n

    def test_a_job_that_ends_its_dispatchers_lets_others_pass_and_fails_at_the_limit(
        self, store: Store
    ) -> None:
        deadly, other = submit(store, "deadly"), submit(store, "other")
        assert claim(store, "first", lease_s=0).job.id == deadly.id
        assert claim(store, "second").job.id == other.id, "which has lost none"
        for n in range(1, MAX_LOST_CLAIMS):
            held = claim(store, f"dispatcher {n}", lease_s=0)
            assert held.job.id == deadly.id
            assert held.is_lone is (n >= LONE_AFTER_CLAIMS)
            if n + 1 >= LONE_AFTER_CLAIMS:
                assert n + 1 == LONE_AFTER_CLAIMS or store.claim_job("busy", has_others=True) is None
        assert store.claim_job("last") is None
        failed = store.get_job(deadly.id)
        assert failed.state is JobState.FAILED
        assert f"{MAX_LOST_CLAIMS} dispatchers in a row were lost" in (failed.error or "")
        assert store.events(deadly.id)[-1].kind == "job_failed"
        store.resume(deadly.id)
        assert not claim(store, "again").is_lone

    def test_dispatchers_lost_before_a_training_ended_do_not_count_after_it(self, store: Store) -> None:
        scene = running_scene(store, lease_s=0)
        for n in range(3 * MAX_LOST_CLAIMS):
            held = claim(store, f"dispatcher {n}", lease_s=0)
            store.start_trial(held, scene.running.id)
            if n % (MAX_LOST_CLAIMS - 1) == 0:
                point = TrialReport((Progress(n, {"depth": 0.5}),))
                store.report_progress(held, {scene.running.id: point})
        assert store.get_job(scene.job_id).state is JobState.RUNNING

    def test_dispatchers_count_until_they_are_silent_or_gone(self, store: Store, pass_time: PassTime) -> None:
        assert store.count_dispatchers() == 0
        store.tell_alive("one", 2)
        store.tell_alive("two", 2)
        assert store.count_dispatchers() == 2
        pass_time(SILENT_S / 2)
        store.tell_alive("one", 2)
        pass_time(SILENT_S / 2)
        assert store.count_dispatchers() == 1, "two is silent"
        store.tell_alive("two", 2)
        store.tell_gone("one")
        store.tell_gone("one")
        assert store.count_dispatchers() == 1, "one is gone, two is back"

    def test_a_census_counts_jobs_and_the_trials_of_those_that_have_not_ended(self, store: Store) -> None:
        assert store.census() == Census({}, {}, 0, 0)
        ended, under_way = running_scene(store), running_scene(store)
        store.enter_state(ended.claim, JobState.FAILED)
        submit(store)
        store.tell_alive("one", 2)
        states = Counter(trial.state for trial in store.trials(under_way.job_id))
        jobs = {JobState.FAILED: 1, JobState.RUNNING: 1, JobState.QUEUED: 1, JobState.SUCCEEDED: 2}
        assert store.census() == Census(jobs, states, 1, 0)

    def test_a_job_that_succeeds_without_some_trainings_names_them_until_it_is_resumed(
        self, store: Store
    ) -> None:
        scene = running_scene(store)
        late = TrialOutcome(TrialState.FAILED, error="too late\0", fault=Fault.DEADLINE)
        store.record_outcome(scene.claim, scene.running.id, late)
        for trial in (scene.planned, scene.last):
            train(store, scene.claim, trial, DIVERGED if trial is scene.last else None)
        store.enter_state(scene.claim, JobState.SUCCEEDED)
        job = store.get_job(scene.job_id)
        assert job.is_degraded
        (missing,) = job.missing.trainings
        assert (missing.trial, missing.network, missing.fault) == (
            scene.running.id,
            "depth",
            Fault.DEADLINE,
        ), "one that diverged is a result"
        assert (job.missing.count, missing.error) == (1, "too late\ufffd")
        assert store.events(scene.job_id)[-1].data == {"missing": 1, "without": "depth, seed 0 (deadline)"}
        resumed = store.resume(scene.job_id)
        assert not resumed.is_degraded
        states = [(trial.state, trial.fault) for trial in store.trials(scene.job_id)]
        assert states == [
            (TrialState.PLANNED, None),
            (TrialState.SUCCEEDED, None),
            (TrialState.DIVERGED, Fault.DIVERGED),
        ], "what has ended is not trained again"

    def test_a_job_that_was_being_cancelled_is_given_out_to_be_finished(
        self, store: Store, pass_time: PassTime
    ) -> None:
        submit(store)
        held = claim(store, lease_s=3600)
        store.request_cancel(held.job.id)
        pass_time(3600)
        second = claim(store, "two")
        assert second.job.state is JobState.CANCELLING
        assert store.renew(second)

    def test_releasing_gives_job_and_attempts_back(self, store: Store) -> None:
        scene = running_scene(store)
        store.release(scene.claim)
        trial = store.trials(scene.job_id)[0]
        assert (trial.state, trial.attempts) == (TrialState.PLANNED, 0)
        assert store.ledger(scene.job_id).trainings == 0
        assert store.get_job(scene.job_id).state is JobState.RUNNING
        assert claim(store, "two").epoch == 2

    # --- the fence

    def test_every_call_that_takes_a_claim_is_among_the_fenced_ones(self) -> None:
        assert calls_that_take(Claim) == set(FENCED)

    @pytest.mark.parametrize("name", FENCED)
    def test_a_valid_claim_may_write(self, store: Store, name: str) -> None:
        scene = running_scene(store)
        before = everything(store)
        FENCED[name](scene)
        assert everything(store) != before

    @pytest.mark.parametrize("loss", LOSSES)
    def test_a_lost_claim_writes_nothing_by_any_call(self, store: Store, loss: str) -> None:
        scene = running_scene(store, lease_s=0)
        LOSSES[loss](scene)
        before = everything(store)
        for name, write in FENCED.items():
            try:
                write(scene)
            except StaleLeaseError:
                assert everything(store) == before, f"{name} wrote something"
            else:
                pytest.fail(f"{name} was not refused")

    # --- states

    @pytest.mark.parametrize("before", PATHS)
    def test_a_job_moves_along_legal_transitions_only(self, store: Store, before: JobState) -> None:
        for after in JobState:
            job = submit(store)
            held = claim(store)
            for state in PATHS[before]:
                store.enter_state(held, state)
            picture = everything(store)
            if after is before:
                store.enter_state(held, after)
                assert everything(store) == picture
            elif after in LEGAL[before]:
                store.enter_state(held, after)
                assert store.get_job(job.id).state is after
                assert store.events(job.id)[-1].kind == f"job_{after}"
            else:
                with pytest.raises(StateConflictError):
                    store.enter_state(held, after)
                assert everything(store) == picture

    def test_success_comes_with_its_reason_and_time(self, store: Store) -> None:
        scene = running_scene(store)
        store.enter_state(scene.claim, JobState.SUCCEEDED, stop_reason=StopReason.TRAINING_BUDGET_SPENT)
        job = store.get_job(scene.job_id)
        assert (job.stop_reason, job.error) == (StopReason.TRAINING_BUDGET_SPENT, None)
        last = store.events(scene.job_id)[-1]
        assert (last.at_s, dict(last.data)) == (job.finished_s, {"stop_reason": "training_budget_spent"})
        assert store.claim_job("two") is None

    def test_failure_comes_with_its_error_whatever_characters_it_has(self, store: Store) -> None:
        scene = running_scene(store)
        store.enter_state(scene.claim, JobState.FAILED, error="NUL \0, surrogate \ud800, <b>ü</b>")
        assert store.get_job(scene.job_id).error == "NUL \ufffd, surrogate ?, <b>ü</b>"

    def test_reasons_that_do_not_belong_to_the_state_are_refused(self, store: Store) -> None:
        scene = running_scene(store)
        with pytest.raises(InvalidInputError):
            store.enter_state(scene.claim, JobState.FAILED, stop_reason=StopReason.SEARCH_COMPLETE)
        with pytest.raises(InvalidInputError):
            store.enter_state(scene.claim, JobState.SUCCEEDED, error="no")

    def test_no_trial_of_a_job_that_has_ended_is_running(self, store: Store) -> None:
        scene = running_scene(store)
        store.enter_state(scene.claim, JobState.CANCELLED)
        trial = store.trials(scene.job_id)[0]
        assert (trial.state, trial.attempts) == (TrialState.PLANNED, 0)

    # --- preparation

    def test_what_a_job_is_trained_on_is_recorded(self, store: Store) -> None:
        job = submit(store)
        recipe = Recipe(hidden=(5, 4, 3), epochs=7, learning_rate=0.1 + 0.2, weight_decay=5e-324)
        store.record_preparation(
            claim(store),
            data_digest="d" * 64,
            versions={"torch": "2", "numpy": "1"},
            settled={"recipe": asdict(recipe), "mine": [1, 2.5]},
        )
        prepared = store.get_job(job.id)
        assert recipe_of(prepared) == recipe
        assert prepared.settled["mine"] == [1, 2.5]
        assert prepared.spec == job.spec
        assert prepared.data_digest == "d" * 64
        assert prepared.versions == {"torch": "2", "numpy": "1"}

    def test_the_versions_that_a_job_began_with_stay(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        for versions in ({"torch": "2"}, {"torch": "3", "blas": "other"}):
            store.record_preparation(held, data_digest="0f", versions=versions)
            assert store.get_job(job.id).versions == {"torch": "2"}
        told = [event.data["versions"] for event in store.events(job.id) if event.kind == "job_prepared"]
        assert told == [{"torch": "2"}, {"torch": "3", "blas": "other"}]

    def test_what_a_trainer_settled_first_stays_and_what_it_tells_is_told(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        assert store.get_job(job.id).settled == {}
        told = {"engine": "vmap", "reason": "twice as fast", "step_ms": {"vmap": 0.5}}
        store.record_preparation(
            held,
            data_digest="0f",
            versions={},
            settled={"engine": "vmap"},
            events=[("engine_chosen", told), ("other", {})],
        )
        store.record_preparation(held, data_digest="0f", versions={}, settled={"engine": "sequential"})
        assert store.get_job(job.id).settled == {"engine": "vmap"}
        events = [(event.kind, event.data) for event in store.events(job.id)]
        assert events[-4:-1] == [events[-4], ("engine_chosen", told), ("other", {})]
        assert [kind for kind, _ in events].count("job_prepared") == 2

    def test_a_job_does_not_go_on_with_other_data(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        store.record_preparation(held, data_digest="old", versions={"a": "1"})
        store.record_preparation(held, data_digest="old", versions={"a": "1"})
        before = everything(store)
        with pytest.raises(InvalidInputError, match="data changed"):
            store.record_preparation(held, data_digest="new", versions={"a": "1"})
        assert everything(store) == before
        assert store.get_job(job.id).data_digest == "old"

    # --- events

    def test_events_are_numbered_without_gaps_whoever_writes(self, store: Store, url: str) -> None:
        scene = running_scene(store)
        other = open_store(url)

        def act(number: int) -> None:
            for i in range(12):
                if number == 5 and i == 6:
                    other.request_cancel(scene.job_id)
                (other if number % 2 else store).append_event(scene.claim, "note", {"from": number, "i": i})

        at_once(6, act)
        other.close()
        events = store.events(scene.job_id)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        notes = [event.data for event in events if event.kind == "note"]
        assert sorted((note["from"], note["i"]) for note in notes) == [
            (n, i) for n in range(6) for i in range(12)
        ]
        assert [event.at_s for event in events] == sorted(event.at_s for event in events)

    def test_events_are_read_in_pages(self, store: Store) -> None:
        submit(store)
        held = claim(store)
        for i in range(5):
            store.append_event(held, "note", {"i": i, "text": "a\0b \ud800", "nested": {"x": [0.1, None]}})
        assert [event.number for event in store.events(held.job.id, after=2, limit=2)] == [3, 4]
        assert [event.number for event in store.events(held.job.id, after=6)] == [7]
        assert store.events(held.job.id, after=7) == ()
        assert store.events(held.job.id, after=6)[0].data == {
            "i": 4,
            "text": "a\0b \ud800",
            "nested": {"x": [0.1, None]},
        }

    def test_the_last_event_of_a_kind_is_found(self, store: Store) -> None:
        submit(store)
        held = claim(store)
        assert store.find_last_event(held.job.id, "note") is None
        for kind, i in (("note", 1), ("note", 2), ("other", 3)):
            store.append_event(held, kind, {"i": i})
        found = store.find_last_event(held.job.id, "note")
        assert found is not None
        assert (found.kind, found.data) == ("note", {"i": 2})
        with pytest.raises(NotFoundError):
            store.find_last_event("0" * 32, "note")

    def test_an_event_without_a_json_form_is_refused(self, store: Store) -> None:
        scene = running_scene(store)
        before = everything(store)
        with pytest.raises(InvalidInputError):
            store.append_event(scene.claim, "note", {"loss": float("nan")})
        assert everything(store) == before
