"""Whatever is killed in the middle of a job, the job ends with the scores of an undisturbed run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.domain.jobs import Job, JobState
from grouping.domain.trials import TrialState
from grouping.errors import StoreUnavailableError
from grouping.store import Store, open_store
from tests.services import (
    assert_same_result,
    descendants,
    dispatcher,
    kill_descendant,
    small_spec,
    submit,
    wait_for,
    wait_for_trials,
    wait_until_final,
)
from workers.stacks import FIRST_STACK
from workers.training_queue import PREFETCH

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SPEC = small_spec(epochs=40)
WORKERS = 2
STACK = FIRST_STACK
"""The most trials that are trained together here, and so lost with one worker."""
IN_FLIGHT = STACK * (WORKERS + PREFETCH)
"""Trials that may be lost with the driver: a stack per worker, and one that waits there."""


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[tuple[Store, Job]]:
    """A finished job that nothing disturbed, in a database of its own."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = folder / "grouping.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{path}")
    job = submit(store, SPEC)
    with dispatcher(f"sqlite:///{path}", folder / "log"):
        assert wait_until_final(store, job).state is JobState.SUCCEEDED
    yield store, job
    store.close()


def assert_undamaged(store: Store, job: Job, undisturbed: tuple[Store, Job], *, may_lose: int) -> None:
    """The scores are those of the undisturbed job, and no more than `may_lose` trainings were repeated."""
    reference, reference_job = undisturbed
    expected = {
        (t.network, t.purpose, t.seed, t.fidelity): t.scores for t in reference.trials(reference_job.id)
    }
    trials = store.trials(job.id)
    assert {(t.network, t.purpose, t.seed, t.fidelity): t.scores for t in trials} == expected
    assert store.get_job(job.id).state is JobState.SUCCEEDED
    assert sum(t.attempts for t in trials) - len(trials) <= may_lose
    numbers = [event.number for event in store.events(job.id, limit=10_000)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_same_seed_gives_the_same_table_again(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log", workers=1):
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=0)


def test_a_killed_ray_worker_costs_only_its_own_stack(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log") as process:
        for n in (2, 8):
            wait_for_trials(store, job, n)
            kill_descendant(process.pid, "ray::TrainingActor")
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=2 * STACK)
    lost = [event for event in store.events(job.id, limit=10_000) if event.kind == "trial_lost"]
    assert lost, "the loss is told"


@pytest.mark.parametrize("needle", ["spawn_main", "raylet/raylet", "gcs_server"])
def test_a_killed_ray_driver_or_cluster_is_started_again(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job], needle: str
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log") as process:
        wait_for_trials(store, job, 3)
        kill_descendant(process.pid, needle)
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=2 * IN_FLIGHT)


def test_a_killed_dispatcher_is_followed_by_another_that_goes_on(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log") as first:
        wait_for_trials(store, job, 3)
        below = descendants(first.pid)
        first.kill()
    wait_for(
        lambda: not any(_runs(pid, command) for pid, command in below.items() if "Agent" not in command),
        "the end of the driver and of Ray's workers",
    )
    with dispatcher(sqlite_url, tmp_path / "log"):
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=IN_FLIGHT)


def _runs(pid: int, command: str) -> bool:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return raw.replace(b"\0", b" ").decode(errors="replace").strip() == command != ""


def _stop_outside_a_write(pid: int, store: Store) -> None:
    """Stop a process where it does not hold the lock of the file, which nobody could take from it."""
    for _ in range(10):
        os.kill(pid, signal.SIGSTOP)
        try:
            store.check_writable()
        except StoreUnavailableError:
            os.kill(pid, signal.SIGCONT)
        else:
            return
    raise AssertionError("It was in the middle of a write each time.")


def test_a_dispatcher_stopped_past_its_lease_writes_nothing_more(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "one") as first:
        wait_for_trials(store, job, 2)
        _stop_outside_a_write(first.pid, store)
        with dispatcher(sqlite_url, tmp_path / "two"):
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
    with dispatcher(sqlite_url, tmp_path / "log"):
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=0)


def test_a_cancelled_job_ends_and_resumes_from_its_scores(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log") as process:
        wait_for_trials(store, job, 3)
        store.request_cancel(job.id)
        wait_for(lambda: store.get_job(job.id).state is JobState.CANCELLED, "the cancellation", 10.0)
        wait_for(lambda: not any("ray::" in c for c in descendants(process.pid).values()), "Ray's end", 10.0)
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
        for job in jobs:
            wait_until_final(store, job)
    for job in jobs:
        assert_undamaged(store, job, undisturbed, may_lose=0)
    assert_same_result(store, *jobs)
