"""What every store does for workers that lease trials one by one."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from grouping.domain.jobs.job import JobState
from grouping.domain.jobs.task_definitions import SizeVariant
from grouping.domain.networks import Network
from grouping.domain.trainings.faults import (
    MAX_LOST_CLAIMS,
    PROVEN_S,
    QUARANTINE_AFTER,
    TRIES_OUT_OF_MEMORY,
    Fault,
    LossCause,
)
from grouping.domain.trainings.resources import StatedResources
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.errors import (
    IdempotencyConflictError,
    InvalidInputError,
    LeaseLostError,
    StateConflictError,
)
from grouping.store import Claim, Store, TrialLease, open_store
from grouping.store.rows import TrialRow
from grouping.trainers import Trainer
from tests.contracts.scenarios import (
    DIVERGED,
    FAILED,
    LOSSES_UNTIL_GIVEN_UP,
    NETWORKS,
    at_once,
    claim,
    crash_everywhere,
    everything,
    plan,
    prepare,
    requests,
    submit,
    success,
)
from tests.contracts.store_leases import PassTime

LEASE_S = 60.0
PARAMETERS: Mapping[str, Any] = {
    "data": "v1",
    "epochs": 10,
    "deadline_s": 3600.0,
    "lease_s": LEASE_S,
    "resources": None,
}


@dataclass(frozen=True)
class Away:
    """A running job with three planned trials, whose trainings are done by workers anywhere."""

    store: Store
    claim: Claim

    @property
    def job_id(self) -> str:
        return self.claim.job.id

    def lease(self, worker: str = "worker", **options: Any) -> TrialLease:
        found = self.store.lease_trial(worker, **options)
        assert found is not None
        return found

    def trial_states(self) -> list[TrialState]:
        return [trial.state for trial in self.store.trials(self.job_id)]

    def check_charges(self) -> None:
        """Every attempt is charged, and nothing else."""
        attempts = sum(trial.attempts for trial in self.store.trials(self.job_id))
        assert self.store.ledger(self.job_id).trainings == attempts


def away(store: Store, *, n_seeds: int = 1, stated: Mapping[str, Any] | None = None, **changes: Any) -> Away:
    """Set the scene, with what the job states itself and changed parameters of its trainer."""
    parameters = {"trainer": "external", "trainer_parameters": {**PARAMETERS, **changes}}
    submit(store, fields={**parameters, **(stated or {})})
    held = claim(store, "dispatcher", lease_s=1e6)
    prepare(store, held)
    store.enter_state(held, JobState.RUNNING)
    plan(store, held, requests(*NETWORKS, seeds=n_seeds))
    return Away(store, held)


WRITES: dict[str, Callable[[Store, TrialLease], object]] = {
    "renew": lambda store, lease: store.renew_trial(lease.token),
    "complete": lambda store, lease: store.complete_trial(lease.token, success(lease.request.network)),
    "fail": lambda store, lease: store.fail_trial(lease.token, "no memory left", retry=False),
    "fail and retry": lambda store, lease: store.fail_trial(lease.token, "no memory left", retry=True),
    "give back": lambda store, lease: store.give_back_trial(lease.token),
}
"""All that a worker writes under its lease."""


def _taken_over(scene: Away, pass_time: PassTime) -> None:
    pass_time(LEASE_S)
    scene.lease("another")


def _deleted(scene: Away, _: PassTime) -> None:
    scene.store.enter_state(scene.claim, JobState.FAILED)
    scene.store.delete_job(scene.job_id)


def _resumed_and_leased_by_another(scene: Away, _: PassTime) -> None:
    scene.store.enter_state(scene.claim, JobState.FAILED)
    scene.store.resume(scene.job_id)
    held = claim(scene.store, "next")
    scene.store.enter_state(held, JobState.PREPARING)
    scene.store.enter_state(held, JobState.RUNNING)
    scene.lease("another")


def _expired(scene: Away, pass_time: PassTime) -> None:
    pass_time(LEASE_S)
    assert scene.store.expire_trials(scene.job_id) == 1


def _given_up(scene: Away, pass_time: PassTime) -> None:
    for _ in range(LOSSES_UNTIL_GIVEN_UP[LossCause.WITH_WORKER]):
        pass_time(LEASE_S)
        while scene.store.lease_trial("another") is not None:
            pass
    assert scene.trial_states()[0] is TrialState.FAILED


def _started_by_a_dispatcher(scene: Away, pass_time: PassTime) -> None:
    _expired(scene, pass_time)
    scene.store.start_trial(scene.claim, scene.store.trials(scene.job_id)[0].id)


LOSSES: dict[str, Callable[[Away, PassTime], object]] = {
    "taken over": _taken_over,
    "deleted": _deleted,
    "resumed and leased by another": _resumed_and_leased_by_another,
    "expired": _expired,
    "expired for the last time": _given_up,
    "started by a dispatcher": _started_by_a_dispatcher,
}
"""How another may come to write to the trial of a lease, or its time may end."""


def _ended(scene: Away, _: PassTime) -> None:
    scene.store.enter_state(scene.claim, JobState.FAILED)


def _cancelled(scene: Away, _: PassTime) -> None:
    scene.store.request_cancel(scene.job_id)
    scene.store.enter_state(scene.claim, JobState.CANCELLED)


def _given_back(scene: Away, _: PassTime) -> None:
    with scene.store._database.reading() as session:
        token = session.scalars(select(TrialRow.lease_token).where(TrialRow.lease_token.is_not(None))).one()
    assert token is not None
    scene.store.give_back_trial(token)


ENDINGS: dict[str, Callable[[Away, PassTime], object]] = {
    **LOSSES,
    "ended": _ended,
    "cancelled": _cancelled,
    "given back": _given_back,
}
"""How a lease ends without an outcome."""


class TrialLeaseContract:
    """Who may train a trial, and what becomes of it."""

    # --- leasing

    def test_a_lease_names_the_first_planned_trial_and_is_an_attempt(self, store: Store) -> None:
        scene = away(store)
        lease = scene.lease("somewhere")
        trial = store.trials(scene.job_id)[0]
        assert (lease.trial_id, lease.attempt, lease.worker) == (trial.id, 1, "somewhere")
        assert lease.request.key == trial.key
        assert lease.request.network == trial.network
        assert (lease.epochs, lease.deadline_s, lease.lease_s) == (10, 3600.0, LEASE_S)
        assert trial.started_s is not None
        assert lease.expires_s == pytest.approx(trial.started_s + LEASE_S)
        assert (trial.state, trial.attempts) == (TrialState.RUNNING, 1)
        event = store.events(scene.job_id)[-1]
        assert (event.kind, event.data["worker"], event.data["trial"]) == (
            "trial_started",
            "somewhere",
            trial.id,
        )
        scene.check_charges()

    def test_each_trial_is_leased_once_in_order_and_then_none(self, store: Store) -> None:
        scene = away(store)
        leases = [scene.lease() for _ in NETWORKS]
        assert [lease.trial_id for lease in leases] == [t.id for t in store.trials(scene.job_id)]
        assert len({lease.token for lease in leases}) == 3
        assert store.lease_trial("one more") is None

    @pytest.mark.parametrize("state", [JobState.PREPARING, JobState.CANCELLING, JobState.FAILED])
    def test_a_job_that_does_not_train_leases_nothing(self, store: Store, state: JobState) -> None:
        scene = away(store)
        store.enter_state(scene.claim, state)
        before = everything(store)
        assert store.lease_trial("worker") is None
        assert everything(store) == before

    def test_trials_that_the_service_trains_itself_are_not_leased(self, store: Store) -> None:
        submit(store)
        held = claim(store)
        prepare(store, held)
        store.enter_state(held, JobState.RUNNING)
        plan(store, held, requests(*NETWORKS))
        assert store.lease_trial("worker") is None

    def test_only_jobs_that_were_named_are_served(self, store: Store) -> None:
        first, second = away(store), away(store)
        assert store.lease_trial("worker", job_ids=[]) is None
        assert store.lease_trial("worker", job_ids=["none", first.job_id[::-1]]) is None
        for _ in NETWORKS:
            assert second.lease(job_ids=["none", second.job_id]).job.id == second.job_id
        assert store.lease_trial("worker", job_ids=[second.job_id]) is None
        assert first.lease().job.id == first.job_id

    def test_jobs_take_turns(self, store: Store) -> None:
        scenes = [away(store) for _ in range(3)]
        order = [scenes[0].lease().job.id for _ in range(9)]
        for first in range(0, 9, 3):
            assert order[first : first + 3] == [scene.job_id for scene in scenes]

    def test_a_worker_gets_only_what_fits_into_it(self, store: Store) -> None:
        scene = away(store, resources={"cpus": 2.0, "gpus": 1.0, "memory_gib": None, "custom": {}})
        assert store.lease_trial("small", available={"CPU": 8}) is None
        assert store.lease_trial("small", available={"CPU": 1, "GPU": 1}) is None
        scene.lease("large", available={"CPU": 2, "GPU": 1})
        scene.lease("says nothing")

    # --- reporting

    @pytest.mark.parametrize("outcome", [success(NETWORKS[0].network), DIVERGED, FAILED], ids=str)
    def test_an_outcome_is_recorded_once_however_often_it_is_told(self, store: Store, outcome: Any) -> None:
        scene = away(store)
        lease = scene.lease()
        assert store.complete_trial(lease.token, outcome) is outcome.state
        trial, before = store.trials(scene.job_id)[0], everything(store)
        assert (trial.state, trial.epochs, trial.seconds, trial.error) == (
            outcome.state,
            outcome.epochs,
            outcome.seconds,
            outcome.error,
        )
        assert trial.scores == outcome.scores
        assert store.events(scene.job_id)[-1].kind == f"trial_{outcome.state}"
        assert store.complete_trial(lease.token, outcome) is outcome.state
        with pytest.raises(IdempotencyConflictError):
            store.complete_trial(lease.token, success(lease.request.network, loss=0.9))
        for name in ("renew", "give back"):
            with pytest.raises(LeaseLostError):
                WRITES[name](store, lease)
        assert everything(store) == before
        scene.check_charges()

    def test_the_time_since_the_lease_began_can_be_measured_here(
        self, store: Store, pass_time: PassTime
    ) -> None:
        scene = away(store)
        lease = scene.lease()
        pass_time(50)
        store.complete_trial(lease.token, success(lease.request.network, seconds=0.0), measures_time=True)
        assert 50 <= store.trials(scene.job_id)[0].seconds < 100
        assert 50 <= store.ledger(scene.job_id).seconds < 100

    def test_scores_of_other_tasks_are_refused_and_the_lease_stays(self, store: Store) -> None:
        scene = away(store)
        lease = scene.lease()
        before = everything(store)
        with pytest.raises(InvalidInputError, match="one score for each task"):
            store.complete_trial(lease.token, success(Network.of("scene")))
        assert everything(store) == before
        WRITES["complete"](store, lease)

    def test_a_failure_is_final_or_tried_again_up_to_the_limit(self, store: Store) -> None:
        scene = away(store)
        lease = scene.lease()
        assert WRITES["fail"](store, lease) is TrialState.FAILED
        assert WRITES["fail"](store, lease) is TrialState.FAILED
        assert store.trials(scene.job_id)[0].error == "no memory left"
        for attempt in range(1, Trainer.max_attempts + 1):
            lease = scene.lease()
            assert lease.attempt == attempt
            wanted = TrialState.PLANNED if attempt < Trainer.max_attempts else TrialState.FAILED
            for _ in range(2):
                assert WRITES["fail and retry"](store, lease) is wanted
        assert scene.trial_states() == [TrialState.FAILED, TrialState.FAILED, TrialState.PLANNED]
        scene.check_charges()

    def test_what_a_job_states_of_its_trainings_goes_over_its_trainer(self, store: Store) -> None:
        stated = {
            "deadline_s": 60.0,
            "max_attempts": 1,
            "resources": StatedResources(gpus=1.0),
            "sizes": (SizeVariant("large", 1.0),),
        }
        scene = away(store, stated=stated, resources={"cpus": 2.0, "gpus": 4.0})
        assert store.lease_trial("small", available={"CPU": 2, "GPU": 0.5}) is None
        lease = scene.lease("able", available={"CPU": 2, "GPU": 1})
        assert (lease.deadline_s, lease.size_name) == (60.0, "large")
        assert WRITES["fail and retry"](store, lease) is TrialState.FAILED, "the only attempt"

    def test_what_is_given_back_costs_nothing_however_often(self, store: Store) -> None:
        scene = away(store)
        lease = scene.lease()
        for _ in range(2):
            assert WRITES["give back"](store, lease) is TrialState.PLANNED
        assert store.ledger(scene.job_id).trainings == 0
        assert store.trials(scene.job_id)[0].attempts == 0
        assert store.events(scene.job_id)[-1].kind == "trial_given_back"
        assert scene.lease().trial_id == lease.trial_id

    # --- the fence

    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("name", WRITES)
    def test_under_a_lost_lease_nothing_is_written(
        self, store: Store, pass_time: PassTime, loss: str, name: str
    ) -> None:
        scene = away(store)
        lease = scene.lease()
        LOSSES[loss](scene, pass_time)
        before = everything(store)
        with pytest.raises(LeaseLostError):
            WRITES[name](store, lease)
        assert everything(store) == before

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_an_outcome_that_comes_too_late_is_never_recorded(
        self, store: Store, pass_time: PassTime, ending: str
    ) -> None:
        scene = away(store)
        lease = scene.lease()
        ENDINGS[ending](scene, pass_time)
        before = everything(store)
        for name in ("complete", "renew"):
            with pytest.raises(LeaseLostError):
                WRITES[name](store, lease)
        assert everything(store) == before

    @pytest.mark.parametrize("token", ["", "x", "0" * 32, "'; --", "\0"])
    @pytest.mark.parametrize("name", WRITES)
    def test_a_token_that_was_never_given_out_writes_nothing(
        self, store: Store, name: str, token: str
    ) -> None:
        scene = away(store)
        lease = scene.lease()
        forged = TrialLease(
            token, "x", lease.job, lease.trial_id, 1, lease.request, 10, None, LEASE_S, lease.expires_s
        )
        before = everything(store)
        with pytest.raises(LeaseLostError):
            WRITES[name](store, forged)
        assert everything(store) == before

    def test_a_lease_holds_as_long_as_it_is_renewed(self, store: Store, pass_time: PassTime) -> None:
        scene = away(store)
        lease = scene.lease()
        for _ in range(4):
            pass_time(LEASE_S - 10)
            assert store.expire_trials(scene.job_id) == 0
            renewal = store.renew_trial(lease.token)
            assert renewal.expires_s > lease.expires_s
            assert not renewal.is_cancelled
        pass_time(LEASE_S)
        assert store.expire_trials(scene.job_id) == 1
        assert store.events(scene.job_id)[-1].kind == "trial_lost"
        assert "worker" in store.events(scene.job_id)[-1].data["reason"]

    def test_a_renewal_tells_that_the_user_cancels(self, store: Store) -> None:
        scene = away(store)
        lease = scene.lease()
        store.request_cancel(scene.job_id)
        assert store.renew_trial(lease.token).is_cancelled

    def test_a_trial_whose_workers_vanish_is_given_up_at_the_limit(
        self, store: Store, pass_time: PassTime
    ) -> None:
        scene = away(store)
        first, *others = (trial.id for trial in store.trials(scene.job_id))
        for _ in range(QUARANTINE_AFTER):
            assert scene.lease("leaver").trial_id == first
            pass_time(LEASE_S)
        for other in others:
            lease = scene.lease("well")
            assert lease.trial_id == other, "a suspect comes last"
            WRITES["complete"](store, lease)
        for _ in range(LOSSES_UNTIL_GIVEN_UP[LossCause.WITH_WORKER] - QUARANTINE_AFTER):
            assert scene.lease("leaver").trial_id == first
            pass_time(LEASE_S)
        store.expire_trials(scene.job_id)
        lost = store.trials(scene.job_id)[0]
        assert (lost.state, lost.fault) == (TrialState.FAILED, Fault.USER)
        assert "leaver" in (lost.error or "")
        scene.check_charges()

    def test_a_training_whose_memory_ran_out_is_tried_once_more_whatever_its_worker_says(
        self, store: Store
    ) -> None:
        scene = away(store)
        states = []
        for _ in range(TRIES_OUT_OF_MEMORY):
            first = store.trials(scene.job_id)[0].id
            while (lease := scene.lease()).trial_id != first:
                WRITES["complete"](store, lease)
            states.append(store.fail_trial(lease.token, "full", retry=False, fault=Fault.RESOURCES))
            assert store.fail_trial(lease.token, "full", retry=False, fault=Fault.RESOURCES) is states[-1]
        assert states == [TrialState.PLANNED, TrialState.FAILED]
        assert store.trials(scene.job_id)[0].fault is Fault.RESOURCES

    # --- beside the dispatcher

    def test_leases_outlive_the_dispatcher(self, store: Store) -> None:
        scene = away(store)
        lease = scene.lease()
        store.release(scene.claim)
        store.renew_trial(lease.token)
        claim(store, "next", lease_s=0)
        claim(store, "after next")
        assert store.trials(scene.job_id)[0].state is TrialState.RUNNING
        WRITES["complete"](store, lease)
        scene.check_charges()

    def test_a_dispatcher_reports_on_no_trial_that_is_leased(self, store: Store) -> None:
        scene = away(store)
        lease = scene.lease()
        with pytest.raises(StateConflictError, match="worker"):
            store.record_outcome(scene.claim, lease.trial_id, FAILED)
        with pytest.raises(StateConflictError, match="worker"):
            store.requeue_trial(scene.claim, lease.trial_id, "lost", LossCause.WITH_WORKER)
        WRITES["complete"](store, lease)

    def test_dispatchers_lost_while_workers_train_for_long_do_not_count_against_the_job(
        self, store: Store, pass_time: PassTime
    ) -> None:
        scene = away(store, lease_s=8e6)
        scene.lease()
        pass_time(1e6)
        for n in range(2 * MAX_LOST_CLAIMS):
            assert not claim(store, f"dispatcher {n}", lease_s=PROVEN_S).is_lone
            pass_time(PROVEN_S)
        assert store.get_job(scene.job_id).state is JobState.RUNNING

    def test_expiring_the_trials_of_no_job_does_nothing(self, store: Store) -> None:
        for job_id in ("none", "0" * 32):
            assert store.expire_trials(job_id) == 0

    # --- faults, and many at once

    @pytest.mark.parametrize("name", [*WRITES, "lease", "expire"])
    def test_a_crash_at_any_statement_of_a_lease_leaves_nothing(
        self, store: Store, pass_time: PassTime, name: str
    ) -> None:
        scene = away(store)
        lease = scene.lease()
        if name == "expire":
            pass_time(LEASE_S)
        acts: dict[str, Callable[[], object]] = {
            "lease": lambda: store.lease_trial("another"),
            "expire": lambda: store.expire_trials(scene.job_id),
        }
        act = acts.get(name, lambda: WRITES[name](store, lease))
        assert crash_everywhere(store, act) >= 3

    def test_many_workers_train_each_trial_once_whatever_befalls_them(
        self, store: Store, url: str, pass_time: PassTime
    ) -> None:
        scenes = [away(store, n_seeds=4), away(store, n_seeds=4)]
        stores = [open_store(url) for _ in range(3)]
        accepted: Counter[str] = Counter()
        lock = threading.Lock()
        is_planned = threading.Event()

        def work(number: int) -> None:
            own, chance = stores[number % 3], random.Random(number)
            idle = 0
            while idle < 20:
                lease = own.lease_trial(f"worker {number}")
                if lease is None:
                    if is_planned.is_set():
                        pass_time(LEASE_S / 3)  # those that vanished are missed at last
                        idle += 1
                    continue
                fate = chance.random()
                if fate < 0.2:
                    continue  # it vanishes
                if fate < 0.3:
                    pass_time(LEASE_S)  # it is too late, unless nobody noticed
                elif fate < 0.4:
                    with suppress(LeaseLostError):
                        own.give_back_trial(lease.token)
                    continue
                for _ in range(2):  # as when the answer is lost
                    try:
                        own.complete_trial(lease.token, success(lease.request.network))
                    except LeaseLostError:
                        continue
                    with lock:
                        accepted[lease.trial_id] += 1

        def plan_more() -> None:
            for scene in scenes:
                for seed in range(3):
                    wanted = requests(*NETWORKS, seeds=seed + 1, purpose=Purpose.CONFIRMATION)
                    plan(stores[0], scene.claim, wanted)
                    stores[0].renew(scene.claim)
                    stores[0].expire_trials(scene.job_id)
            is_planned.set()

        at_once(6, lambda number: plan_more() if number == 0 else work(number))
        for opened in stores:
            opened.close()
        for scene in scenes:
            trials = store.trials(scene.job_id)
            history = store.events(scene.job_id, limit=5000)
            assert {trial.state for trial in trials} <= {TrialState.SUCCEEDED, TrialState.FAILED}
            for trial in trials:
                assert (accepted[trial.id] > 0) == (trial.state is TrialState.SUCCEEDED)
                assert accepted[trial.id] <= 2
                kinds = [event.kind for event in history if event.data.get("trial") == trial.id]
                assert kinds[::2] == ["trial_started"] * (len(kinds) // 2), "held by two at a time"
                assert "trial_started" not in kinds[1::2]
                assert kinds.count("trial_succeeded") == (trial.state is TrialState.SUCCEEDED)
            scene.check_charges()
