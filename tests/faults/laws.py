"""What must hold of a job whatever died while it ran, beside one that nothing disturbed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.trainings.trials import TrialState
from grouping.scratch import scratch_folder
from grouping.store import Store
from tests.patience import wait_for


def cells(store: Store, job: Job) -> dict[Any, Any]:
    """Every score of a job, by what was trained."""
    return {(t.network, t.purpose, t.seed, t.fidelity): t.scores for t in store.trials(job.id)}


def assert_as_undisturbed(store: Store, job: Job, reference: Job) -> None:
    """The job ended well with the same table, and trained nothing twice that was finished."""
    ended = store.get_job(job.id)
    assert ended.state is JobState.SUCCEEDED, (ended.state, ended.error)
    assert ended.stop_reason is reference.stop_reason
    assert cells(store, job) == cells(store, reference)
    trials = store.trials(job.id)
    assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}
    events = store.events(job.id, limit=10_000)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    finished = Counter(event.data["trial"] for event in events if event.kind == "trial_succeeded")
    assert finished == Counter(trial.id for trial in trials)
    ledger = store.ledger(job.id)
    assert ledger.trainings == sum(trial.attempts for trial in trials)


def assert_nothing_left(folder: Path) -> None:
    """No process of the scene in this folder lives on, and none of their folders stays when others start."""
    wait_for(lambda: not _processes_of(folder), f"the end of all processes of {folder}", 60)
    temporary = folder / "tmp"
    for prefix in {f"{path.name.rpartition('-')[0]}-" for path in temporary.glob("grouping-*-*")}:
        with scratch_folder(prefix, temporary):
            pass
    assert not list(temporary.glob("grouping-*"))


def _processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that were started in a scene, whosever children they are now."""
    mark = f"FAULTS_FOLDER={folder}".encode()
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def assert_consistent(database: Path) -> None:
    """The SQLite file is whole, and every row that names another finds it."""
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()
