"""Strategies and trainers that die or hang: their job fails after its attempts, and other jobs go on."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.trainings.faults import Fault
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialState
from grouping.store import Store
from grouping.trainers import Trainer
from tests.patience import wait_for
from tests.plug_ins import write_distribution
from tests.recipes import by
from tests.services import descendants, dispatcher, small_spec, submit, wait_until_final

pytestmark = pytest.mark.slow

STRATEGIES = """
import os
import time
from dataclasses import dataclass
from typing import ClassVar

from grouping.strategies import LossEstimate, Proposal


@dataclass(frozen=True)
class _Bad:
    lists_candidates: ClassVar[bool] = False
    title: ClassVar[str] = "Bad"
    description: ClassVar[str] = "Does what no strategy should."

    def estimate(self, evidence):
        return LossEstimate.of_measured(evidence.full)


class Exits(_Bad):
    name: ClassVar[str] = "exits"

    def ask(self, evidence, choose):
        os._exit(7)


class Hangs(_Bad):
    name: ClassVar[str] = "hangs"

    def ask(self, evidence, choose):
        time.sleep(3600)


class Raises(_Bad):
    name: ClassVar[str] = "raises"

    def ask(self, evidence, choose):
        raise KeyError("nothing")
"""
STALLS = """
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Stalls:
    name: ClassVar[str] = "stalls"
    title: ClassVar[str] = "Stalls"
    description: ClassVar[str] = "Never begins to train more than one task."
    source: ClassVar[str] = "None."
    implementation: ClassVar[str] = "stalling:StallsWeighting"
"""
DIES = STALLS.replace("Stalls", "Dies").replace("stalls", "dies").replace("stalling", "dying")
STALLING = """
import subprocess
import time

import torch
from grouping.training.weighting.weighting import Weighting


class StallsWeighting(Weighting):
    def __init__(self, context, parameters):
        super().__init__(context)
        if context.n_tasks > 1:
            subprocess.Popen(["sleep", "3599"])
            time.sleep(3600)

    def weights(self, step):
        return torch.ones_like(step.losses)
"""
DYING = """
import os

import torch
from grouping.training.weighting.weighting import Weighting


class DiesWeighting(Weighting):
    def __init__(self, context, parameters):
        super().__init__(context)
        if context.n_tasks > 1:
            os._exit(3)

    def weights(self, step):
        return torch.ones_like(step.losses)
"""
POINTS = "\n".join(
    ["[mtl_grouping.strategies]", *(f"{name.lower()} = bad:{name}" for name in ("Exits", "Hangs", "Raises"))]
)


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    write_distribution(site, "bad", STRATEGIES, POINTS)
    write_distribution(site, "stalls", STALLS, "[mtl_grouping.weighting]\nstalls = stalls:Stalls")
    (site / "stalling.py").write_text(STALLING)
    write_distribution(site, "dies", DIES, "[mtl_grouping.weighting]\ndies = dies:Dies")
    (site / "dying.py").write_text(DYING)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)


def with_strategy(name: str) -> JobSpec:
    """A small job with one of the bad strategies."""
    return replace(small_spec(), strategy=name, strategy_parameters={})


def _sleeping(seconds: str) -> list[int]:
    """Processes that sleep for so many seconds."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cmdline").read_bytes().split(b"\0")[:2] == [b"sleep", seconds.encode()]:
                    found.append(int(entry.name))
    return found


def interruptions(store: Store, job: Job) -> list[str]:
    """What the history of a job says about the ends of its processes."""
    return [str(e.data["reason"]) for e in store.events(job.id) if e.kind == "job_interrupted"]


def test_a_strategy_that_kills_its_process_fails_its_job_and_no_other(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    bad = submit(store, with_strategy("exits"))
    good = submit(store, small_spec())
    with dispatcher(sqlite_url, tmp_path / "log"):
        assert wait_until_final(store, good).state is JobState.SUCCEEDED
        failed = wait_until_final(store, bad)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert "ended 5 times in a row" in failed.error
    assert "exit status 7" in failed.error
    assert len(interruptions(store, bad)) == 5
    assert interruptions(store, good) == []


def test_a_strategy_that_hangs_is_ended_and_counted_and_one_that_raises_fails_at_once(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    hanging = submit(store, with_strategy("hangs"))
    raising = submit(store, with_strategy("raises"))
    with dispatcher(sqlite_url, tmp_path / "log", "--plan-s", "2") as process:
        failed = wait_until_final(store, raising)
        assert (failed.state, interruptions(store, raising)) == (JobState.FAILED, [])
        wait_for(lambda: len(interruptions(store, hanging)) >= 2, "the second interruption")
        store.request_cancel(hanging.id)
        assert wait_until_final(store, hanging).state is JobState.CANCELLED
        wait_for(
            lambda: not any("TrainingActor.train" in c for c in descendants(process.pid).values()),
            "the end of trainings",
        )
    assert set(interruptions(store, hanging)) == {"Planning took longer than 2 s."}


def test_a_training_that_hangs_or_ends_its_worker_is_given_up_alone_and_its_job_does_without_it(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=3, weighting=Method("stalls", {}))
    spec = replace(
        small_spec(tasks=("digit", "loop"), budgets_snt=(2.0,), n_seeds=1, n_confirmation_seeds=0),
        trainer_parameters=by(recipe),
    )
    stating = submit(store, replace(spec, deadline_s=2.0))
    unsaid = submit(store, spec)
    dying = submit(store, replace(spec, trainer_parameters=by(replace(recipe, weighting=Method("dies", {})))))
    with dispatcher(sqlite_url, tmp_path / "log", "--train-s", "3"):
        jobs = [wait_until_final(store, job) for job in (stating, unsaid)]
        wait_for(lambda: not _sleeping("3599"), "the end of what they started")
        dead = wait_until_final(store, dying)
    assert (dead.state, dead.missing.count) == (JobState.SUCCEEDED, 1)
    (missing,) = dead.missing.trainings
    assert (missing.network, missing.fault) == ("digit+loop", Fault.USER)
    assert "while nothing else of the job was in training" in missing.error
    lost = [e.data["is_quarantined"] for e in store.events(dying.id, limit=500) if e.kind == "trial_lost"]
    assert lost[-Trainer.max_attempts - 1 :] == [True] * Trainer.max_attempts + [False]
    succeeded = store.trials(dying.id, states={TrialState.SUCCEEDED})
    assert {trial.network.name() for trial in succeeded} == {"digit@0.5", "loop@0.5", "digit", "loop"}
    for job, deadline in zip(jobs, ("2 s", "3 s"), strict=True):
        assert job.state is JobState.SUCCEEDED, "the job goes on with what it has"
        trials = {trial.network.name(): trial for trial in store.trials(job.id)}
        assert {name: trial.state for name, trial in trials.items()} == {
            "digit@0.5": TrialState.SUCCEEDED,
            "loop@0.5": TrialState.SUCCEEDED,
            "digit": TrialState.SUCCEEDED,
            "loop": TrialState.SUCCEEDED,
            "digit+loop": TrialState.FAILED,
        }
        assert trials["digit+loop"].error == f"It was ended at its deadline of {deadline}."
        assert [one.fault for one in job.missing.trainings] == [Fault.DEADLINE]
        assert store.ledger(job.id).trainings == sum(trial.attempts for trial in trials.values())
        assert trials["digit+loop"].attempts == 2, "first with others, which were no cause, and then alone"


def test_a_busy_process_does_not_keep_a_cancelled_job(store: Store, sqlite_url: str, tmp_path: Path) -> None:
    job = submit(store, with_strategy("hangs"))
    with dispatcher(sqlite_url, tmp_path / "log"):
        wait_for(lambda: store.get_job(job.id).state is JobState.RUNNING, "the search")
        store.request_cancel(job.id)
        wait_for(lambda: store.get_job(job.id).state is JobState.CANCELLED, "the cancellation", 30.0)
    assert interruptions(store, job) == []
