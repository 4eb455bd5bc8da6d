"""Memory of a job on a large data set: all processes of the node, shared pages counted once.

    python benchmarks/large_data.py              # 1 GB on two workers, beside the same job on 1 MB
    python benchmarks/large_data.py --gb 4 --workers 3

A dispatcher runs in this process with a private Ray, as `grouping dispatcher` does, and a problem of random
inputs is installed for it. What is measured is the sum over all its processes of the proportional set size
(``/proc/*/smaps_rollup`` and ``smaps``) of anonymous and shared memory and of the file that holds the
inputs, the median and the most of all looks at it, by phase; code of libraries is left out, since any other
Python on the machine has it too; memory of the same job on hardly any data is what the processes need by
themselves. The private part (anonymous memory) stands beside it: it is what cannot be dropped when memory
is short, so a data set may be as much larger than the memory as the rest is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from _machine import describe_machine

from grouping.domain.jobs.job import Job
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import BuiltInParameters
from grouping.domain.trainings.trials import TrialState
from grouping.store import migrate, open_store
from grouping_workers.dispatch.dispatcher import Dispatcher
from grouping_workers.settings import RaySettings

N_FEATURES = 1024
N_TASKS = 4
POLL_S = 0.5
TASKS = tuple(Task.regression(f"t{n}") for n in range(N_TASKS))
PLUG_IN = f"""
import numpy as np
from grouping import Dataset, Problem, Recipe, Task

TASKS = tuple(Task.regression(f"t{{n}}") for n in range({N_TASKS}))


def problem(n_rows):
    def load(seed):
        generator = np.random.default_rng(seed)
        inputs = np.empty((n_rows, {N_FEATURES}), np.float32)
        for start in range(0, n_rows, 4096):
            generator.standard_normal(out=inputs[start : start + 4096], dtype=np.float32)
        targets = {{task.name: inputs[:, n : n + 1] * inputs[:, 9:10] for n, task in enumerate(TASKS)}}
        return Dataset(inputs, targets, *np.split(np.arange(n_rows), [n_rows * 8 // 10, n_rows * 9 // 10]))

    recipe = Recipe(hidden=(32, 32), epochs=2, batch_size=256)
    return Problem(f"noise-{{n_rows}}", "Noise", "", TASKS, load, recipe)
"""


@dataclass
class Memory:
    """What was seen in a phase, MB: all that counts, the anonymous part, and that of the workers alone."""

    seen: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def most(self) -> tuple[float, float, float]:
        """The most of each."""
        total, anonymous, workers = (max(values) for values in zip(*self.seen, strict=True))
        return total, anonymous, workers

    @property
    def median(self) -> float:
        """Median of all that counts.

        Processes are looked at one after another: while pages are read for the first time, those that a
        process had by itself are counted whole there, and in part again in the next.
        """
        return statistics.median(total for total, _, _ in self.seen)


def install(folder: Path, sizes: list[int]) -> None:
    """Install problems of these numbers of rows, for this process and those that it starts."""
    lines = [f"p{n} = large_data_plug_in:p{n}" for n in sizes]
    code = PLUG_IN + "".join(f"\n\ndef p{n}():\n    return problem({n})\n" for n in sizes)
    (folder / "large_data_plug_in.py").write_text(code)
    info = folder / "large_data_plug_in-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: large-data-plug-in\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(["[mtl_grouping.problems]", *lines, ""]))
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))


def memory_mb() -> tuple[float, float, float]:
    """Proportional and anonymous memory of this process and all below it, and anonymous of the actors."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    pss = anonymous = workers = 0.0
    for number in parents:
        above = number
        while above != os.getpid() and above in parents:
            above = parents[above]
        if above != os.getpid():
            continue
        try:
            text = Path(f"/proc/{number}/smaps_rollup").read_text()
            command = Path(f"/proc/{number}/cmdline").read_bytes()
        except OSError:
            continue
        numbers = {line.split()[0]: float(line.split()[1]) for line in text.splitlines()[1:]}
        pss += (numbers["Pss_Anon:"] + numbers["Pss_Shmem:"]) * 1.024e-3 + data_mb(number)
        anonymous += numbers["Pss_Anon:"] * 1.024e-3
        workers += numbers["Pss_Anon:"] * 1.024e-3 * (b"TrainingActor" in command)
    return pss, anonymous, workers


def data_mb(number: int) -> float:
    """Proportional memory of the unnamed files that a process maps."""
    found, is_data = 0.0, False
    try:
        for line in Path(f"/proc/{number}/smaps").read_text().splitlines():
            first = line.split(maxsplit=1)[0]
            if not first.endswith(":"):
                is_data = line.endswith("(deleted)") and "/dev/shm" not in line
            elif is_data and first == "Pss:":
                found += float(line.split()[1]) * 1.024e-3
    except OSError:
        pass
    return found


def watch(url: str, job_id: str, dispatcher: Dispatcher, memory: dict[str, Memory]) -> None:
    """Look at the memory until the job is final: while its data are loaded, and while it trains."""
    store = open_store(url)
    while not (job := store.get_job(job_id)).state.is_final:
        states = {TrialState.RUNNING, TrialState.SUCCEEDED}
        phase = "training" if store.trials(job_id, states=states) else "loading"
        memory[phase].seen.append(memory_mb())
        time.sleep(POLL_S)
    if job.error:
        print(f"The job failed: {job.error}")
    dispatcher.request_stop()


def run(n_rows: int, n_workers: int) -> tuple[dict[str, Memory], Job, float]:
    """Carry out a job of every task alone; return memory, job and seconds."""
    from grouping.problems.registry import get_problem

    folder = tempfile.mkdtemp(prefix="grouping-large-")
    url = f"sqlite:///{folder}/grouping.db"
    migrate(url)
    store = open_store(url)
    recipe = get_problem(f"noise-{n_rows}").recipe
    spec = JobSpec(
        f"noise-{n_rows}",
        tuple(task.name for task in TASKS),
        trainer_parameters=BuiltInParameters(recipe).as_mapping(),
        strategy="all-alone",
        n_seeds=2,
        n_confirmation_seeds=0,
    )
    job = store.create_job(spec, TASKS)[0]
    dispatcher = Dispatcher(store, url, RaySettings(n_workers=n_workers, checkpoints=Path(folder) / "c"))
    memory = {"loading": Memory(), "training": Memory()}
    follower = threading.Thread(target=watch, args=(url, job.id, dispatcher, memory))
    follower.start()
    started = time.perf_counter()
    dispatcher.run()
    follower.join()
    return memory, store.get_job(job.id), time.perf_counter() - started


def main() -> None:
    """Run both jobs and print the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gb", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    print(describe_machine())
    large = round(arguments.gb * 1e9 / (4 * N_FEATURES))
    with tempfile.TemporaryDirectory(prefix="grouping-large-") as folder:
        install(Path(folder), [2_560, large])
        before: dict[str, Memory] = {}
        for n_rows in (2_560, large):
            memory, job, seconds = run(n_rows, arguments.workers)
            size = n_rows * N_FEATURES * 4e-6
            print(f"{size:.0f} MB, {arguments.workers} workers: {job.state} after {seconds:.0f} s")
            for phase, found in memory.items():
                total, anonymous, workers = found.most
                print(
                    f"  {phase}: median {found.median:.0f} MB, at most {total:.0f} MB, anonymous at most "
                    f"{anonymous:.0f} MB (workers {workers:.0f} MB)"
                )
                if before:
                    more = (found.median - before[phase].median) / size
                    most = (total - before[phase].most[0]) / size
                    print(f"    more than without, by the data: median {more:.2f}, at most {most:.2f}")
            before = memory


if __name__ == "__main__":
    main()
