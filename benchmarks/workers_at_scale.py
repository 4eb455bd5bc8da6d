"""How many simulated workers anywhere one service feeds; some trainings are lost, some told twice or late.

    python benchmarks/workers_at_scale.py [--workers N] [--seeds N] [--seconds S] [--lease-s S]
        [--faults SHARE] [--database URL]

One job of ten tasks and 395 networks; 25 seeds make it 10,000 trainings, the confirmation included. The
service is its real API and the planner of the job, each in a process of its own, on a database that is
made anew: a SQLite file, or the one at the URL, which must be empty. The workers are threads of one
further process. A training is a sleep of a log-normal duration (sigma 0.5) with a median of S seconds; 0
measures how many trainings the service can hand out and take back. Of the trainings, the share of faults
is lost at the first attempt (the worker is not heard from again), as many are told twice, and as many are
told after their lease is over, which is refused.

Printed: trainings per second, the share of the workers' time in which they trained, processor time per
training, and how long a worker waited for an answer. In the end the ledger, every cell of the table and
the recommendations are compared with those of a search that nothing disturbed.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import math
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _machine import describe_machine

from grouping.domain.access import Scope
from grouping.domain.jobs.job import Job, JobState
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.search import Search
from grouping.solver import Recommendation, recommend
from grouping.store import Store, migrate, open_store
from grouping.strategies import get_strategy
from grouping.use_cases.submit import request_of, submit
from grouping_workers.dispatch.lease import LeaseKeeper
from grouping_workers.job.control import Control
from grouping_workers.job.elsewhere import ElsewhereExecutor
from grouping_workers.job.job_run import JobRun

N_TASKS = 10
SPREAD = 0.5
"""Standard deviation of the logarithm of a duration."""
PATIENCE_S = 600.0
"""Seconds without any training recorded after which the benchmark gives up."""


def losses(request_key: str, tasks: Sequence[str], size: float) -> dict[str, float]:
    """Losses of a training: less in good company, more in a small network, a little by seed."""
    found = {}
    for task in tasks:
        company = sum(_draw(task, other) - 0.5 for other in tasks if other != task)
        found[task] = 0.5 + 0.05 * company + 0.1 * (1 - size) + 0.01 * _draw(request_key, task)
    return found


def _draw(*words: object) -> float:
    """Number in [0, 1) that follows from some words."""
    digest = hashlib.sha256(repr(words).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def key_of(tasks: Sequence[str], size: float, seed: int) -> str:
    """Words by which a training is known: its fate, its duration and its losses follow from them."""
    return f"{'+'.join(sorted(tasks))} {size:g} {seed}"


class Workers:
    """Workers as threads, in a process of their own."""

    def __init__(self, port: int, job_id: str, asked: argparse.Namespace) -> None:
        self._port, self._job_id, self._asked = port, job_id, asked
        self._lock = threading.Lock()
        self.waits: dict[str, list[float]] = {"lease": [], "complete": [], "heartbeat": []}
        self.counts = {"trained": 0, "lost": 0, "twice": 0, "late": 0, "lost by delay": 0, "told again": 0}
        self.busy_s = 0.0
        self.is_over = False

    def run(self) -> dict[str, Any]:
        threads = [threading.Thread(target=self._work, args=(n,)) for n in range(self._asked.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"waits": self.waits, "counts": self.counts, "busy_s": self.busy_s}

    def _work(self, number: int) -> None:
        line = _Line(self._port, self)
        body = {"worker": f"worker {number}", "job_ids": [self._job_id], "wait_s": 30}
        while not self.is_over:
            status, lease = line.post("lease", "/v1/leases", body)
            if status == 200:
                self._train(line, lease)
            elif status == 204:  # none in time, or the job has ended
                status, job = line.get(f"/v1/jobs/{self._job_id}")
                self.is_over |= status == 200 and JobState(job["state"]).is_final

    def _train(self, line: _Line, lease: Mapping[str, Any]) -> None:
        key = key_of(lease["tasks"], lease["size"], lease["seed"])
        fate = _draw("fate", key) / self._asked.faults if self._asked.faults and lease["attempt"] == 1 else 9
        seconds = self._asked.seconds * float(
            np.random.default_rng(int(2**48 * _draw("duration", key))).lognormal(0.0, SPREAD)
        )
        if fate < 1:
            self._count("lost")
            return
        path = f"/v1/leases/{lease['token']}"
        is_late = 1 <= fate < 2
        self._sleep(line, path, lease, seconds, is_late=is_late)
        result = {"validation": losses(key, lease["tasks"], lease["size"]), "epochs": 1, "seconds": seconds}
        status, told = line.post("complete", f"{path}/complete", result)
        if is_late:
            assert status == 409, (status, told)
            self._count("late")
            return
        if status == 409:
            assert told["code"] == "lease_lost", told
            self._count("lost by delay")
            return
        assert (status, told) == (200, {"state": "succeeded"}), (status, told)
        if 2 <= fate < 3:
            assert line.post("complete", f"{path}/complete", result) == (status, told)
            self._count("twice")
        self._count("trained", seconds)

    def _sleep(
        self, line: _Line, path: str, lease: Mapping[str, Any], seconds: float, *, is_late: bool
    ) -> None:
        if is_late:  # a machine that stood still: until long after somebody else trained it
            time.sleep(1.25 * lease["lease_s"] + 10)
            return
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            time.sleep(min(left_s, lease["lease_s"] / 3))
            if end > time.monotonic():
                status, _ = line.post("heartbeat", f"{path}/heartbeat", {})
                if status == 409:
                    return

    def _count(self, what: str, seconds: float = 0.0) -> None:
        with self._lock:
            self.counts[what] += 1
            self.busy_s += seconds


class _Line:
    """One worker's connection to the service; asks again when the service has no time."""

    def __init__(self, port: int, workers: Workers) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._workers = workers

    def post(self, what: str, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        return self._send("POST", path, json.dumps(body), what)

    def get(self, path: str) -> tuple[int, Any]:
        return self._send("GET", path, None, None)

    def _send(self, method: str, path: str, body: str | None, what: str | None) -> tuple[int, Any]:
        while True:
            started = time.perf_counter()
            try:
                self._connection.request(method, path, body, {"Content-Type": "application/json"})
                answer = self._connection.getresponse()
                text = answer.read()
            except (
                http.client.RemoteDisconnected
            ):  # the service closes connections that were silent for seconds
                self._connection.close()
                continue
            except (OSError, http.client.HTTPException):
                self._connection.close()
                status = 503
            else:
                status = answer.status
            if status < 500:
                if what is not None:
                    self._workers.waits[what].append(time.perf_counter() - started)
                return status, json.loads(text) if text else None
            with self._workers._lock:
                self._workers.counts["told again"] += 1
            time.sleep(1.0)


def work(port: int, job_id: str, asked: argparse.Namespace, results: multiprocessing.Queue[Any]) -> None:
    """The process of the workers."""
    threading.stack_size(256 * 1024)
    results.put(Workers(port, job_id, asked).run())


def plan(url: str) -> None:
    """The process of the job: what a dispatcher starts for it."""
    store = open_store(url)
    claim = store.claim_job("planner", lease_s=60)
    assert claim is not None
    with LeaseKeeper(store, claim):
        JobRun(store, claim, ElsewhereExecutor(), Control()).run()
    store.close()


@contextmanager
def api(url: str) -> Iterator[tuple[int, int]]:
    """The API as a process; gives its port and its process id."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "grouping.cli", "api", "--port", str(port), "--database-url", url]
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, "the API did not start"
                time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def processor_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def undisturbed_search(job: Job) -> Search:
    """The same search in this process, of which nothing is trained."""
    spec = job.spec
    tasks = tuple(task.task() for task in spec.definitions)
    return Search(
        get_strategy(spec.strategy),
        tasks,
        spec.candidates,
        budgets_snt=spec.budgets_snt,
        seeds=spec.search_seeds,
        confirmation_seeds=spec.confirmation_seeds,
    )


def undisturbed(job: Job) -> Search:
    """The same search in this process, in one go."""
    search = undisturbed_search(job)
    while requests := search.ask():
        for request in requests:
            group = sorted(request.network.group)
            key = key_of(group, request.network.size, request.seed)
            found = losses(key, spec_order(job, group), request.network.size)
            search.tell(request, found)
    return search


def spec_order(job: Job, group: Sequence[str]) -> list[str]:
    """Tasks of a group in display order."""
    return [task for task in job.spec.tasks if task in group]


def compare(store: Store, job: Job, counts: Mapping[str, int]) -> None:
    """Ledger, cells and recommendations are those of a search that nothing disturbed."""
    search = undisturbed(job)
    trials = store.trials(job.id)
    assert all(trial.state is TrialState.SUCCEEDED for trial in trials)

    def cells(found: Any) -> dict[Any, Any]:
        return {
            (t.network.key, t.purpose, t.seed, t.fidelity): {s.task: s.validation_loss for s in t.scores}
            for t in found
        }

    assert cells(trials) == cells(search.state.trials), "the table differs"
    state = store.search_state(job.id)
    found = recommend(
        state.full,
        state.scores(purpose=Purpose.CONFIRMATION),
        job.spec.budgets_snt,
        baselines=job.spec.equal_cost_baselines,
    )
    assert [_shown(one) for one in found] == [_shown(one) for one in search.recommendations()]
    attempts = sum(trial.attempts for trial in trials)
    ledger = store.ledger(job.id)
    assert ledger.trainings == attempts
    assert attempts == len(trials) + counts["lost"] + counts["late"] + counts["lost by delay"], counts
    assert ledger.epochs == len(trials)
    assert math.isclose(ledger.seconds, sum(trial.seconds for trial in trials), rel_tol=1e-9)
    last = store.get_job(job.id)
    print(f"{len(trials):,} trainings, {attempts:,} attempts; table, ledger, recommendations as undisturbed")
    assert last.state is JobState.SUCCEEDED


def _shown(recommendation: Recommendation) -> tuple[Any, ...]:
    grouping = recommendation.solution.grouping
    return (recommendation.budget_snt, grouping, recommendation.verdict)


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5, help="25 for 10,000 trainings")
    parser.add_argument("--seconds", type=float, default=0.0, help="median of a training")
    parser.add_argument("--lease-s", type=float, default=20.0)
    parser.add_argument("--faults", type=float, default=0.05, help="share lost, told twice, and late, each")
    parser.add_argument("--database", help="URL of an empty database")
    parser.add_argument("--max-group-size", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="grouping-scale-") as folder:
        url = asked.database or f"sqlite:///{folder}/grouping.db"
        migrate(url)
        store = open_store(url)
        request = request_of(
            {
                "tasks": [{"name": f"task{n}", "scale": 1.0} for n in range(N_TASKS)],
                "strategy": {"name": "exhaustive"},
                "budgets_snt": [math.ceil(N_TASKS / asked.max_group_size), 6, 8],
                "max_group_size": asked.max_group_size,
                "n_seeds": asked.seeds,
                "n_confirmation_seeds": 3,
                "trainer": {
                    "name": "external",
                    "parameters": {"data": "simulated", "lease_s": asked.lease_s},
                },
            }
        )
        job, _ = submit(store, request, granted=Scope.ADMIN)
        context = multiprocessing.get_context("spawn")
        results: multiprocessing.Queue[Any] = context.Queue()
        print(f"{describe_machine()}; {url.partition(':')[0]}, {asked.workers} workers, ", end="")
        print(f"trainings of {asked.seconds:g} s, leases of {asked.lease_s:g} s")
        with api(url) as (port, api_pid):
            planner = context.Process(target=plan, args=(url,))
            planner.start()
            assert planner.pid is not None
            while store.get_job(job.id).state is not JobState.RUNNING or not store.trials(job.id, limit=1):
                time.sleep(0.1)
                assert planner.is_alive()
            before = processor_s(api_pid), processor_s(planner.pid)
            started = time.perf_counter()
            workers = context.Process(target=work, args=(port, job.id, asked, results))
            workers.start()
            assert workers.pid is not None
            spent = before
            reported = 0.0
            while (state := store.get_job(job.id).state) and not state.is_final and workers.is_alive():
                time.sleep(0.2)
                spent = processor_s(api_pid), processor_s(planner.pid) if planner.is_alive() else spent[1]
                if time.perf_counter() - started - reported > 20:
                    reported = time.perf_counter() - started
                    done = sum(r.succeeded for r in store.progress(job.id))
                    print(f"  {reported:6.0f} s: {done:,} trained", file=sys.stderr)
            wall_s = time.perf_counter() - started
            found = results.get(timeout=PATIENCE_S)
            workers.join()
            planner.join()
        n = found["counts"]["trained"]
        print(f"{n / wall_s:.1f} trainings a second over {wall_s:.0f} s; ", end="")
        print(f"workers trained {found['busy_s'] / (asked.workers * wall_s):.1%} of the time")
        names = ("API", "planner")
        for name, more, less in zip(names, spent, before, strict=True):
            print(f"processor time of the {name}: {1000 * (more - less) / n:.1f} ms per training")
        for what, waits in found["waits"].items():
            if waits:
                median, high = np.percentile(waits, [50, 99])
                print(
                    f"{what}: {len(waits):,} answers, median {1000 * median:.0f} ms, p99 {1000 * high:.0f} ms"
                )
        print(", ".join(f"{what} {count:,}" for what, count in found["counts"].items()))
        compare(store, store.get_job(job.id), found["counts"])
        store.close()


if __name__ == "__main__":
    main()
