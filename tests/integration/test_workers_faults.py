"""Whatever of Ray is killed in the middle of a job, the job ends with the scores of an undisturbed run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.domain.jobs.job import Job
from grouping.store import Store, open_store
from tests.services import Process, dispatcher, kill_descendant, submit, wait_for_trials, wait_until_final
from tests.undisturbed import IN_FLIGHT, SPEC, STACK, assert_undamaged

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[tuple[Store, Process]]:
    """A database and the dispatcher that works on it; its Ray is started again after each death."""
    folder = tmp_path_factory.mktemp("faults")
    shutil.copy(sqlite_template, folder / "grouping.db")
    url = f"sqlite:///{folder / 'grouping.db'}"
    store = open_store(url)
    with pytest.MonkeyPatch.context() as patch:
        # Ray looks for its dead control service for a minute before it gives up, unless it is told otherwise.
        patch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "15")
        with dispatcher(url, folder / "log") as process:
            yield store, process
    store.close()


def test_the_same_seed_gives_the_same_table_again(
    store: Store, sqlite_url: str, tmp_path: Path, undisturbed: tuple[Store, Job]
) -> None:
    job = submit(store, SPEC)
    with dispatcher(sqlite_url, tmp_path / "log", workers=1):
        wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=0)


def test_a_killed_ray_worker_costs_only_its_own_stack(
    running: tuple[Store, Process], undisturbed: tuple[Store, Job]
) -> None:
    store, process = running
    job = submit(store, SPEC)
    for n in (2, 8):
        wait_for_trials(store, job, n)
        kill_descendant(process.pid, "ray::TrainingActor")
    wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=2 * STACK)
    assert_loss_is_told(store, job)


@pytest.mark.parametrize("needle", ["spawn_main", "raylet/raylet", "gcs_server"])
def test_a_killed_ray_driver_or_cluster_is_started_again(
    running: tuple[Store, Process], undisturbed: tuple[Store, Job], needle: str
) -> None:
    store, process = running
    job = submit(store, SPEC)
    wait_for_trials(store, job, 3)
    kill_descendant(process.pid, needle)
    wait_until_final(store, job)
    assert_undamaged(store, job, undisturbed, may_lose=2 * IN_FLIGHT)
    if needle == "spawn_main":  # workers may go on for a while without the others, even to the end of the job
        assert_loss_is_told(store, job)


def assert_loss_is_told(store: Store, job: Job) -> None:
    """Something was in training when it was killed, and the history of the job says so."""
    assert any(event.kind == "trial_lost" for event in store.events(job.id, limit=10_000))
