"""Time that leasing over HTTP adds to a training: what a worker waits for `ask` and `tell`.

    python benchmarks/http_overhead.py [--seeds N]

One worker with the typed client asks, trains in no time, and tells, until the job has ended. API and planner
are processes of their own, on a new SQLite file. The same search is then gone through with
`grouping.Search` in this process; what the median of a training takes longer over HTTP is the overhead.
Printed beside it is the processor time of worker and API, which a busy machine changes less.
A few trainings wait for the planner: the first, and those after a step. They stand in the last percent.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from _machine import describe_machine
from workers_at_scale import api, plan, processor_s, undisturbed_search

from grouping.client import Client
from grouping.domain.jobs.job import JobState
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialRequest, TrialState
from grouping.store import migrate, open_store

REQUEST: Mapping[str, Any] = {
    "tasks": [{"name": f"task{n}", "scale": 1.0} for n in range(6)],
    "strategy": {"name": "exhaustive"},
    "budgets_snt": [2, 4],
    "max_group_size": 3,
    "n_confirmation_seeds": 3,
    "trainer": {"name": "external", "parameters": {"data": "none"}},
}


def losses_of(request: TrialRequest) -> dict[str, float]:
    """Losses that follow from the network and the seed."""
    return {
        task: 0.5 - 0.01 * len(request.network.group) + 0.001 * request.seed for task in request.network.group
    }


def over_http(url: str, n_seeds: int) -> tuple[str, list[float], tuple[float, float]]:
    """A job, the seconds that a worker waited for each training, and processor time of worker and API."""
    waits = []
    with api(url) as (port, api_pid), Client(f"http://127.0.0.1:{port}") as client:
        job = client.submit(**REQUEST, n_seeds=n_seeds)
        planner = multiprocessing.get_context("spawn").Process(target=plan, args=(url,))
        planner.start()
        before = time.process_time(), processor_s(api_pid)
        while True:
            started = time.perf_counter()
            lease = job.ask("worker")
            if lease is None:
                break
            scores = tuple(TaskScore(task, loss) for task, loss in losses_of(lease.request).items())
            job.tell(lease, TrialOutcome(TrialState.SUCCEEDED, scores, 1, 0.0))
            waits.append(time.perf_counter() - started)
        used = time.process_time() - before[0], processor_s(api_pid) - before[1]
        planner.join()
        assert job.refresh().state is JobState.SUCCEEDED
    return job.id, waits, used


def in_process(url: str, job_id: str) -> list[float]:
    """Seconds that the same search takes for each training in this process."""
    store = open_store(url)
    search = undisturbed_search(store.get_job(job_id))
    store.close()
    waits: list[float] = []
    while True:
        started = time.perf_counter()
        asked = search.ask(1)
        if not asked:
            return waits
        search.tell(asked[0], losses_of(asked[0]))
        waits.append(time.perf_counter() - started)


def main() -> None:
    """Print both, and what is between them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    print(f"{describe_machine()}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="grouping-overhead-") as folder:
        url = f"sqlite:///{folder}/grouping.db"
        migrate(url)
        job_id, waits, used = over_http(url, asked.seeds)
        alone = in_process(url, job_id)
    assert len(waits) == len(alone)
    print(f"{len(waits)} trainings; milliseconds of a training: median, 90th and 99th percent")
    for name, values in (("over HTTP", waits), ("in process", alone)):
        print(f"  {name:10}  " + "  ".join(f"{1000 * v:7.1f}" for v in np.percentile(values, [50, 90, 99])))
    worker_ms, api_ms = (1000 * seconds / len(waits) for seconds in used)
    print(f"processor time of a training: {worker_ms:.1f} ms of the worker, {api_ms:.1f} ms of the API")
    print(f"added, median: {1000 * (np.median(waits) - np.median(alone)):.1f} ms")


if __name__ == "__main__":
    main()
