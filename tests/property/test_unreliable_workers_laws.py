"""Laws of trainings leased to workers of which some are lost, some tell twice, and some tell too late.

The workers are simulated on the clock of the database, so that leases run out without anybody waiting;
planner, strategy and database are the real ones.
"""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.domain.jobs.job import Job, JobState, StopReason
from grouping.domain.jobs.specification import JobSpec, Planning
from grouping.domain.jobs.task_definitions import TaskDefinition
from grouping.domain.networks import NetworkKey
from grouping.domain.trainings.trials import Purpose, TaskScore, TrialOutcome, TrialState
from grouping.errors import IdempotencyConflictError, LeaseLostError
from grouping.solver import recommend
from grouping.store import Store, TrialLease, TrialWanted, open_store
from grouping.store.database import Database
from tests.stand_in import begin, plan_step

TASKS = tuple(TaskDefinition(name, scale=1.0) for name in "abcd")
BEGINNING_S = 1e9
LEASE_S = 60.0
N_WORKERS = 12
SHARE = 0.1
"""Share of the trainings that are lost, as many told twice, and as many told too late."""


@dataclass
class Fates:
    """How often which fault occurred."""

    lost: int = 0
    twice: int = 0
    late: int = 0


class Clock:
    """Clock of the database, put forward by hand; it stands still otherwise, however busy the machine is."""

    def __init__(self) -> None:
        self.passed_s = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(Database, "now_s", lambda *_: BEGINNING_S + found.passed_s)
    return found


def submit(store: Store, seed: int, strategy: str) -> Job:
    parameters = {"data": "v1", "epochs": 1, "deadline_s": None, "lease_s": LEASE_S, "resources": None}
    spec = JobSpec(
        "",
        tuple(task.name for task in TASKS),
        strategy=strategy,
        trainer="external",
        trainer_parameters=parameters,
        budgets_snt=(1.0, 2.0),
        n_seeds=2,
        n_confirmation_seeds=2,
        planning=Planning.STEPS,
        seed=seed,
        definitions=TASKS,
    )
    return store.create_job(spec, tuple(task.task() for task in TASKS))[0]


def outcome_of(lease: TrialLease) -> TrialOutcome:
    """Losses that follow from the network and the seeds, whoever trains it and whenever."""
    network, seed = lease.request.network, lease.request.seed
    scores = []
    for task in sorted(network.group):
        words = f"{sorted(network.group)} {network.size} {task} {seed}"
        draw = np.random.default_rng(list(words.encode())).uniform()
        scores.append(TaskScore(task, 0.3 + 0.1 * (1 - network.size) + 0.2 * float(draw)))
    return TrialOutcome(TrialState.SUCCEEDED, tuple(scores), 1, 1.0)


def train(store: Store, job: Job, clock: Clock, share: float) -> Fates:
    """Have simulated workers train a job; the share of their trainings has each of the faults."""
    claim = store.claim_job("planner", lease_s=1e6)
    assert claim is not None
    begin(store, claim)
    generator = np.random.default_rng(job.spec.seed)
    fates, ends = Fates(), list[tuple[float, int, str, TrialLease | None]]()
    idle, n_begun = N_WORKERS, 0
    while True:
        store.expire_trials(job.id)
        leases = store.lease_trials([TrialWanted(f"worker {n}", (job.id,)) for n in range(idle)])
        for lease in leases:
            if lease is None:
                continue
            idle, n_begun = idle - 1, n_begun + 1
            seconds = float(generator.lognormal(2.0, 0.5))
            fate = generator.uniform() / share if share and lease.attempt == 1 else 9.0
            kind = ("lost", "late", "twice")[int(fate)] if fate < 3 else "fine"
            end_s = clock.passed_s + min(seconds, LEASE_S / 2) + 2 * LEASE_S * (kind in ("lost", "late"))
            heapq.heappush(ends, (end_s, n_begun, kind, lease))
        if not ends:
            if plan_step(store, replace(claim, job=store.get_job(job.id))):
                continue
            store.enter_state(claim, JobState.SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE)
            return fates
        clock.passed_s, _, kind, lease = heapq.heappop(ends)
        assert lease is not None
        tell(store, lease, kind, fates)
        idle += 1


def tell(store: Store, lease: TrialLease, kind: str, fates: Fates) -> None:
    """Tell the outcome of a training, as its fate has it."""
    if kind == "lost":
        fates.lost += 1
        return
    if kind == "late":
        store.expire_trials(lease.job.id)
        with pytest.raises(LeaseLostError):
            store.complete_trial(lease.token, outcome_of(lease))
        fates.late += 1
        return
    assert store.complete_trial(lease.token, outcome_of(lease)) is TrialState.SUCCEEDED
    if kind == "twice":
        assert store.complete_trial(lease.token, outcome_of(lease)) is TrialState.SUCCEEDED
        with pytest.raises(IdempotencyConflictError):
            store.complete_trial(lease.token, replace(outcome_of(lease), epochs=7))
        fates.twice += 1


Cells = Mapping[tuple[NetworkKey, Purpose, int, float], tuple[TaskScore, ...]]


def cells(store: Store, job: Job) -> Cells:
    trials = store.trials(job.id)
    assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}
    return {(trial.network.key, trial.purpose, trial.seed, trial.fidelity): trial.scores for trial in trials}


def recommended(store: Store, job: Job) -> list[Any]:
    state = store.search_state(job.id)
    confirmed = state.scores(purpose=Purpose.CONFIRMATION)
    found = recommend(state.full, confirmed, job.spec.budgets_snt, baselines=job.spec.equal_cost_baselines)
    return [(one.budget_snt, one.solution.grouping, one.verdict) for one in found]


def check(store: Store, clock: Clock, seed: int, strategy: str) -> Fates:
    """A search with faults ends as the one without, and its ledger has every attempt once."""
    calm = submit(store, seed, strategy)
    train(store, calm, clock, 0.0)
    disturbed = submit(store, seed, strategy)
    fates = train(store, disturbed, clock, SHARE)
    assert cells(store, disturbed) == cells(store, calm)
    assert recommended(store, disturbed) == recommended(store, calm)
    trials = store.trials(disturbed.id)
    ledger = store.ledger(disturbed.id)
    assert ledger.trainings == sum(t.attempts for t in trials) == len(trials) + fates.lost + fates.late
    assert (ledger.epochs, ledger.seconds) == (len(trials), float(len(trials)))
    events = [event.kind for event in store.events(disturbed.id, limit=5000)]
    assert events.count("trial_succeeded") == len(trials)
    assert events.count("trial_lost") == fates.lost + fates.late
    return fates


@pytest.fixture
def database(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(sqlite_template, tmp_path / "grouping.db")
    store = open_store(f"sqlite:///{tmp_path / 'grouping.db'}")
    yield store
    store.close()


def test_lost_doubled_and_late_trainings_change_neither_table_nor_ledger_nor_recommendation(
    database: Store, clock: Clock
) -> None:
    total = Fates()
    for seed, strategy in enumerate(("exhaustive", "adaptive")):
        fates = check(database, clock, seed, strategy)
        total.lost += fates.lost
        total.twice += fates.twice
        total.late += fates.late
    assert min(total.lost, total.twice, total.late) > 0, "every fault occurred"
