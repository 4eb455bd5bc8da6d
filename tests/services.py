"""Real processes for tests: dispatchers and whole services, found and ended by process id."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grouping.cli.processes import LIFELINE
from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialState
from grouping.problems.registry import get_problem
from grouping.store import Store
from tests.patience import slowness, wait_for
from tests.recipes import by


def small_spec(
    *,
    tasks: tuple[str, ...] = ("digit", "loop", "edges"),
    epochs: int = 3,
    strategy: str = "exhaustive",
    budgets_snt: tuple[float, ...] = (1.0, 2.0),
    n_seeds: int = 2,
    n_confirmation_seeds: int = 2,
    tuning_samples: int = 0,
    **more: object,
) -> JobSpec:
    """A job on the digits that trains in seconds."""
    return JobSpec(
        "digits",
        tasks,
        trainer_parameters=by(Recipe(epochs=epochs), tuning_samples),
        strategy=strategy,
        budgets_snt=budgets_snt,
        n_seeds=n_seeds,
        n_confirmation_seeds=n_confirmation_seeds,
        **more,  # type: ignore[arg-type]
    )


def submit(store: Store, spec: JobSpec) -> Job:
    """Store a job as the API does."""
    tasks = tuple(task for task in get_problem(spec.problem).tasks if task.name in spec.tasks)
    return store.create_job(spec, tasks)[0]


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_final(store: Store, job: Job) -> Job:
    """Wait for a job to end and return it."""
    wait_for(lambda: store.get_job(job.id).state.is_final, f"the end of job {job.id}", 420.0)
    return store.get_job(job.id)


def wait_for_trials(store: Store, job: Job, n: int) -> None:
    """Wait until so many trials have succeeded."""
    wait_for(
        lambda: len(store.trials(job.id, states={TrialState.SUCCEEDED})) >= n, f"{n} finished trials", 120.0
    )


class Process:
    """A process of the command line, with its output in a file."""

    def __init__(self, arguments: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "grouping.cli", *arguments],
                stdin=subprocess.PIPE,  # closes with the tests, however they end, and ends the process
                stdout=output,
                stderr=output,
                env={**os.environ, LIFELINE: "1", **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.popen.kill()
        self.reap()

    def stop(self) -> int:
        """End it with SIGTERM and return its exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(40 * slowness())
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self.reap()

    def reap(self) -> int:
        """Wait for its end, and return its exit status."""
        status = self.popen.wait()
        if self.popen.stdin is not None:
            self.popen.stdin.close()
        return status


@contextmanager
def dispatcher(
    url: str, log: Path, *options: str, workers: int = 2, lease_s: float = 60.0
) -> Iterator[Process]:
    """A dispatcher with a Ray of its own on a database.

    A lease runs out by the clock however busy the machine is, so it is short only where another dispatcher
    is to take the job over.
    """
    named = {"--database-url": url, "--workers": str(workers), "--lease-s": f"{lease_s:g}"}
    named["--home"] = str(log.parent / "home")
    process = Process(["dispatcher", *(word for pair in named.items() for word in pair), *options], log)
    try:
        yield process
    finally:
        process.stop()


def moments_of_kills() -> random.Random:
    """Draws what is killed when; other moments with another number in ``GROUPING_KILLS_SEED``."""
    return random.Random(int(os.environ.get("GROUPING_KILLS_SEED", "0")))


def descendants(pid: int) -> dict[int, str]:
    """Command lines of all processes below a process, by process id."""
    parents, commands = _processes()
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    found: dict[int, str] = {}
    queue = [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found[child] = commands[child]
            queue.append(child)
    return found


def guarded_by(pid: int) -> dict[int, str]:
    """What a process trains by commands, by process id: all below its guards, which are nobody's children."""
    guards = {guard for guard, line in _processes()[1].items() if f"guard.py {pid} " in line}
    return {child: line for guard in guards for child, line in descendants(guard).items()}


def _processes() -> tuple[dict[int, int], dict[int, str]]:
    """The parent and the command line of every process."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
        commands[int(folder.name)] = command
    return parents, commands


def find_descendant(pid: int, needle: str) -> int | None:
    """A process below `pid` whose command line holds `needle`."""
    return next((child for child, command in sorted(descendants(pid).items()) if needle in command), None)


def kill_descendant(pid: int, needle: str) -> None:
    """Wait for a process below `pid` whose command line holds `needle`, and kill it with SIGKILL."""
    wait_for(lambda: find_descendant(pid, needle) is not None, f"a process with {needle!r}")
    found = find_descendant(pid, needle)
    assert found is not None
    os.kill(found, signal.SIGKILL)


def kill_alone(process: Process) -> None:
    """Kill a dispatcher with SIGKILL, and wait for the end of its driver and of Ray's workers."""
    below = {pid: command for pid, command in descendants(process.pid).items() if "Agent" not in command}
    process.kill()
    wait_for(
        lambda: not any(_runs(pid, command) for pid, command in below.items()),
        "the end of the driver and of Ray's workers",
    )


def _runs(pid: int, command: str) -> bool:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return raw.replace(b"\0", b" ").decode(errors="replace").strip() == command != ""


def assert_same_result(store: Store, one: Job, other: Job) -> None:
    """Compare every trial and score of two jobs, cell by cell, and the grouping that follows."""
    results = []
    for job in (one, other):
        trials = store.trials(job.id)
        assert all(trial.state is TrialState.SUCCEEDED for trial in trials)
        results.append({(t.network, t.purpose, t.seed, t.fidelity): t.scores for t in trials})
    assert results[0] == results[1]
    assert store.get_job(one.id).state is store.get_job(other.id).state is JobState.SUCCEEDED


class Service:
    """A whole service started by `grouping serve`: API, dispatcher, Ray, SQLite."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url


@contextmanager
def service(
    folder: Path, *, workers: int = 2, environment: dict[str, str] | None = None
) -> Iterator[Service]:
    """Serve on a free port with the database in a folder, until the end of the block."""
    arguments = ["serve", "--port", "0", "--home", str(folder), "--workers", str(workers)]
    process = Process(arguments, folder / "serve.log", environment)
    try:
        wait_for(lambda: "Serving on" in process.output() or process.popen.poll() is not None, "the service")
        assert process.popen.poll() is None, process.output()
        url = process.output().partition("Serving on ")[2].split()[0]
        yield Service(process, url)
    finally:
        process.stop()
