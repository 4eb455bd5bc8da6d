"""Strategies and trainers that die or hang: their job fails after its attempts, and other jobs go on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from grouping.domain.jobs import Job, JobSpec, JobState
from grouping.store import Store
from tests.patience import wait_for
from tests.plug_ins import write_distribution
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
POINTS = "\n".join(
    ["[mtl_grouping.strategies]", *(f"{name.lower()} = bad:{name}" for name in ("Exits", "Hangs", "Raises"))]
)


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    write_distribution(site, "bad", STRATEGIES, POINTS)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)


def with_strategy(name: str) -> JobSpec:
    """A small job with one of the bad strategies."""
    return replace(small_spec(), strategy=name, strategy_parameters={})


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


def test_a_busy_process_does_not_keep_a_cancelled_job(store: Store, sqlite_url: str, tmp_path: Path) -> None:
    job = submit(store, with_strategy("hangs"))
    with dispatcher(sqlite_url, tmp_path / "log"):
        wait_for(lambda: store.get_job(job.id).state is JobState.RUNNING, "the search")
        store.request_cancel(job.id)
        wait_for(lambda: store.get_job(job.id).state is JobState.CANCELLED, "the cancellation", 30.0)
    assert interruptions(store, job) == []
