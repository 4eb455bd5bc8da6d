"""A job on a worker that cannot train networks together as usual: a scripted one, since none is at hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grouping.domain.arithmetic import Stacking
from grouping.domain.jobs import JobState
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.trials import TaskScore, TrialOutcome, TrialRequest, TrialState
from grouping.store import open_store
from grouping.trainers import Prepared, Trainer
from grouping_workers.job.control import Control
from grouping_workers.job.executor import Lost, Order, Ready, Report, Trained
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

    def submit(self, order: Order) -> None:
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


class LosingExecutor(ScriptedExecutor):
    """Loses its worker whenever one network is among what it trains."""

    def __init__(self, fatal: str, most: int) -> None:
        super().__init__(Stacking.FULL, [{"blas": "a"}])
        self._fatal, self._most = fatal, most
        self.orders: list[list[str]] = []

    def submit(self, order: Order) -> None:
        names = [f"{sorted(r.network.group)}@{r.network.size:g}/{r.seed}" for r in order.requests.values()]
        self.orders.append(names)
        if self._fatal in names and self._most:
            self._most -= 1
            self._answers.append(Lost(order.number, "out of memory"))
        else:
            super().submit(order)


FATAL = "['digit']@1/0"


def losing(url: str, most: int) -> tuple[JobState, list[list[str]], list[tuple[TrialState, int]]]:
    """State of a job, its orders, and state and attempts of each trial in the order of the plan."""
    store = open_store(url)
    job = submit(store, SPEC)
    claim = store.claim_job("test", lease_s=60)
    assert claim is not None
    executor = LosingExecutor(FATAL, most)
    JobRun(store, claim, executor, Control()).run()
    trials = [(trial.state, trial.attempts) for trial in store.trials(job.id)]
    state = store.get_job(job.id).state
    store.close()
    return state, executor.orders, trials


def test_an_innocent_training_lives_through_more_losses_of_its_worker_than_it_may_fail(
    sqlite_url: str,
) -> None:
    state, _, trials = losing(sqlite_url, most=2 * Trainer.max_attempts - 1)
    assert state is JobState.SUCCEEDED
    assert {state for state, _ in trials} == {TrialState.SUCCEEDED}


def test_what_was_lost_together_is_tried_alone_and_only_the_cause_is_given_up(sqlite_url: str) -> None:
    state, orders, trials = losing(sqlite_url, most=1000)
    first = next(names for names in orders if FATAL in names)
    assert len(first) > 1, "it was lost with others"
    again = [names for names in orders if set(names) & set(first)][1:]
    assert all(len(names) == 1 for names in again)
    assert state is JobState.SUCCEEDED
    failed = [attempts for state, attempts in trials if state is TrialState.FAILED]
    assert failed == [2 * Trainer.max_attempts]
    assert all(attempts <= 2 for state, attempts in trials if state is TrialState.SUCCEEDED)
