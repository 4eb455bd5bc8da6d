"""Processes of a service on PostgreSQL that are killed, stopped or cut off at random moments."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from grouping.domain.jobs.job import Job
from grouping.store import migrate
from tests.conftest import PostgresServer
from tests.faults.effort import KILLS, STOPPED_S, STORMS, WHOLE
from tests.faults.laws import assert_as_undisturbed
from tests.faults.scene import ANYWHERE, LEASE_S, ON_RAY, Scene, scene
from tests.services import descendants, moments_of_kills

pytestmark = pytest.mark.slow

MOST_PER_JOB = 3
"""Kills during one job: five deaths of its process in a row without any progress fail it, as they should."""


@dataclass(frozen=True)
class Site:
    """A service, its PostgreSQL, and a job that nothing disturbed."""

    scene: Scene
    server: PostgresServer
    reference: Job

    def job(self, key: str) -> Job:
        """Submit the job that is disturbed."""
        return self.scene.submit(ON_RAY if self.scene.with_ray else ANYWHERE, key)

    def end(self, job: Job) -> None:
        """Wait for the end of a job, and hold it to the laws."""
        self.scene.wait(job)
        assert_as_undisturbed(self.scene.store, job, self.reference)

    def kill(self, target: str) -> None:
        """Kill something: the database, one of its connections, or a process of the service."""
        if target == "postgres":
            self.server.crash()
            self.server.start_again()
        elif target == "backend":
            lines = descendants(self.server.process_id)
            for pid in [pid for pid, line in lines.items() if "127.0.0.1" in line][:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        else:
            self.scene.kill(target)


@contextlib.contextmanager
def site(folder: Path, *names: str, with_ray: bool = False) -> Iterator[Site]:
    """A service on a PostgreSQL server of its own."""
    with tempfile.TemporaryDirectory(prefix="grouping-postgres-") as data:
        server = PostgresServer(Path(data))
        try:
            with server.new_database() as name:
                migrate(server.url(name))
                with scene(folder, server.url(name), *names, with_ray=with_ray) as found:
                    trained = ON_RAY if with_ray else ANYWHERE
                    reference = found.wait(found.submit(trained, "undisturbed"))
                    assert_as_undisturbed(found.store, reference, reference)
                    yield Site(found, server, reference)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two dispatchers; a worker anywhere trains."""
    with site(tmp_path_factory.mktemp("kills"), "api", "dispatcher", "dispatcher-2", "worker") as found:
        yield found


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A dispatcher with a Ray of its own."""
    with site(tmp_path_factory.mktemp("kills"), "api", "dispatcher", with_ray=True) as found:
        yield found


def kill_at_random(found: Site, target: str) -> None:
    """Kill a target again and again at random moments of jobs, until it was killed often enough."""
    draw, killed = moments_of_kills(), 0
    while killed < KILLS:
        job = found.job(f"{target} {killed}".replace(" ", "-").replace("/", "-"))
        for _ in range(min(MOST_PER_JOB, KILLS - killed)):
            time.sleep(draw.uniform(0.1, 2.0))
            found.kill(target)
            killed += 1
        found.end(job)


@pytest.mark.parametrize("target", ["api", "dispatcher", "spawn_main", "worker", "backend", "postgres"])
def test_a_job_ends_as_undisturbed_whatever_is_killed_when(anywhere: Site, target: str) -> None:
    kill_at_random(anywhere, target)


@pytest.mark.skipif(not WHOLE, reason="takes hours; `make faults` runs it, and test_workers_faults.py a part")
@pytest.mark.parametrize("target", ["ray::TrainingActor", "raylet/raylet", "gcs_server", "spawn_main"])
def test_a_job_on_ray_ends_as_undisturbed_whatever_is_killed_when(on_ray: Site, target: str) -> None:
    kill_at_random(on_ray, target)


def test_a_job_ends_as_undisturbed_after_storms(anywhere: Site) -> None:
    """All of it is killed within a second or two, in any order."""
    draw = moments_of_kills()
    for n in range(STORMS):
        job = anywhere.job(f"storm-{n}")
        time.sleep(draw.uniform(0.1, 3.0))
        targets = ["api", "dispatcher", "dispatcher-2", "spawn_main", "worker", "backend", "postgres"]
        draw.shuffle(targets)
        for target in targets:
            anywhere.kill(target)
            time.sleep(draw.uniform(0.0, 0.3))
        anywhere.end(job)


@pytest.mark.parametrize("name", ["dispatcher", "api", "worker"])
def test_a_process_that_was_stopped_past_its_lease_does_no_harm(anywhere: Site, name: str) -> None:
    """SIGSTOP, and SIGCONT when others have long gone on."""
    draw = moments_of_kills()
    job = anywhere.job(f"stopped-{name}")
    time.sleep(draw.uniform(0.5, 2.0))
    stopped = anywhere.scene.processes[name].pid
    os.kill(stopped, signal.SIGSTOP)
    try:
        time.sleep(LEASE_S + 2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGCONT)
    anywhere.end(job)


def test_a_job_outlives_a_database_that_is_away_for_a_while(anywhere: Site) -> None:
    draw = moments_of_kills()
    job = anywhere.job("away")
    time.sleep(draw.uniform(0.5, 2.0))
    anywhere.server.crash()
    time.sleep(STOPPED_S)
    anywhere.server.start_again()
    anywhere.end(job)


def test_many_jobs_at_once_end_as_undisturbed_while_two_dispatchers_are_killed(anywhere: Site) -> None:
    draw = moments_of_kills()
    jobs = [anywhere.job(f"many-{n}") for n in range(4)]
    kills: list[Callable[[], object]] = [
        lambda: anywhere.kill("dispatcher"),
        lambda: anywhere.kill("dispatcher-2"),
    ]
    for kill in kills * (5 if WHOLE else 1):
        time.sleep(draw.uniform(0.5, 2.0))
        kill()
    for job in jobs:
        anywhere.end(job)
