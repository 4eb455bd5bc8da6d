"""A job trained by a command, while database, dispatcher, job process and worker are killed in some order."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.task_definitions import TaskDefinition
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TrialState
from grouping.errors import StoreUnavailableError
from grouping.store import Store, migrate, open_store
from tests.conftest import PostgresServer
from tests.patience import wait_for
from tests.services import Process, descendants, dispatcher, find_descendant, moments_of_kills

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "c")
TASKS = tuple(TaskDefinition(name, scale=1.0) for name in NAMES)
TRAIN = """
import json, os, pathlib, subprocess, sys
tasks = json.loads(os.environ["GROUPING_TASKS_JSON"])
size, seed = float(os.environ["GROUPING_SIZE"]), int(os.environ["GROUPING_SEED"])
# The work is done by a process of its own, as in scripts that start others.
subprocess.run([sys.executable, "-c", "import time; time.sleep(1)", "work of " + sys.argv[1]], check=True)
loss = 0.5 - 0.05 * len(tasks) + 0.1 * (1 - size) + 0.001 * seed
result = {"validation": {task: loss + 0.01 * ord(task) for task in tasks}, "epochs": 1}
pathlib.Path(os.environ["GROUPING_OUT"], "result.json").write_text(json.dumps(result))
"""
SPEC = JobSpec(
    "",
    NAMES,
    strategy="exhaustive",
    trainer="mine",
    budgets_snt=(2.0,),
    n_seeds=1,
    n_confirmation_seeds=2,
    definitions=TASKS,
)


def loss_of(task: str, network: Network, seed: int) -> float:
    """What an undisturbed training of the command gives, without any noise."""
    loss = 0.5 - 0.05 * len(network.group) + 0.1 * (1 - network.size) + 0.001 * seed
    return loss + 0.01 * ord(task)


class Scene:
    """A job, its PostgreSQL, and the dispatcher that works on it; all of them can be killed."""

    def __init__(self, folder: Path, server: PostgresServer, store: Store, url: str) -> None:
        self.folder, self.server, self.store, self.url = folder, server, store, url
        script = folder / "train.py"
        script.write_text(TRAIN)
        self.mark = f"work of {folder}"
        command = f"[{sys.executable!r}, {str(script)!r}, {str(folder)!r}]"
        (folder / "trainers.toml").write_text(f"[trainers.mine]\ncommand = {command}\n")
        self.job: Job = store.create_job(SPEC, tuple(task.task() for task in TASKS))[0]
        self.open = contextlib.ExitStack()
        self.process = self.start()

    def start(self) -> Process:
        trainers = str(self.folder / "trainers.toml")
        log = self.folder / "dispatcher.log"
        return self.open.enter_context(
            dispatcher(self.url, log, "--trainers", trainers, workers=2, lease_s=5)
        )

    def has_trained(self, n: int) -> bool:
        try:
            return len(self.store.trials(self.job.id, states={TrialState.SUCCEEDED})) >= n
        except StoreUnavailableError:  # the database is down, or was
            return False

    def works(self) -> list[int]:
        """Processes that train now, wherever they hang in the tree of processes."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and self.mark in (entry / "cmdline").read_bytes().decode():
                    found.append(int(entry.name))
        return found

    # --- kills

    def kill_dispatcher(self) -> None:
        orphans = self.works()
        self.process.kill()
        gone = "the end of what it trained"
        wait_for(lambda: not set(orphans) & set(self.works()), gone, 10.0)
        self.process = self.start()

    def kill_below(self, needle: str) -> None:
        wait_for(lambda: find_descendant(self.process.pid, needle) is not None, f"a process {needle}", 120)
        found = find_descendant(self.process.pid, needle)
        if found is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(found, signal.SIGKILL)

    def kill_backend(self) -> None:
        """A connection of the dispatcher or the job dies; the server then ends all of them, and recovers."""
        backends = [pid for pid, line in descendants(self.server.process_id).items() if "127.0.0.1" in line]
        for backend in backends[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(backend, signal.SIGKILL)

    def kill_database(self) -> None:
        self.server.crash()
        self.server.start_again()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="grouping-postgres-") as folder:
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def scene(own_server: PostgresServer, tmp_path: Path) -> Iterator[Scene]:
    with own_server.new_database() as name:
        url = own_server.url(name)
        migrate(url)
        store = open_store(url)
        found = Scene(tmp_path, own_server, store, url)
        with found.open:
            yield found
        store.close()


def test_whatever_is_killed_a_job_trained_by_a_command_ends_as_an_undisturbed_one(scene: Scene) -> None:
    kills: list[Callable[[], None]] = [
        scene.kill_backend,
        scene.kill_database,
        scene.kill_dispatcher,
        partial(scene.kill_below, "spawn_main"),
        partial(scene.kill_below, "ray::TrainingActor"),
    ]
    moments = moments_of_kills()
    moments.shuffle(kills)
    for n, kill in enumerate(kills, 1):
        wait_for(partial(scene.has_trained, 2 * n), f"{2 * n} trainings", 240)
        time.sleep(moments.uniform(0, 1))  # somewhere within a training
        kill()
    wait_for(lambda: has_ended(scene), "the end of the job", 420)
    job, trials = scene.store.get_job(scene.job.id), scene.store.trials(scene.job.id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}
    for trial in trials:
        told = {score.task: score.validation_loss for score in trial.scores}
        assert told == {
            task: pytest.approx(loss_of(task, trial.network, trial.seed), abs=1e-12)
            for task in trial.network.group
        }
    events = scene.store.events(job.id, limit=5000)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    succeeded = Counter(event.data["trial"] for event in events if event.kind == "trial_succeeded")
    assert set(succeeded.values()) == {1}, "nothing finished is trained twice"
    assert scene.store.ledger(job.id).trainings == sum(trial.attempts for trial in trials)
    wait_for(lambda: not scene.works(), "the end of all trainings", 10.0)


def has_ended(scene: Scene) -> bool:
    try:
        return scene.store.get_job(scene.job.id).state.is_final
    except StoreUnavailableError:
        return False
