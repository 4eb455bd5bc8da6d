"""A service of real processes that die, stop or find no room, and are started again as by an operator."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from grouping.domain.jobs.job import Job
from grouping.errors import StoreUnavailableError
from grouping.store import Store, open_store
from tests.faults.laws import assert_nothing_left
from tests.patience import wait_for
from tests.services import Process, descendants, free_port

INJECTED = Path(__file__).parent / "injected"
LEASE_S = 3
TASKS = ("digit", "loop", "edges")
REQUEST: dict[str, Any] = {
    "problem": "digits",
    "tasks": list(TASKS),
    "strategy": {"name": "exhaustive", "parameters": {}},
    "budgets_snt": [2],
    "n_seeds": 1,
    "n_confirmation_seeds": 1,
}
ANYWHERE = {"trainer": {"name": "external", "parameters": {"data": "v1", "lease_s": LEASE_S}}}
"""Trained by a worker that asks for its trainings."""
ON_RAY = {"trainer": {"name": "built-in", "parameters": {"recipe": {"epochs": 2}}}}
"""Trained by the built-in trainer on the actors of the dispatcher's own Ray."""
TRAIN = """
import json, os, pathlib
tasks = json.loads(os.environ["GROUPING_TASKS_JSON"])
size, seed = float(os.environ["GROUPING_SIZE"]), int(os.environ["GROUPING_SEED"])
loss = 0.5 - 0.05 * len(tasks) + 0.1 * (1 - size) + 0.001 * seed
result = {"validation": {task: loss + 0.01 * len(task) for task in tasks}, "epochs": 1}
pathlib.Path(os.environ["GROUPING_OUT"], "result.json").write_text(json.dumps(result))
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is passed the so-many-th time, before or after what it does.

    Attributes:
        label: as in ``injected/sitecustomize.py``, with ``before`` or ``after``.
        number: counts from 1 over all processes of a job.
    """

    label: str
    number: int

    def __str__(self) -> str:
        return f"{self.label}#{self.number}"


@dataclass(frozen=True)
class Scene:
    """A database and the processes that work on it; what dies is started again within a second.

    Attributes:
        folder: of everything that they write.
        database_url: the database.
        store: the same, as the test reads it.
        with_ray: whether dispatchers have a Ray of their own; else only workers anywhere train.
        port: of the API.
        names: what is started: an API, and dispatchers and workers whose names begin so.
        processes: by name.
    """

    folder: Path
    database_url: str
    store: Store
    with_ray: bool = False
    port: int = field(default_factory=free_port)
    names: tuple[str, ...] = ()
    processes: dict[str, Process] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def faults(self) -> Path:
        """Folder in which steps are counted and armed."""
        return self.folder / "faults"

    # --- processes

    def arguments(self, name: str) -> list[str]:
        """The command line of a process."""
        database = ["--database-url", self.database_url, "--home", str(self.folder / "home")]
        if name == "api":
            return ["api", "--port", str(self.port), *database]
        if name.startswith("dispatcher"):
            ray = [] if self.with_ray else ["--ray-address", "127.0.0.1:1"]
            return ["dispatcher", *database, "--lease-s", str(LEASE_S), "--workers", "1", *ray]
        script = str(self.folder / "train.py")
        return ["worker", "--server", self.url, "--", sys.executable, "-I", "-S", script]

    def start(self, name: str) -> None:
        """Start a process, or start it again."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        environment = {
            "FAULTS_FOLDER": str(self.faults),
            "FAULTS_DISK": str(self.folder / "disk"),
            "PYTHONPATH": str(INJECTED),
            "TMPDIR": str(temporary),
            # Ray would look for its dead control service for a minute before it gives up.
            "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
        }
        log = self.folder / f"{name}.log"
        self.processes[name] = Process(self.arguments(name), log, environment)

    def look_after(self) -> None:
        """Start again what died; runs until the scene ends."""
        while not self._ended.wait(0.1):
            for name, process in list(self.processes.items()):
                if process.popen.poll() is not None and not self._ended.is_set():
                    process.reap()
                    self.start(name)

    def end(self) -> None:
        """End every process as an operator does."""
        self._ended.set()
        for name in reversed(self.names):
            if name in self.processes:
                self.processes[name].stop()

    def pids(self) -> dict[int, str]:
        """Every process of the scene, by its id."""
        found = {process.pid: name for name, process in self.processes.items()}
        for process in list(self.processes.values()):
            found |= descendants(process.pid)
        return found

    def kill(self, needle: str) -> bool:
        """Kill one process with SIGKILL: a name of `processes`, or a part of a command line below them."""
        if needle in self.processes:
            pids = [self.processes[needle].pid]
        else:
            pids = sorted(pid for pid, line in self.pids().items() if needle in line)
        for pid in pids[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pids)

    # --- steps

    def arm(self, action: str = "", *steps: Step) -> None:
        """Count from nothing, and make trouble at steps of the next job: ``kill``, ``stop`` or ``fill``."""
        for marks in (self.faults / "fired", self.faults / "passed"):
            for mark in marks.iterdir():
                mark.unlink()
        lines = [f"{action} {step.label} {step.number}" for step in steps]
        written = self.faults / "armed.new"
        written.write_text("\n".join(lines))
        written.replace(self.faults / "armed")

    def passed(self) -> dict[str, int]:
        """How often each step was passed since `arm`."""
        return {path.name: path.stat().st_size for path in sorted((self.faults / "passed").iterdir())}

    def fired(self) -> dict[str, int]:
        """The process that passed each of the armed steps, of those that were."""
        marks = {path.name: path.read_text() for path in (self.faults / "fired").iterdir()}
        return {step: int(pid) for step, pid in marks.items() if pid}

    # --- jobs

    def submit(
        self, trained: Mapping[str, Any], key: str, *, while_waiting: Callable[[], None] = lambda: None
    ) -> Job:
        """Submit a job over HTTP, again and again with the same key, as a client does that got no answer."""
        answer: list[str] = []

        def accepted() -> bool:
            while_waiting()
            try:
                said = httpx.post(
                    f"{self.url}/v1/jobs",
                    json={**REQUEST, **trained},
                    headers={"Idempotency-Key": key},
                    timeout=20,
                )
            except httpx.TransportError:
                time.sleep(0.2)
                return False
            if said.status_code in (429, 503):
                return False
            assert said.is_success, said.text
            answer.append(said.json()["id"])
            return True

        wait_for(accepted, "the API takes a job", 120)
        return self.store.get_job(answer[0])

    def wait(self, job: Job, while_waiting: Callable[[], None] = lambda: None) -> Job:
        """Wait for the end of a job."""

        def has_ended() -> bool:
            while_waiting()
            try:
                return self.store.get_job(job.id).state.is_at_rest
            except StoreUnavailableError:  # the database is down, or full
                return False

        wait_for(has_ended, f"the end of job {job.id}", 240)
        return self.store.get_job(job.id)


@contextlib.contextmanager
def scene(folder: Path, database_url: str, *names: str, with_ray: bool = False) -> Iterator[Scene]:
    """A service until the end of the block; see `Scene`. At the end nothing of it may be left."""
    for marks in ("passed", "fired"):
        (folder / "faults" / marks).mkdir(parents=True)
    (folder / "train.py").write_text(TRAIN)
    found = Scene(folder, database_url, open_store(database_url), with_ray, names=names)
    watcher = threading.Thread(target=found.look_after, daemon=True)
    try:
        for name in names:
            found.start(name)
        watcher.start()
        yield found
    finally:
        found._ended.set()
        watcher.join()
        found.end()
        found.store.close()
    assert_nothing_left(folder)
