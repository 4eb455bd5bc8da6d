"""The API in process on a real database, and jobs in chosen states with scores made from a formula."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from grouping.domain.jobs.job import Job, JobState, StopReason
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.networks import MeasuredNetwork, Network, list_candidates
from grouping.domain.tables.score_table import Score, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import Purpose, TaskScore, Trial, TrialOutcome, TrialRequest, TrialState
from grouping.solver import networks_to_confirm, recommend
from grouping.store import Claim, Store
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.patience import slowness, wait_for
from tests.recipes import recipe_in
from tests.undisturbed import undisturbed_job

NAMES = ("depth", "normals", "edges", "scene")
HELPS: Mapping[tuple[str, str], float] = {
    ("depth", "normals"): 0.20,
    ("normals", "depth"): 0.12,
    ("edges", "scene"): 0.10,
    ("scene", "edges"): 0.06,
    ("scene", "depth"): -0.25,
    ("depth", "scene"): -0.08,
}
"""Effect of a source on a target; every other pair harms a little."""


def loss_of(network: Network, task: str, seed: int) -> float:
    """Validation loss by a formula: sizes help, sources help or harm, seeds differ a little."""
    effect = sum(HELPS.get((source, task), -0.03) for source in network.group if source != task)
    noise = (hash_of(f"{sorted(network.group)}{network.size}{task}{seed}") - 0.5) * 0.01
    return float(0.4 * network.size**-0.03 * (1 - effect) + noise)


def hash_of(text: str) -> float:
    """A number in [0, 1) that follows from a text."""
    state = 2166136261
    for byte in text.encode():
        state = (state ^ byte) * 16777619 % 2**32
    return (state * 2654435761 % 2**32) / 2**32


def outcome_of(trial: Trial, *, is_failed: bool = False) -> TrialOutcome:
    """What a trial ends with: scores by the formula, or an error."""
    if is_failed:
        return TrialOutcome(TrialState.FAILED, seconds=0.1, error="out of memory")
    scores = []
    for task in sorted(trial.network.group):
        loss = loss_of(trial.network, task, trial.seed)
        scores.append(TaskScore(task, loss, loss * 1.05, 0.9, 0.88))
    return TrialOutcome(TrialState.SUCCEEDED, tuple(scores), epochs=25, seconds=1.5)


def formula_table(names: Sequence[str] = NAMES, n_seeds: int = 2) -> ScoreTable:
    """The score table of a finished job on these tasks, without a job."""
    tasks = tuple(Task.binary(name) for name in names)
    networks = list_candidates(tuple(names), max_group_size=len(names), single_sizes=(0.5,))
    scores = [
        Score(network, task, seed, loss, loss * 1.05)
        for network in networks
        for task in sorted(network.group)
        for seed in range(n_seeds)
        for loss in (loss_of(network, task, seed),)
    ]
    return ScoreTable.from_scores(tasks, networks, scores)


@dataclass(frozen=True)
class Scenes:
    """Puts jobs into the database the way a dispatcher does."""

    store: Store
    claims: dict[str, Claim] = field(default_factory=dict)

    def submitted(self, names: Sequence[str] = NAMES, **spec: Any) -> Job:
        """A queued job."""
        spec = {
            "name": "four tasks",
            "strategy": "exhaustive",
            "budgets_snt": (1.0, 2.0, 3.0),
            "n_seeds": 2,
            **spec,
        }
        spec.setdefault("max_group_size", len(names))
        job, _ = self.store.create_job(
            JobSpec(problem="digits", tasks=tuple(names), **spec), tuple(Task.binary(name) for name in names)
        )
        return job

    def running(self, names: Sequence[str] = NAMES, **spec: Any) -> Job:
        """A job whose search is planned and not begun."""
        job = self.submitted(names, **spec)
        claim = self.store.claim_job("scenes", lease_s=3600)
        assert claim is not None
        assert claim.job.id == job.id
        self.claims[job.id] = claim
        self.store.enter_state(claim, JobState.PREPARING)
        recipe = (
            Recipe() if job.spec.trainer_parameters.get("tuning_samples") else recipe_in(job.spec)
        )  # what it was tuned to
        self.store.record_preparation(
            claim, data_digest="0" * 64, versions={"torch": "2.13.0"}, settled={"recipe": asdict(recipe)}
        )
        candidates = list_candidates(
            tuple(names), max_group_size=job.spec.max_group_size, single_sizes=job.spec.single_sizes
        )
        self.add(claim, candidates)
        self.store.enter_state(claim, JobState.RUNNING)
        self.plan(claim, candidates, job.spec.search_seeds, Purpose.SEARCH)
        return self.store.get_job(job.id)

    def add(self, claim: Claim, networks: Sequence[Network]) -> None:
        """Add candidates at their nominal costs."""
        self.store.add_networks(claim, [MeasuredNetwork(network, 1000, (32, 32)) for network in networks])

    def plan(self, claim: Claim, networks: Sequence[Network], seeds: Sequence[int], purpose: Purpose) -> None:
        """Plan trials, seed by seed."""
        wanted = [TrialRequest(network, seed, purpose=purpose) for seed in seeds for network in networks]
        self.store.plan_trials(claim, wanted, planned_epochs=[25] * len(wanted))

    def train(
        self, job: Job, most: int | None = None, *, fail: Callable[[Network], bool] = lambda _: False
    ) -> None:
        """Train what is planned, or the first `most` of it, in one stack."""
        claim = self.claims[job.id]
        trials = self.store.trials(job.id, states=(TrialState.PLANNED,))[:most]
        self.store.start_trials(claim, [trial.id for trial in trials])
        outcomes = {trial.id: outcome_of(trial, is_failed=fail(trial.network)) for trial in trials}
        self.store.record_outcomes(claim, outcomes)

    def finished(self, names: Sequence[str] = NAMES, **spec: Any) -> Job:
        """A succeeded job, confirmed with fresh seeds."""
        job = self.running(names, **spec)
        self.train(job)
        claim = self.claims[job.id]
        self.store.enter_state(claim, JobState.CONFIRMING)
        table = self.store.score_table(job.score_table_id, purpose=Purpose.SEARCH, fidelity=1.0)
        chosen = recommend(table, None, job.spec.budgets_snt, constraints=job.spec.constraints)
        networks = networks_to_confirm(chosen, table.task_names, job.spec.equal_cost_baselines)
        self.add(claim, networks)
        self.plan(claim, networks, job.spec.confirmation_seeds, Purpose.CONFIRMATION)
        self.train(job)
        self.store.enter_state(claim, JobState.SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE)
        return self.store.get_job(job.id)


@dataclass(frozen=True)
class Api:
    """Calls an application in process, each request in an event loop of its own."""

    app: FastAPI
    base_url: str = "http://127.0.0.1:8000"

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=self.base_url) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """DELETE."""
        return self.request("DELETE", path, **options)


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[tuple[Store, Job]]:
    """A finished small job, carried out without Ray, for comparison with disturbed ones."""
    with undisturbed_job(tmp_path_factory.mktemp("undisturbed"), sqlite_template) as found:
        yield found


@pytest.fixture
def scenes(store: Store) -> Scenes:
    """Jobs in chosen states."""
    return Scenes(store)


@pytest.fixture
def api(store: Store, sqlite_url: str) -> Api:
    """The API without a token."""
    return Api(create_app(Settings(database_url=sqlite_url), store))


def _answers(url: str) -> bool:
    try:
        httpx.get(f"{url}/readyz")
    except httpx.TransportError:
        return False
    return True


SERVE = (
    "import sys\n"
    "from grouping_api.main import create_app\n"
    "from grouping_api.server import Server\n"
    "from grouping_api.settings import Settings\n"
    "Server(create_app(Settings()), host='127.0.0.1', port=int(sys.argv[1])).run_until_stopped()\n"
)


@contextmanager
def server(
    database_url: str, log: Path, *, port: int = 0, **environment: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The API as a process of its own, on a free port unless one is given.

    It is ended with the block, and its log is checked for traces.
    """
    with socket.create_server(("127.0.0.1", port)) as probe:
        port = probe.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SERVE, str(port)],
            env={**os.environ, "GROUPING_DATABASE_URL": database_url, **environment},
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url) or process.poll() is not None, "the API's answer")
        assert process.poll() is None, log.read_text()
        assert httpx.get(f"{url}/readyz").status_code == 200
        yield url, process
    finally:
        process.terminate()
        try:
            process.wait(20 * slowness())
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text()
