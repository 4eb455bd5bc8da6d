"""What of a job is not training: dispatcher, database, Ray, planning; start-up; steady memory.

    python benchmarks/runtime.py                 # 263 networks of digits-8, exhaustive, one seed
    python benchmarks/runtime.py --seeds 2       # 526 trainings: memory at training 50 and at the end

The dispatcher runs in this process on a SQLite file of its own, with a private Ray, as `grouping
dispatcher` does. Training time is the sum of the seconds of all trainings over the number of workers; the
share beside it is the wall time from the first start of a training to the end of the job less that.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from _machine import describe_machine

from grouping.domain.jobs.job import Job
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.trainings.recipes import BuiltInParameters
from grouping.domain.trainings.trials import TrialState
from grouping.problems.registry import get_problem
from grouping.store import Store, migrate, open_store
from grouping_workers.dispatch.dispatcher import Dispatcher
from grouping_workers.settings import RaySettings

POLL_S = 0.2
EARLY = 50
"""Trainings after which memory is read for the first time."""


def submit(store: Store, n_seeds: int, epochs: int | None) -> Job:
    """The job that is measured: every network of digits-8, nothing confirmed."""
    problem = get_problem("digits-8")
    recipe = problem.recipe if epochs is None else replace(problem.recipe, epochs=epochs)
    names = tuple(task.name for task in problem.tasks)
    spec = JobSpec(
        "digits-8",
        names,
        trainer_parameters=BuiltInParameters(recipe).as_mapping(),
        strategy="exhaustive",
        max_group_size=len(names),
        n_seeds=n_seeds,
        n_confirmation_seeds=0,
    )
    return store.create_job(spec, problem.tasks)[0]


def resident_mib() -> dict[str, float]:
    """Resident memory of the processes of jobs and of their actors, MiB, by what they are."""
    parents: dict[int, int] = {}
    found: dict[int, tuple[str, float]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            pages = int((folder / "statm").read_text().split()[1])
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        number = int(folder.name)
        parents[number] = parent
        if "ray::TrainingActor" in command:
            found[number] = (f"actor {number}", pages * 4096 / 2**20)
        elif "spawn_main" in command:
            found[number] = (f"process {number}", pages * 4096 / 2**20)
    return {name: size for number, (name, size) in found.items() if _is_below(number, os.getpid(), parents)}


def _is_below(number: int, top: int, parents: dict[int, int]) -> bool:
    while number != top and number in parents:
        number = parents[number]
    return number == top


class Watch:
    """Follows a job from a thread: when things happened, and how much memory was in use."""

    def __init__(self, url: str, job_id: str) -> None:
        self._store, self._job_id = open_store(url), job_id
        self.early: dict[str, float] = {}
        self.late: dict[str, float] = {}

    def run(self, dispatcher: Dispatcher) -> None:
        """Until the job is final, then end the dispatcher."""
        while not (job := self._store.get_job(self._job_id)).state.is_final:
            n_done = len(self._store.trials(self._job_id, states={TrialState.SUCCEEDED}))
            if n_done >= EARLY:
                memory = resident_mib()
                self.early = self.early or memory
                self.late = memory or self.late
            time.sleep(POLL_S)
        if job.error:
            print(f"The job failed: {job.error}")
        dispatcher.request_stop()


def report(store: Store, job: Job, n_workers: int) -> None:
    """Print the shares of the wall time."""
    job = store.get_job(job.id)
    events = store.events(job.id, limit=5000)
    at = {event.kind: event.at_s for event in reversed(events)}
    trials = [trial for trial in store.trials(job.id) if trial.state is TrialState.SUCCEEDED]
    others = [trial for trial in store.trials(job.id) if trial.state is not TrialState.SUCCEEDED]
    if others:
        print(f"{len(others)} did not succeed, such as: {others[0].state}, {others[0].error}")
    first = min(trial.started_s for trial in trials if trial.started_s is not None)
    last = job.finished_s or first
    trained = sum(trial.seconds for trial in trials) / n_workers
    wall = last - first
    print(f"{len(trials)} trainings on {n_workers} workers, {sum(t.epochs for t in trials)} epochs")
    print(f"claim to first start {first - at['job_claimed']:.2f} s")
    print(f"first start to end {wall:.2f} s, trained {trained:.2f} s per worker")
    print(f"not training {wall - trained:.2f} s: {100 * (wall - trained) / wall:.1f} % of it")


def main() -> None:
    """Run the job and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=None)
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="grouping-runtime-") as folder:
        url = f"sqlite:///{folder}/grouping.db"
        migrate(url)
        store = open_store(url)
        job = submit(store, arguments.seeds, arguments.epochs)
        settings = RaySettings(n_workers=arguments.workers, checkpoints=Path(folder) / "c")
        dispatcher = Dispatcher(store, url, settings)
        watch = Watch(url, job.id)
        follower = threading.Thread(target=watch.run, args=(dispatcher,))
        follower.start()
        started = time.perf_counter()
        dispatcher.run()
        print(f"dispatcher up for {time.perf_counter() - started:.1f} s, start and end of Ray included")
        follower.join()
        report(store, job, arguments.workers)
        print("resident MiB, early:", {k: round(v) for k, v in watch.early.items()})
        print("resident MiB, late: ", {k: round(v) for k, v in watch.late.items()})


if __name__ == "__main__":
    main()
