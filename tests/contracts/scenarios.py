"""Jobs in chosen states for the store's contract, and a picture of all that is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, TypeVar

import pytest
from sqlalchemy import event, select

from grouping.domain.jobs.job import Job, JobState, Stop
from grouping.domain.jobs.labels import LabelChanges
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.tables.finished_results import FinishedResults, FinishedTraining
from grouping.domain.tasks import Task
from grouping.domain.trainings.faults import QUARANTINE_AFTER, TRIES_OUT_OF_MEMORY, LossCause
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import Purpose, TaskScore, Trial, TrialOutcome, TrialRequest, TrialState
from grouping.store import Claim, Store, TrialReport
from grouping.store.rows import StoredRow
from grouping.trainers import Trainer
from tests.tables import random_table

T = TypeVar("T")

TASKS = (Task.regression("depth"), Task.binary("edges"), Task.multiclass("scene", 7))
NAMES = tuple(task.name for task in TASKS)
SPEC = JobSpec(problem="synthetic", tasks=NAMES, name="a job")

DEPTH = MeasuredNetwork(Network.of("depth", cost_snt=1.0), 1000, (32, 32))
SMALL_EDGES = MeasuredNetwork(Network.of("edges", size=0.5, cost_snt=0.4983), 498, (22, 22))
PAIR = MeasuredNetwork(Network.of("edges", "depth", cost_snt=1.0), 1001, (32, 32))
NETWORKS = (DEPTH, SMALL_EDGES, PAIR)


LOSSES_UNTIL_GIVEN_UP = {
    LossCause.BY_ITS_WORD: Trainer.max_attempts,
    LossCause.OUT_OF_MEMORY: TRIES_OUT_OF_MEMORY,
    LossCause.WITH_WORKER: QUARANTINE_AFTER + Trainer.max_attempts,
}
"""How often a training is lost that way before it is given up, that time included; never with all others."""


def submit(
    store: Store,
    name: str = "a job",
    reuse_jobs: tuple[str, ...] = (),
    fields: Mapping[str, Any] | None = None,
    **options: Any,
) -> Job:
    """A queued job."""
    spec = JobSpec(problem="synthetic", tasks=NAMES, name=name, reuse_jobs=reuse_jobs, **(fields or {}))
    job, was_created = store.create_job(spec, TASKS, **options)
    assert was_created
    return job


def claim(store: Store, owner: str = "one", *, lease_s: float = 30.0) -> Claim:
    """A claim on whatever is there to be claimed."""
    found = store.claim_job(owner, lease_s=lease_s)
    assert found is not None
    return found


def requests(*networks: MeasuredNetwork, seeds: int = 1, **options: Any) -> list[TrialRequest]:
    """Requests for these networks, by seed."""
    return [TrialRequest(measured.network, seed, **options) for measured in networks for seed in range(seeds)]


def plan(store: Store, held: Claim, wanted: list[TrialRequest]) -> tuple[Trial, ...]:
    """Plan these trials at 10 epochs each; gives all trials of the job."""
    store.plan_trials(held, wanted, planned_epochs=[10] * len(wanted))
    return store.trials(held.job.id)


def success(network: Network, loss: float = 0.25, **options: Any) -> TrialOutcome:
    """An outcome with a score for each task."""
    scores = tuple(TaskScore(name, loss, loss + 0.125, 0.75, 0.5) for name in sorted(network.group))
    return TrialOutcome(TrialState.SUCCEEDED, scores, **({"epochs": 10, "seconds": 1.5} | options))


TOLD = FinishedResults((FinishedTraining(("scene",), {"scene": 0.5}, seed=1),), "half.csv", "ada")
"""A result from outside that no scene has."""
DIVERGED = TrialOutcome(TrialState.DIVERGED, epochs=4, seconds=0.5, error="the loss became infinite")
FAILED = TrialOutcome(TrialState.FAILED, epochs=1, seconds=0.25, error="no memory left")


def train(store: Store, held: Claim, trial: Trial, outcome: TrialOutcome | None = None) -> None:
    """Start a trial and record its outcome: a success unless another is given."""
    store.start_trial(held, trial.id)
    store.record_outcome(held, trial.id, success(trial.network) if outcome is None else outcome)


@dataclass(frozen=True)
class Scene:
    """A running job with three networks: its first trial is running, the other two are planned."""

    store: Store
    claim: Claim
    job_id: str
    table_id: str
    running: Trial
    planned: Trial
    last: Trial


def prepare(store: Store, held: Claim) -> None:
    """Bring a claimed job to where it has data and networks."""
    store.enter_state(held, JobState.PREPARING)
    store.record_preparation(held, data_digest="0f", versions={"torch": "2"})
    store.add_networks(held, NETWORKS)


def finished_source(
    store: Store, wanted: list[TrialRequest], outcome: TrialOutcome | None = None, **fields: Any
) -> Job:
    """A finished job of which these trials are known."""
    job = submit(store, "a source", fields=fields)
    held = claim(store)
    prepare(store, held)
    store.enter_state(held, JobState.RUNNING)
    for trial in plan(store, held, wanted):
        train(store, held, trial, outcome)
    store.enter_state(held, JobState.SUCCEEDED)
    return store.get_job(job.id)


def running_scene(store: Store, *, lease_s: float = 30.0) -> Scene:
    """Set the scene."""
    source = finished_source(store, requests(PAIR, purpose=Purpose.CONFIRMATION), DIVERGED)
    job = submit(store, reuse_jobs=(source.id,))
    held = claim(store, lease_s=lease_s)
    prepare(store, held)
    store.enter_state(held, JobState.RUNNING)
    trials = plan(store, held, requests(*NETWORKS))
    store.start_trial(held, trials[0].id)
    return Scene(store, held, job.id, job.score_table_id, *trials)


def calls_that_take(kind: type) -> set[str]:
    """Names of the methods of a store that take a claim of some kind."""
    calls = {name: getattr(Store, name) for name in dir(Store) if not name.startswith("_")}
    declared = {name: signature(call).parameters for name, call in calls.items() if callable(call)}
    return {name for name, taken in declared.items() if "claim" in taken and _is(taken["claim"], kind)}


def _is(parameter: Parameter, kind: type) -> bool:
    return parameter.annotation in (kind, kind.__name__)


FENCED: dict[str, Callable[[Scene], object]] = {
    "renew": lambda s: s.store.renew(s.claim),
    "release": lambda s: s.store.release(s.claim),
    "enter_state": lambda s: s.store.enter_state(s.claim, JobState.SUCCEEDED),
    "record_preparation": lambda s: s.store.record_preparation(
        s.claim, data_digest="0f", versions={"torch": "2"}
    ),
    "record_sizes": lambda s: s.store.record_sizes(s.claim, ()),
    "add_networks": lambda s: s.store.add_networks(
        s.claim, [MeasuredNetwork(Network.of("scene"), 1000, (32, 32))]
    ),
    "plan_trials": lambda s: s.store.plan_trials(
        s.claim, requests(DEPTH, purpose=Purpose.CONFIRMATION), planned_epochs=[10]
    ),
    "plan_reused": lambda s: s.store.plan_reused(
        s.claim, requests(PAIR, purpose=Purpose.CONFIRMATION), planned_epochs=[10]
    ),
    "skip_trials": lambda s: s.store.skip_trials(s.claim, [s.planned.id]),
    "skip_unwanted_trials": lambda s: s.store.skip_unwanted_trials(s.claim, Stop.SEARCH),
    "start_trials": lambda s: s.store.start_trials(s.claim, [s.planned.id, s.last.id]),
    "record_outcomes": lambda s: s.store.record_outcomes(s.claim, {s.running.id: success(s.running.network)}),
    "requeue_trials": lambda s: s.store.requeue_trials(
        s.claim, [s.running.id], "died", LossCause.WITH_WORKER
    ),
    "start_trial": lambda s: s.store.start_trial(s.claim, s.planned.id),
    "record_outcome": lambda s: s.store.record_outcome(s.claim, s.running.id, success(s.running.network)),
    "requeue_trial": lambda s: s.store.requeue_trial(s.claim, s.running.id, "died", LossCause.WITH_WORKER),
    "report_progress": lambda s: s.store.report_progress(
        s.claim, {s.running.id: TrialReport((Progress(1, {"depth": 0.5}),), "a line\n")}
    ),
    "leave_out_results": lambda s: s.store.leave_out_results(s.claim, {}),
    "append_event": lambda s: s.store.append_event(s.claim, "note", {"text": "hello"}),
}
"""A write of each kind that a dispatcher does, legal in the scene."""

UNFENCED: dict[str, Callable[[Scene], object]] = {
    "create_job": lambda s: submit(s.store, "another"),
    "change_labels": lambda s: s.store.change_labels(s.job_id, LabelChanges("b", "c", ("d",))),
    "request_pause": lambda s: s.store.request_pause(s.job_id),
    "request_cancel": lambda s: s.store.request_cancel(s.job_id),
    "claim_job": lambda s: s.store.claim_job("another"),
    "import_table": lambda s: s.store.import_table(random_table(1), "a table"),
    "add_results": lambda s: s.store.add_results(s.job_id, TOLD),
    "add_grouping": lambda s: s.store.add_grouping(s.table_id, revision=1, request={}, answer={}),
}
"""The writes of users, and claiming, legal in the scene."""


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    with store._database.reading() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
            for table in StoredRow.metadata.sorted_tables
        }


class CrashError(Exception):
    """Stands for the death of the process."""


@contextmanager
def crash_at_statement(store: Store, number: int) -> Iterator[list[str]]:
    """Raise in place of the statement of that number, counted from 1; gives the statements so far."""
    seen: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)
        if len(seen) == number:
            raise CrashError

    engine = store._database._engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", count)


def crash_everywhere(store: Store, act: Callable[[], object]) -> int:
    """Crash `act` at each of its statements in turn and see nothing left each time, then let it pass.

    Returns:
        The number of places where it was made to crash.
    """
    before = everything(store)
    for number in range(1, 200):
        with crash_at_statement(store, number) as seen:
            try:
                act()
            except CrashError:
                has_crashed = True
            else:
                has_crashed = False
        if not has_crashed:
            assert len(seen) == number - 1
            assert everything(store) != before
            return number - 1
        assert everything(store) == before, f"{seen[-1]} left something behind"
    return pytest.fail("it never ended")


def at_once(n_threads: int, act: Callable[[int], T]) -> list[T]:
    """Run `act` with 0, 1, ... in as many threads, all starting together."""
    barrier = threading.Barrier(n_threads)

    def run(number: int) -> T:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(run, range(n_threads)))
