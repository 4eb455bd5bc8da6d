"""A stand-in for the process of a job whose trainings are done elsewhere: it plans, and starts nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from grouping.domain.jobs.job import Job, JobState, StopReason
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.trainings.trials import TrialState
from grouping.search import networks_to_measure
from grouping.store import Claim, Store
from grouping.trainers import LocalPool, trainer_of
from grouping_workers.job.planner import planner_of

OPEN = (TrialState.PLANNED, TrialState.RUNNING)


@contextmanager
def planned_by_stand_in(store: Store) -> Iterator[Job]:
    """Claim the only queued job, and plan it by a thread until it ends, or the block does."""
    claim = store.claim_job("stand-in", lease_s=600)
    assert claim is not None
    begin(store, claim)
    stop = threading.Event()
    thread = threading.Thread(target=_plan, args=(store, claim, stop))
    thread.start()
    try:
        yield store.get_job(claim.job.id)
    finally:
        stop.set()
        thread.join()


def begin(store: Store, claim: Claim) -> None:
    """Prepare a job, up to where its trials are planned."""
    trainer = trainer_of(claim.job)
    networks = networks_to_measure(SearchTerms.of_job(claim.job.spec))
    measured = trainer.measure(networks, LocalPool())
    store.enter_state(claim, JobState.PREPARING)
    store.add_networks(claim, [network for network in measured if network is not None])
    fingerprint = trainer.prepare(LocalPool()).fingerprint
    store.record_preparation(claim, data_digest=fingerprint, versions={})
    store.enter_state(claim, JobState.RUNNING)


def _plan(store: Store, claim: Claim, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        job = store.get_job(claim.job.id)
        if store.renew(claim):
            store.enter_state(claim, JobState.CANCELLED)
            return
        store.expire_trials(job.id)
        if not store.trials(job.id, states=OPEN, limit=1) and not plan_step(store, replace(claim, job=job)):
            store.enter_state(claim, JobState.SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE)
            return


def plan_step(store: Store, claim: Claim) -> bool:
    """Add the next trials; return False when there are none."""
    trainer = trainer_of(claim.job)
    plan = planner_of(store, claim.job).next_plan()
    if not plan.requests:
        return False
    networks = [request.network for request in plan.requests]
    measured = trainer.measure(networks, LocalPool())
    store.add_networks(claim, [network for network in measured if network is not None])
    store.enter_state(claim, plan.state)
    epochs = [trainer.trainings.epochs_of(len(r.network.group), r.fidelity) for r in plan.requests]
    return store.plan_trials(claim, plan.requests, planned_epochs=epochs) > 0
