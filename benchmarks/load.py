"""Everything at once on the API: what short requests wait for meanwhile, and memory afterwards.

    python benchmarks/load.py [--solves N] [--uploads N] [--streams N] [--time SECONDS] [--rest SECONDS]

One run: the service is idle, and `/healthz` and the list of jobs are asked about ten times a second, by a
process that does nothing else. Then come all at once different solves of a table of 27 tasks x 3,200 networks
(each the best grouping for a budget, with explanation), uploads of 5 MB with keys of their own, and
streams of events, while the same is asked; then it rests. Callers that are refused come back when they are
told to, until they have their answer or the time is over. What must hold is checked: what was answered is
stored once, nothing else is, and every refusal says when to come back. Memory is that of the API and all its
processes.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import psutil
from _machine import describe_machine
from _tables import random_groups
from workers_at_scale import api

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.tasks import Task
from grouping.store import migrate, open_store

EVERY_S = 0.1
UPLOAD_BYTES = 5_000_000
PATHS = ("/healthz", "/v1/jobs")


@dataclass
class Callers:
    """What callers saw: statuses of what was asked, refusals without a time, and answers."""

    until: float
    statuses: Counter[str] = field(default_factory=Counter)
    without_time: int = 0
    locations: list[str] = field(default_factory=list)


async def ask_until_answered(
    client: httpx.AsyncClient, path: str, kind: str, seen: Callers, **options: Any
) -> None:
    """Ask, and again after the time that a refusal names, until it is answered or the time is over."""
    while time.monotonic() < seen.until:
        try:
            answer = await client.post(path, **options)
        except httpx.TransportError as error:  # the key makes it safe to ask again
            seen.statuses[f"{kind} lost: {error}"] += 1
            await asyncio.sleep(1.0)
            continue
        code = "" if answer.is_success else answer.json()["code"]
        seen.statuses[f"{kind} {answer.status_code} {code}".strip()] += 1
        if answer.status_code != 503:
            answer.raise_for_status()
            seen.locations.append(answer.headers["location"])
            return
        if "retry-after" not in answer.headers:
            seen.without_time += 1
        await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
    seen.statuses[f"{kind} given up"] += 1


async def follow(client: httpx.AsyncClient, path: str, seen: Callers, is_over: asyncio.Event) -> None:
    """Keep a stream of events open."""
    async with client.stream("GET", path, headers={"Accept": "text/event-stream"}) as answer:
        seen.statuses[f"stream {answer.status_code}"] += 1
        reading = asyncio.ensure_future(drain(answer))
        await asyncio.wait((reading, asyncio.ensure_future(is_over.wait())), return_when="FIRST_COMPLETED")
        reading.cancel()


async def drain(answer: httpx.Response) -> None:
    async for _ in answer.aiter_raw():
        pass


def probe(url: str, is_ready: Any, is_over: Any, waits: Any) -> None:
    """Ask for what must be short, at a steady pace; gives seconds by path."""
    found: dict[str, list[float]] = {path: [] for path in PATHS}
    with httpx.Client(base_url=url, timeout=None) as client:
        is_ready.set()
        while not is_over.is_set():
            for path in PATHS:
                started = time.perf_counter()
                client.get(path).raise_for_status()
                found[path].append(time.perf_counter() - started)
            time.sleep(EVERY_S)
    waits.send(found)


@contextmanager
def probing(url: str) -> Iterator[dict[str, list[float]]]:
    """Probe within the block; the seconds are there after it."""
    context = multiprocessing.get_context("spawn")
    is_ready, is_over = context.Event(), context.Event()
    receiving, waits = context.Pipe(duplex=False)
    process = context.Process(target=probe, args=(url, is_ready, is_over, waits))
    process.start()
    is_ready.wait(120.0)
    found: dict[str, list[float]] = {}
    try:
        yield found
    finally:
        is_over.set()
        while process.is_alive() and not receiving.poll(0.1):
            pass
        found.update(receiving.recv() if receiving.poll() else {path: [math.nan] for path in PATHS})
        process.join()


def memory_mb(pid: int) -> float:
    """Resident memory of the API, and of all its processes, in MB."""
    family = [psutil.Process(pid)]
    family += family[0].children(recursive=True)
    return sum(process.memory_info().rss for process in family if process.is_running()) / 1e6


def csv_of_5_mb() -> bytes:
    """A wide table of 5 MB: 14 tasks with long names, some 9,000 networks."""
    generator = np.random.default_rng(0)
    names = [f"task {t:02} " + "of a long name" * 5 for t in range(14)]
    lines = ["network,size,cost," + ",".join(names)]
    n_bytes = 0
    for number in range(1, 1 << 14):
        group = [t for t in range(14) if number >> t & 1]
        cells = [f"{generator.uniform(0.1, 0.9):.15f}" if t in group else "" for t in range(14)]
        lines.append("+".join(names[t].strip() for t in group) + ",1,1," + ",".join(cells))
        n_bytes += len(lines[-1]) + 1
        if n_bytes >= UPLOAD_BYTES:
            break
    return "\n".join(lines).encode()


async def load(url: str, pid: int, table: str, jobs: Sequence[str], asked: argparse.Namespace) -> Callers:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=None, limits=limits) as client:
        first = await client.post(f"/v1/score-tables/{table}/curve", json={"budgets_snt": [3.0]})
        first.raise_for_status()  # the table is read once, before anything is measured
        await asyncio.sleep(5)
        with probing(url) as idle:
            await asyncio.sleep(10)
        before = memory_mb(pid)
        seen, is_over = Callers(time.monotonic() + asked.time), asyncio.Event()
        data = csv_of_5_mb()
        streams = [
            asyncio.ensure_future(follow(client, f"/v1/jobs/{jobs[n % len(jobs)]}/events", seen, is_over))
            for n in range(asked.streams)
        ]
        started = time.perf_counter()
        work = [
            ask_until_answered(
                client,
                f"/v1/score-tables/{table}/groupings",
                "solve",
                seen,
                json={"budget_snt": 2.0 + n / 8},
                headers={"Idempotency-Key": f"solve-{n}"},
            )
            for n in range(asked.solves)
        ]
        work += [
            ask_until_answered(
                client,
                f"/v1/score-tables?name=upload-{n}",
                "upload",
                seen,
                content=data,
                headers={"Content-Type": "text/csv", "Idempotency-Key": f"upload-{n}"},
            )
            for n in range(asked.uploads)
        ]
        with probing(url) as busy:
            await asyncio.gather(*work)
        took = time.perf_counter() - started
        most = memory_mb(pid)
        is_over.set()
        await asyncio.gather(*streams)
    await asyncio.sleep(asked.rest)
    after = memory_mb(pid)
    print(f"answered or given up after {took:.0f} s: {dict(sorted(seen.statuses.items()))}")
    print("milliseconds: median, 99th percent, most")
    for path in PATHS:
        for name, waits in (("idle", idle[path]), ("under load", busy[path])):
            shown = "  ".join(f"{1000 * value:8.1f}" for value in np.percentile(waits, [50, 99, 100]))
            print(f"  {path:10} {name:10} {len(waits):6} times {shown}")
    print(
        f"memory: {before:.0f} MB before, {most:.0f} MB at the end of the load, {after:.0f} MB "
        f"{asked.rest:.0f} s later ({after / before - 1:+.0%})"
    )
    return seen


def main() -> None:
    """Load one service, and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--solves", type=int, default=50)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--time", type=float, default=900.0)
    parser.add_argument("--rest", type=float, default=60.0)
    asked = parser.parse_args()
    print(f"{describe_machine()}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="grouping-load-") as folder:
        url = f"sqlite:///{folder}/grouping.db"
        migrate(url)
        store = open_store(url)
        table, _ = store.import_table(random_groups(0), "27 tasks, 3,200 networks")
        names = ("digit", "loop")
        spec = JobSpec(problem="digits", tasks=names, strategy="exhaustive", budgets_snt=(1.0,))
        jobs = [store.create_job(spec, tuple(map(Task.binary, names)))[0].id for _ in range(10)]
        with api(url) as (port, pid):
            seen = asyncio.run(load(f"http://127.0.0.1:{port}", pid, table.id, jobs, asked))
        stored = [f"/v1/groupings/{one.id}" for one in store.list_groupings(table.id, limit=100).items]
        page = store.list_tables(limit=100, imported_only=True)
        tables = [*page.items]
        while page.next_token is not None:
            page = store.list_tables(limit=100, after=page.next_token, imported_only=True)
            tables += page.items
        store.close()
    uploads = [one for one in tables if one.name.startswith("upload-")]
    stored += [f"/v1/score-tables/{one.id}" for one in uploads]
    print(f"stored: {len(uploads)} uploads and {len(stored) - len(uploads)} groupings")
    assert len({one.name for one in uploads}) == len(uploads), "an upload was doubled"
    assert sorted(stored) == sorted(seen.locations), "what is stored is not what was answered"
    assert not seen.without_time, "a refusal did not say when to come back"


if __name__ == "__main__":
    main()
