"""What takes long stands in nobody's way: the API as a process of its own, kept busy by real solves."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.store import open_store
from tests.integration.conftest import Scenes, server
from tests.patience import slowness, wait_for
from tests.tables import random_table

pytestmark = pytest.mark.slow


def table_of_pairs(n_tasks: int, seed: int = 0) -> ScoreTable:
    """Singles and pairs without structure: solved over all groups, they keep a solver busy for minutes."""
    generator = np.random.default_rng(seed)
    names = tuple(f"task{t:02}" for t in range(n_tasks))
    groups = [(t,) for t in range(n_tasks)] + [(i, j) for i in range(n_tasks) for j in range(i)]
    alone = generator.uniform(0.8, 1.2, n_tasks)
    losses = np.full((len(groups), n_tasks, 1), np.nan)
    for row, group in enumerate(groups):
        for t in group:
            losses[row, t] = alone[t] * (1.0 if len(group) == 1 else 1.0 + generator.normal(0.0, 0.1))
    networks = tuple(Network(frozenset(names[t] for t in group)) for group in groups)
    return ScoreTable.from_arrays(
        tuple(map(Task, names)), networks, (0,), losses, np.full_like(losses, np.nan)
    )


@dataclass(frozen=True)
class Service:
    """The API, with a table of four tasks and one that takes minutes to solve."""

    url: str
    process: psutil.Process
    started: subprocess.Popen[bytes]
    small: str
    large: str
    job: str

    def solve(self, budget: float, **options: Any) -> httpx.Response:
        """A solve that takes minutes."""
        address = f"{self.url}/v1/score-tables/{self.large}/pairwise-grouping"
        return httpx.post(address, json={"budget_snt": budget}, **{"timeout": None, **options})

    def is_full(self, budget: float) -> bool:
        """Whether a further solve is refused; one that is let in is dropped."""
        try:
            return overloaded(self.solve(budget, timeout=2 * slowness()))
        except httpx.ReadTimeout:
            return False

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=None)

    def insist(self, path: str) -> httpx.Response:
        """Ask again and again while it is refused, as the probe of another caller may be there first."""
        while overloaded(answer := self.get(path)):
            time.sleep(0.05)
        return answer

    def stop(self) -> None:
        """End it by a signal, as a service manager does; it has to end well."""
        self.started.terminate()
        assert self.started.wait(20 * slowness()) == 0

    def computing(self) -> list[psutil.Process]:
        """The processes that solve now."""
        found = []
        for process in self.process.children(recursive=True):
            try:
                is_server = process.ppid() == self.process.pid
                if not is_server and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    @contextmanager
    def busy(self, *budgets: float) -> Iterator[list[httpx.Client]]:
        """Solves under way, each of a caller that can be ended; all have gone after the block."""
        with ExitStack() as stack:
            callers = [stack.enter_context(httpx.Client(timeout=None)) for _ in budgets]
            for caller, budget in zip(callers, budgets, strict=True):
                stack.enter_context(asking(caller, self, budget))
            yield callers


@contextmanager
def asking(caller: httpx.Client, service: Service, budget: float) -> Iterator[None]:
    """A request for a solve that takes minutes, which is dropped after the block."""
    address = f"{service.url}/v1/score-tables/{service.large}/pairwise-grouping"

    def ask() -> None:
        try:
            caller.post(address, json={"budget_snt": budget})
        except (httpx.TransportError, RuntimeError):
            return  # it was dropped

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        drop(caller)
        thread.join()


def drop(caller: httpx.Client) -> None:
    """End the connection of a caller in the middle of its request."""
    pool = caller._transport._pool  # type: ignore[attr-defined]
    for connection in list(pool.connections):
        stream = getattr(connection._connection, "_network_stream", None)
        if stream is not None:
            stream.get_extra_info("socket").shutdown(2)


Serve = Callable[..., AbstractContextManager["Service"]]


@pytest.fixture
def serve(sqlite_url: str, scenes: Scenes, tmp_path: Path) -> Iterator[Serve]:
    """Starts the API with settings."""
    store = open_store(sqlite_url)
    small, _ = store.import_table(random_table(1), "small")
    large, _ = store.import_table(table_of_pairs(40), "large")
    job = scenes.running()

    @contextmanager
    def start(**settings: object) -> Iterator[Service]:
        environment = {f"GROUPING_{name.upper()}": str(value) for name, value in settings.items()}
        with server(sqlite_url, tmp_path / "api.log", port=0, **environment) as (url, process):
            yield Service(url, psutil.Process(process.pid), process, small.id, large.id, job.id)

    yield start
    store.close()


def overloaded(answer: httpx.Response) -> bool:
    """Whether an answer says that the service is too busy, and when to come back."""
    if answer.status_code != 503:
        return False
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "overloaded"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    return True


def test_health_lists_and_reads_answer_while_every_place_is_taken(serve: Serve) -> None:
    with serve(solve_processes=2, solve_queue=3, solve_time_limit_s=600) as service:
        with service.busy(3, 4, 5, 6, 7):
            wait_for(lambda: len(service.computing()) == 2, "two solves")
            wait_for(lambda: service.is_full(8), "a full queue")
            assert len(service.computing()) == 2
            for _ in range(20):
                for path in (
                    "/healthz",
                    "/readyz",
                    "/v1/jobs",
                    "/v1/score-tables",
                    f"/v1/jobs/{service.job}",
                    f"/v1/jobs/{service.job}/events",
                ):
                    assert service.get(path).status_code == 200, path
            for path, known in (
                (f"/score-tables/{service.small}", "Scores"),
                (f"/jobs/{service.job}", "Progress"),
            ):
                page = httpx.get(f"{service.url}{path}", headers={"Accept": "text/html"}, timeout=None)
                assert page.status_code == 200
                assert f"{known}</h2>" in page.text
                assert "This service solves as much as it can at once." in page.text
            assert len(service.computing()) == 2  # all that while
        wait_for(lambda: not service.computing(), "the end of what nobody waits for")
        assert service.get(f"/v1/score-tables/{service.small}/grouping?budget_snt=2").status_code == 200


def test_the_next_in_line_gets_the_place_of_a_caller_that_has_gone(serve: Serve) -> None:
    with serve(solve_processes=1, solve_queue=1, solve_time_limit_s=600) as service:
        pool = ThreadPoolExecutor(1)
        with service.busy(3):
            wait_for(lambda: bool(service.computing()), "the solve")
            (solving,) = service.computing()
            waiting = pool.submit(service.insist, f"/v1/score-tables/{service.small}/curve")
            wait_for(lambda: service.is_full(4), "a full queue")
            assert not waiting.done()
        assert waiting.result().status_code == 200
        assert not solving.is_running() or solving.status() == psutil.STATUS_ZOMBIE
        pool.shutdown()


def test_equal_requests_take_one_place(serve: Serve) -> None:
    with serve(solve_processes=1, solve_queue=0, solve_time_limit_s=600) as service:
        with service.busy(3, 3, 3, 3):
            wait_for(lambda: bool(service.computing()), "the solve")
            (first,) = service.computing()
            wait_for(lambda: service.is_full(4), "no room for another")
            assert [one.pid for one in service.computing()] == [first.pid]
        wait_for(lambda: not service.computing(), "the end of all of them")


@pytest.mark.parametrize("n_budgets", [50])
def test_the_time_limit_holds_for_the_request_and_not_for_each_solve(serve: Serve, n_budgets: int) -> None:
    with serve(solve_processes=1, solve_time_limit_s=8) as service:
        budgets = [3 + number / 10 for number in range(n_budgets)]
        address = f"{service.url}/v1/score-tables/{service.large}/curve"
        answer = httpx.post(address, json={"budgets_snt": budgets}, timeout=8 * n_budgets / 4 * slowness())
        assert answer.status_code == 200 or answer.json()["code"] in ("deadline_exceeded", "solver_failed")


def test_a_solve_that_does_not_end_in_time_is_told_so(serve: Serve) -> None:
    with serve(solve_processes=1, solve_time_limit_s=0.3) as service:
        answer = service.solve(3)
        assert answer.status_code in (200, 503)
        if answer.status_code == 503:
            assert answer.json()["code"] in ("deadline_exceeded", "solver_failed")
            assert "retry-after" in answer.headers
        wait_for(lambda: not service.computing(), "the end of the solve")
