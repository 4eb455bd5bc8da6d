"""Dispatchers that are killed, stopped, asked to end or two at once: each job ends as if undisturbed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.trainings.trials import TrialState
from grouping.errors import StoreUnavailableError
from grouping.store import Store
from tests.patience import wait_for
from tests.services import (
    assert_same_result,
    dispatcher,
    find_descendant,
    kill_alone,
    submit,
    wait_for_trials,
    wait_until_final,
)
from tests.undisturbed import IN_FLIGHT, SPEC, assert_undamaged

pytestmark = pytest.mark.slow


def test_a_killed_dispatcher_is_followed_by_another_that_goes_on(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log", lease_s=4) as first:
        wait_for_trials(store, job, 3)
        kill_alone(first)
    with dispatcher(sqlite_url, tmp_path / "log", workers=1):
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=IN_FLIGHT)


def _stop_outside_a_write(pid: int, store: Store) -> None:
    """Stop a process where it does not hold the lock of the file, which nobody could take from it."""
    os.kill(pid, signal.SIGSTOP)
    while not _is_writable(store):
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: _is_writable(store), "the end of its write")
        os.kill(pid, signal.SIGSTOP)


def _is_writable(store: Store) -> bool:
    try:
        store.check_writable()
    except StoreUnavailableError:
        return False
    return True


def test_a_dispatcher_stopped_past_its_lease_writes_nothing_more(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "one", lease_s=4) as first:
        wait_for_trials(store, job, 2)
        _stop_outside_a_write(first.pid, store)
        with dispatcher(sqlite_url, tmp_path / "two", workers=1):
            wait_for(lambda: "claimed" in (tmp_path / "two").read_text(), "the second claim")
            os.kill(first.pid, signal.SIGCONT)
            wait_until_final(store, job)
            wait_for(lambda: "Lost the lease" in first.output(), "the first dispatcher noticing")
    assert_undamaged(store, job, undisturbed, may_lose=IN_FLIGHT)


def test_a_dispatcher_asked_to_end_gives_its_job_back_and_repeats_only_what_ran(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log") as process:
        wait_for_trials(store, job, 3)
        assert process.stop() == 0
    assert not store.get_job(job.id).state.is_final
    assert not store.trials(job.id, states={TrialState.RUNNING})
    with dispatcher(sqlite_url, tmp_path / "log", workers=1):
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=0)


def test_a_cancelled_job_ends_and_resumes_from_its_scores(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log") as process:
        wait_for_trials(store, job, 3)
        store.request_cancel(job.id)
        wait_for(lambda: store.get_job(job.id).state is JobState.CANCELLED, "the cancellation")
        wait_for(lambda: find_descendant(process.pid, "TrainingActor.train") is None, "the end of trainings")
        assert not store.trials(job.id, states={TrialState.RUNNING})
        finished = {t.id for t in store.trials(job.id, states={TrialState.SUCCEEDED})}
        store.resume(job.id)
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=IN_FLIGHT)
    started = [e.data["trial"] for e in store.events(job.id, limit=10_000) if e.kind == "trial_started"]
    repeated = {trial for trial in started if started.count(trial) > 1}
    assert finished
    assert not finished & repeated, "nothing finished is trained again"


def test_two_dispatchers_share_the_queue_and_never_a_job(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    jobs = [submit(store, SPEC) for _ in range(2)]
    log = tmp_path / "log"
    with dispatcher(sqlite_url, log, workers=1), dispatcher(sqlite_url, log, workers=1):
        wait_for(lambda: store.count_dispatchers() == 2, "both to be heard from")
        for job in jobs:
            wait_until_final(store, job)
    assert store.count_dispatchers() == 0, "they have said good-bye"
    for job in jobs:
        assert_undamaged(store, job, undisturbed, may_lose=0)
    assert_same_result(store, *jobs)
