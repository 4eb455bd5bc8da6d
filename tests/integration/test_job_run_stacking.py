"""A job on a worker that cannot train networks together as usual: a scripted one, since none is at hand."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from grouping.domain.arithmetic import Stacking
from grouping.domain.engines import Engine
from grouping.domain.jobs import JobState
from grouping.domain.networks import MeasuredNetwork
from grouping.domain.trials import TaskScore, TrialOutcome, TrialRequest, TrialState
from grouping.store import open_store
from grouping.trainers import Prepared
from grouping_workers.dispatch.driver_process import DriverProcess
from grouping_workers.dispatch.job_run import JobRun
from grouping_workers.messages import Answer, Order, Prepare, Ready, Train, Trained
from grouping_workers.settings import DriverSettings
from tests.services import small_spec, submit

SPEC = small_spec(tasks=("digit", "loop"), n_seeds=3, n_confirmation_seeds=0, budgets_snt=(1.0,))


class ScriptedDriver(DriverProcess):
    """Answers at once, and trains nothing."""

    def __init__(self, stacking: Stacking, versions: list[dict[str, str]]) -> None:
        super().__init__(DriverSettings(engine=Engine.STACKED))
        self._stacking, self._versions = stacking, versions
        self._answers: deque[Answer] = deque()

    def send(self, order: Order) -> None:
        if isinstance(order, Prepare):
            measured = tuple(MeasuredNetwork(network, 100, (8,)) for network in order.networks)
            self._answers.append(Ready(Prepared("0f"), measured, 1, self._versions[0]))
        elif isinstance(order, Train):
            outcomes = {trial: outcome_of(request) for trial, request in order.requests.items()}
            trained_with = self._versions[order.number % len(self._versions)]
            remarks = {"company_limited": self._stacking.reason}
            self._answers.append(Trained(order.number, outcomes, trained_with, remarks))

    def receive(self, timeout_s: float) -> Answer | None:
        return self._answers.popleft() if self._answers else None


def outcome_of(request: TrialRequest) -> TrialOutcome:
    scores = tuple(TaskScore(task, 0.5, 0.5, 0.5, 0.5) for task in sorted(request.network.group))
    return TrialOutcome(TrialState.SUCCEEDED, scores, 3, 0.1)


def events_of(url: str, stacking: Stacking, versions: list[dict[str, str]]) -> dict[str, list[str]]:
    """Reasons of the events of a whole job, by kind."""
    store = open_store(url)
    job = submit(store, SPEC)
    claim = store.claim_job("test", lease_s=60)
    assert claim is not None
    JobRun(store, claim, ScriptedDriver(stacking, versions), threading.Event()).run()
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
