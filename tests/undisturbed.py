"""A small job that nothing disturbed, and what a disturbed one must have in common with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grouping.domain.jobs import Job, JobState
from grouping.store import Store, open_store
from tests.services import dispatcher, small_spec, submit, wait_until_final
from workers.stacks import FIRST_STACK
from workers.training_queue import PREFETCH

SPEC = small_spec(epochs=40)
WORKERS = 2
STACK = FIRST_STACK
"""The most trials that are trained together here, and so lost with one worker."""
IN_FLIGHT = STACK * (WORKERS + PREFETCH)
"""Trials that may be lost with the driver: a stack per worker, and one that waits there."""


@contextmanager
def undisturbed_job(folder: Path, migrated: Path) -> Iterator[tuple[Store, Job]]:
    """The finished job in a database of its own, a copy of an SQLite file that is migrated."""
    path = folder / "grouping.db"
    path.write_bytes(migrated.read_bytes())
    store = open_store(f"sqlite:///{path}")
    job = submit(store, SPEC)
    with dispatcher(f"sqlite:///{path}", folder / "log"):
        assert wait_until_final(store, job).state is JobState.SUCCEEDED
    yield store, job
    store.close()


def assert_undamaged(store: Store, job: Job, undisturbed: tuple[Store, Job], *, may_lose: int) -> None:
    """The scores are those of the undisturbed job, and no more than `may_lose` trainings were repeated."""
    reference, reference_job = undisturbed
    expected = {
        (t.network, t.purpose, t.seed, t.fidelity): t.scores for t in reference.trials(reference_job.id)
    }
    trials = store.trials(job.id)
    assert {(t.network, t.purpose, t.seed, t.fidelity): t.scores for t in trials} == expected
    assert store.get_job(job.id).state is JobState.SUCCEEDED
    assert sum(t.attempts for t in trials) - len(trials) <= may_lose
    numbers = [event.number for event in store.events(job.id, limit=10_000)]
    assert numbers == list(range(1, len(numbers) + 1))
