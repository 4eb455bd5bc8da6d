"""A job on a worker that cannot train networks together as usual: a scripted one, since none is at hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.trainings.arithmetic import Stacking
from grouping.domain.trainings.faults import (
    LEAST_LIMIT_S,
    MAX_LOSSES_IN_A_ROW,
    QUARANTINE_AFTER,
    Fault,
    LossCause,
)
from grouping.domain.trainings.trials import TaskScore, Trial, TrialOutcome, TrialRequest, TrialState
from grouping.errors import TrainingError
from grouping.store import open_store
from grouping.trainers import Prepared, Trainer
from grouping_workers.job import training_queue
from grouping_workers.job.control import Control
from grouping_workers.job.executor import Lost, Ready, Report, Trained, TrainingOrder
from grouping_workers.job.job_run import JobRun
from tests.services import small_spec, submit

SPEC = small_spec(tasks=("digit", "loop"), n_seeds=3, n_confirmation_seeds=0, budgets_snt=(1.0,))


class ScriptedExecutor:
    """Answers at once, and trains nothing."""

    size = 1

    def __init__(self, stacking: Stacking, versions: list[dict[str, str]]) -> None:
        self._stacking, self._versions = stacking, versions
        self._answers: list[Trained | Lost] = []

    def prepare(self, trainer: Trainer, networks: Sequence[Network]) -> Ready:
        return Ready(Prepared("0f"), self.measure(networks), self._versions[0])

    def measure(self, networks: Sequence[Network]) -> tuple[MeasuredNetwork | None, ...]:
        return tuple(MeasuredNetwork(network, 100, (8,)) for network in networks)

    def submit(self, order: TrainingOrder) -> None:
        outcomes = {trial: outcome_of(request) for trial, request in order.requests.items()}
        trained_with = self._versions[order.number % len(self._versions)]
        remarks = {"company_limited": self._stacking.reason}
        self._answers.append(Trained(order.number, outcomes, trained_with, remarks))

    def collect(self, timeout_s: float) -> list[Trained | Lost]:
        answers, self._answers = self._answers, []
        return answers

    def reports(self) -> list[Report]:
        return []

    def end_job(self) -> None:
        self._answers.clear()


def outcome_of(request: TrialRequest) -> TrialOutcome:
    scores = tuple(TaskScore(task, 0.5, 0.5, 0.5, 0.5) for task in sorted(request.network.group))
    return TrialOutcome(TrialState.SUCCEEDED, scores, 3, 0.1)


def events_of(url: str, stacking: Stacking, versions: list[dict[str, str]]) -> dict[str, list[str]]:
    """Reasons of the events of a whole job, by kind."""
    store = open_store(url)
    job = submit(store, SPEC)
    claim = store.claim_job("test", lease_s=60)
    assert claim is not None
    JobRun(store, claim, ScriptedExecutor(stacking, versions), Control()).run()
    assert store.get_job(job.id).state is JobState.SUCCEEDED
    assert store.get_job(job.id).versions == versions[0]
    found: dict[str, list[str]] = {}
    for event in store.events(job.id, limit=500):
        found.setdefault(event.kind, []).append(str(event.data.get("reason")))
    store.close()
    return found


@pytest.mark.parametrize("stacking", Stacking)
def test_a_job_says_once_where_networks_are_not_trained_together_as_usual(
    sqlite_url: str, stacking: Stacking
) -> None:
    found = events_of(sqlite_url, stacking, [{"blas": "a"}])
    assert found.get("company_limited", []) == ([stacking.reason] if stacking.reason else [])
    assert bool(stacking.reason) == (stacking is not Stacking.FULL)
    assert "environment_differs" not in found


def test_each_difference_of_a_worker_is_told_once(sqlite_url: str) -> None:
    found = events_of(sqlite_url, Stacking.FULL, [{"blas": "a"}, {"blas": "b"}, {"blas": "c"}])
    told = [reason.rpartition("blas ")[2] for reason in found["environment_differs"]]
    assert told == ["a, here b", "a, here c"]


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_queue, "pause_s", lambda n: 0.0)


class LosingExecutor(ScriptedExecutor):
    """Loses its worker whenever one network is among what it trains."""

    def __init__(self, fatal: str, most: int, loss: LossCause = LossCause.WITH_WORKER) -> None:
        super().__init__(Stacking.FULL, [{"blas": "a"}])
        self._fatal, self._most, self._loss = fatal, most, loss
        self.orders: list[list[str]] = []
        self.alone: list[list[str]] = []
        self.limits_s: list[float | None] = []

    def submit(self, order: TrainingOrder) -> None:
        names = [f"{sorted(r.network.group)}@{r.network.size:g}/{r.seed}" for r in order.requests.values()]
        self.orders.append(names)
        self.limits_s.append(order.limit_s)
        if order.is_alone:
            self.alone.append(names)
            assert not self._answers, "nothing else is in training"
        if self._fatal in names and self._most:
            self._most -= 1
            self.lose(order)
        else:
            super().submit(order)

    def lose(self, order: TrainingOrder) -> None:
        """Lose its worker."""
        self._answers.append(Lost(order.number, "gone.", self._loss))


class ShortExecutor(LosingExecutor):
    """Has no memory left for one network, as the worker says itself, as often as that."""

    def lose(self, order: TrainingOrder) -> None:
        """Tell that memory ran out."""
        failed = TrialOutcome(TrialState.FAILED, error="full", fault=Fault.RESOURCES)
        self._answers.append(Trained(order.number, dict.fromkeys(order.requests, failed)))


FATAL = "['digit']@1/0"


LIMIT = QUARANTINE_AFTER + Trainer.max_attempts
"""Losses of its worker after which a training is given up."""


def losing(url: str, executor: LosingExecutor) -> tuple[Job, tuple[Trial, ...]]:
    """A job that was carried out, and its trials in the order of the plan."""
    store = open_store(url)
    job = submit(store, SPEC)
    claim = store.claim_job("test", lease_s=60)
    assert claim is not None
    JobRun(store, claim, executor, Control()).run()
    found = store.get_job(job.id), store.trials(job.id)
    store.close()
    return found


def test_an_innocent_training_lives_through_more_losses_of_its_worker_than_it_may_fail(
    sqlite_url: str,
) -> None:
    job, trials = losing(sqlite_url, LosingExecutor(FATAL, LIMIT - 1))
    assert (job.state, job.is_degraded) == (JobState.SUCCEEDED, False)
    assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}


def test_trainings_without_a_deadline_have_a_limit_once_it_is_known_how_long_they_take(
    sqlite_url: str,
) -> None:
    executor = LosingExecutor(FATAL, 0)
    losing(sqlite_url, executor)
    assert executor.limits_s[0] is None
    assert executor.limits_s[-1] == LEAST_LIMIT_S


def test_a_training_whose_machines_are_lost_is_trained_however_often_that_happens(sqlite_url: str) -> None:
    job, trials = losing(sqlite_url, LosingExecutor(FATAL, MAX_LOSSES_IN_A_ROW - 1, LossCause.WITH_ALL))
    assert (job.state, job.is_degraded) == (JobState.SUCCEEDED, False)
    assert max(trial.attempts for trial in trials) == MAX_LOSSES_IN_A_ROW


def test_a_job_that_loses_workers_and_trains_nothing_fails_with_the_reason_and_can_be_resumed(
    sqlite_url: str,
) -> None:
    store = open_store(sqlite_url)
    job = submit(store, SPEC)
    claim = store.claim_job("test", lease_s=60)
    assert claim is not None
    with pytest.raises(TrainingError, match=f"{MAX_LOSSES_IN_A_ROW} workers in a row were lost"):
        JobRun(store, claim, LosingExecutor(FATAL, 1000, LossCause.WITH_ALL), Control()).run()
    store.enter_state(claim, JobState.FAILED, error="so it was")  # as the process of the job does
    store.resume(job.id)
    claim = store.claim_job("test", lease_s=60)
    assert claim is not None
    JobRun(store, claim, LosingExecutor(FATAL, 0), Control()).run()
    assert store.get_job(job.id).state is JobState.SUCCEEDED
    assert {trial.state for trial in store.trials(job.id)} == {TrialState.SUCCEEDED}
    store.close()


def test_a_training_for_which_memory_runs_out_is_tried_once_more_and_alone(sqlite_url: str) -> None:
    executor = ShortExecutor("['digit', 'loop']@1/0", 1)
    job, trials = losing(sqlite_url, executor)
    assert executor.alone, "tried in quarantine"
    assert (job.state, job.is_degraded) == (JobState.SUCCEEDED, False)
    assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}


def test_a_training_for_which_memory_runs_out_when_alone_is_given_up_and_named(sqlite_url: str) -> None:
    fatal = "['digit', 'loop']@1/0"
    executor = ShortExecutor(fatal, 1000)
    job, trials = losing(sqlite_url, executor)
    assert executor.alone[-1] == [fatal]
    (failed,) = (trial for trial in trials if trial.state is TrialState.FAILED)
    assert failed.fault is Fault.RESOURCES
    assert job.state is JobState.SUCCEEDED
    assert [one.trial for one in job.missing.trainings] == [failed.id]


def test_what_was_lost_together_is_tried_alone_and_only_the_cause_is_given_up(sqlite_url: str) -> None:
    executor = LosingExecutor(FATAL, 1000)
    job, trials = losing(sqlite_url, executor)
    orders = executor.orders
    first = next(names for names in orders if FATAL in names)
    assert len(first) > 1, "it was lost with others"
    again = [names for names in orders if set(names) & set(first)][1:]
    assert all(len(names) == 1 for names in again)
    assert (job.state, job.missing.count) == (JobState.SUCCEEDED, 1)
    (failed,) = (trial for trial in trials if trial.state is TrialState.FAILED)
    assert (failed.attempts, failed.fault) == (LIMIT, Fault.USER)
    assert executor.alone == [[FATAL]] * Trainer.max_attempts
    assert orders[-1] == [FATAL], "suspects come last"
    assert all(trial.attempts <= 2 for trial in trials if trial is not failed)
