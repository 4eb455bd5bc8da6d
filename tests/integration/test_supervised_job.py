"""A job and its process: whatever ends the process, what it had in training is planned again, and once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from grouping.domain.jobs.job import JobState
from grouping.domain.trainings.faults import PROVEN_S
from grouping.domain.trainings.trials import TrialState
from grouping.errors import StaleLeaseError, StoreUnavailableError, WorkerLostError
from grouping.store import Claim, Store
from grouping_workers.dispatch import lease
from grouping_workers.dispatch.messages import Activity, Begin, Finished, Working
from grouping_workers.dispatch.supervised_job import MAX_DEATHS, SupervisedJob
from grouping_workers.settings import LIMITS_S
from tests.integration.conftest import Scenes
from tests.patience import wait_for

DIES = WorkerLostError("The process of the job ended unexpectedly (signal 9).")


class Script:
    """A process that says what it is told to; an error is its death."""

    def __init__(self, *messages: object) -> None:
        self._messages = list(messages)
        self.sent: list[object] = []
        self.is_ended = False

    def receive(self) -> Any:
        message = self._messages.pop(0) if self._messages else None
        if isinstance(message, WorkerLostError):
            raise message
        return message

    def send(self, message: object) -> None:
        self.sent.append(message)

    def stop(self, *, at_once: bool = False) -> None:
        self.is_ended = True


class Supervised:
    """A claimed job with a training under way, and the processes that were started for it."""

    def __init__(self, store: Store, claim: Claim, *scripts: Script) -> None:
        self.store, self.claim = store, claim
        self.scripts = list(scripts)
        self.started: list[Script] = []
        self.ray_trouble = ""
        start: Any = self._start
        self.job = SupervisedJob(store, claim, start, LIMITS_S, lambda: self.ray_trouble)

    def _start(self) -> Script:
        self.started.append(self.scripts.pop(0))
        return self.started[-1]

    def run(self, n_steps: int = 20) -> bool:
        """Look after it so many times, without the pauses; return whether it still needs that."""
        for _ in range(n_steps):
            self.job._not_before = 0.0
            if not self.job.step():
                return False
        return True

    def events(self, kind: str) -> int:
        """Number of events of a kind."""
        return sum(event.kind == kind for event in self.store.events(self.claim.job.id, limit=500))


@pytest.fixture
def supervised(store: Store, scenes: Scenes) -> Iterator[Any]:
    made: list[Supervised] = []

    def make(*scripts: Script) -> Supervised:
        job = scenes.running()
        claim = scenes.claims[job.id]
        (trial, *_) = store.trials(job.id, states={TrialState.PLANNED})
        store.start_trials(claim, [trial.id])
        made.append(Supervised(store, claim, *scripts))
        return made[-1]

    yield make
    for one in made:
        one.job.close()


def running(store: Store, one: Supervised) -> int:
    return len(store.trials(one.claim.job.id, states={TrialState.RUNNING}))


def test_what_a_dead_process_had_in_training_is_planned_again_and_another_goes_on(
    store: Store, supervised: Any
) -> None:
    one = supervised(Script(Working(Activity.WAITING), DIES), Script(Working(Activity.WAITING)))
    assert one.run()
    assert running(store, one) == 0
    assert (one.events("trial_lost"), one.events("job_interrupted")) == (1, 1)
    assert [type(script.sent[0]) for script in one.started] == [Begin, Begin]


def test_a_database_that_does_not_answer_then_is_asked_again(
    store: Store, supervised: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = supervised(Script(DIES), Script(Working(Activity.WAITING)))
    real, refusals = Store.requeue_trials, [StoreUnavailableError("away")] * 3

    def away(self: Store, *arguments: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return real(self, *arguments)

    monkeypatch.setattr(Store, "requeue_trials", away)
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            one.run()
        assert len(one.started) == 1, "nothing goes on before it is known what is to be trained"
    assert one.run()
    assert running(store, one) == 0
    assert (one.events("trial_lost"), one.events("job_interrupted")) == (1, 1)


def test_deaths_without_a_result_in_between_fail_the_job_and_those_with_one_do_not(
    store: Store, supervised: Any
) -> None:
    one = supervised(
        *(Script(DIES) for _ in range(MAX_DEATHS - 1)),
        Script(Working(Activity.WAITING, has_outcomes=True), DIES),
        *(Script(DIES) for _ in range(MAX_DEATHS - 1)),
    )
    assert not one.run(100)
    job = store.get_job(one.claim.job.id)
    assert job.state is JobState.FAILED
    assert f"ended {MAX_DEATHS} times in a row" in (job.error or "")
    assert "signal 9" in (job.error or "")
    assert len(one.started) == 2 * MAX_DEATHS - 1


def test_deaths_of_a_process_that_has_trained_for_a_while_do_not_add_up(
    store: Store, supervised: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, n = time.monotonic(), 2 * MAX_DEATHS
    clock = SimpleNamespace(monotonic=lambda: now_s)
    monkeypatch.setattr("grouping_workers.dispatch.supervised_job.time", clock)
    one = supervised(*(Script(Working(Activity.WAITING), DIES) for _ in range(n)))
    for _ in range(n):
        assert one.run(1)  # it begins
        now_s += PROVEN_S
        assert one.run(2)  # it dies, and what it had is planned again
    assert one.events("job_interrupted") == n
    assert not store.get_job(one.claim.job.id).state.is_final


@pytest.mark.parametrize("activity", LIMITS_S)
def test_what_hangs_in_any_activity_is_ended_counted_and_begun_anew(
    store: Store, supervised: Any, monkeypatch: pytest.MonkeyPatch, activity: Activity
) -> None:
    now_s = time.monotonic()
    clock = SimpleNamespace(monotonic=lambda: now_s)
    monkeypatch.setattr("grouping_workers.dispatch.supervised_job.time", clock)
    one = supervised(Script(Working(activity)), Script())
    assert one.run(3)
    now_s += LIMITS_S[activity] - 1
    assert one.run(3)
    assert (len(one.started), one.started[0].is_ended) == (1, False), "not before its time"
    now_s += 2
    assert one.run(3)
    assert one.started[0].is_ended
    assert (len(one.started), one.events("job_interrupted"), running(store, one)) == (2, 1, 0)


def test_a_process_that_lost_the_database_goes_on_without_counting_as_dead(
    store: Store, supervised: Any
) -> None:
    one = supervised(*(Script(Finished(is_unavailable=True)) for _ in range(MAX_DEATHS + 2)), Script())
    assert one.run(60)
    assert running(store, one) == 0
    assert one.events("job_interrupted") == 0
    assert not store.get_job(one.claim.job.id).state.is_final


def test_the_process_of_a_job_that_has_ended_is_kept_for_the_next_one(store: Store, supervised: Any) -> None:
    one = supervised(Script(Working(Activity.WAITING)))
    assert one.run(3)
    store.enter_state(one.claim, JobState.FAILED, error="as the process says")
    one.job._lease._lost = None
    one.started[0]._messages = [None, Finished()]
    assert not one.run()
    assert not one.started[0].is_ended


def test_a_job_waits_for_a_ray_that_cannot_be_reached_and_its_history_says_so_once(
    store: Store, supervised: Any
) -> None:
    one = supervised(Script(DIES), Script())
    one.ray_trouble = "No Ray cluster answers at head:6379."
    assert one.run()
    assert (one.started, one.events("ray_unreachable"), one.events("job_interrupted")) == ([], 1, 0)
    one.ray_trouble = ""
    one.run(2)
    assert len(one.started) == 1
    one.ray_trouble = "No Ray cluster answers at head:6379."
    assert one.run()
    assert (len(one.started), one.events("ray_unreachable")) == (1, 2)
    store.request_cancel(one.claim.job.id)
    assert not one.run()
    assert store.get_job(one.claim.job.id).state is JobState.CANCELLED


def test_a_dispatcher_that_does_not_look_after_a_job_loses_it_though_its_threads_live(
    store: Store, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HUNG_S", -1.0)
    held = replace(scenes.claims[scenes.running().id], lease_s=0.5)
    store.renew(held)
    with lease.LeaseKeeper(store, held) as keeper:
        wait_for(lambda: store.claim_job("another") is not None, "the claim of another dispatcher")
        monkeypatch.setattr(lease, "HUNG_S", 3600.0)
        wait_for(lambda: _finds_itself_fenced_off(keeper), "the first one noticing")


def _finds_itself_fenced_off(keeper: lease.LeaseKeeper) -> bool:
    keeper.beat()
    try:
        keeper.check()
    except StaleLeaseError:
        return True
    return False
