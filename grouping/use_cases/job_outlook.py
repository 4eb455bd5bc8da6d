"""What is still to come in a job: trainings of each phase, time that is left, place in the queue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.trainings.ledgers import Amount
from grouping.domain.trainings.trials import Purpose
from grouping.store import ProgressRow, Store

FEWEST_MEASURED = 3
"""Fewest trainings on whose mean time the time that is left is based."""


@dataclass(frozen=True, slots=True)
class OutlookPhase:
    """The trainings of a job for one purpose.

    Attributes:
        purpose: what they are for.
        finished: number of those that are over, failed and copied ones included.
        least: the fewest that there will be in all.
        most: the most that there will be in all; it never grows while the job runs as it was forecast.
        is_over: whether no more are to come.
    """

    purpose: Purpose
    finished: int
    least: int
    most: int
    is_over: bool

    @property
    def left(self) -> int:
        """The most trainings that are still to come."""
        return 0 if self.is_over else max(0, self.most - self.finished)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is still to come in a job.

    Attributes:
        phases: phases with trainings, in their order.
        seconds_left: about the most seconds that are left, at the pace so far; None where it is not known.
        ahead: number of jobs that are taken before this one; None unless it waits in the queue.
        n_taken: number of jobs that dispatchers hold.
    """

    phases: tuple[OutlookPhase, ...]
    seconds_left: float | None
    ahead: int | None = None
    n_taken: int = 0

    @property
    def now(self) -> OutlookPhase | None:
        """The first phase that is not over; None after the last."""
        return next((phase for phase in self.phases if not phase.is_over), None)


def outlook_of(
    store: Store,
    job: Job,
    rows: Sequence[ProgressRow],
    spent: Amount,
    expected: Mapping[Purpose, tuple[int, int]],
) -> Outlook:
    """Tell what is still to come in a job.

    Args:
        store: store that holds it.
        job: the job.
        rows: numbers of its trials; see `Store.progress`.
        spent: what its trainings have cost.
        expected: the fewest and the most trainings, by purpose; see `expected_trainings`.
    """
    phases = _phases(job, rows, expected)
    left = None if job.state.is_final else _seconds_left(phases, rows, spent)
    if job.state is not JobState.QUEUED or job.is_taken:
        return Outlook(phases, left)
    others = [other for other in store.jobs_under_way() if other.id != job.id]
    waiting = [other for other in others if other.state is JobState.QUEUED and not other.is_taken]
    ahead = sum((other.created_s, other.id) < (job.created_s, job.id) for other in waiting)
    return Outlook(phases, left, ahead, sum(other.is_taken for other in others))


def _phases(
    job: Job, rows: Sequence[ProgressRow], expected: Mapping[Purpose, tuple[int, int]]
) -> tuple[OutlookPhase, ...]:
    found = []
    for purpose in Purpose:
        own = [row for row in rows if row.purpose is purpose]
        bad = sum(row.diverged + row.failed for row in own)
        finished = sum(row.succeeded for row in own) + bad
        planned = finished + sum(row.planned + row.running for row in own)
        least, most = expected.get(purpose, (planned, planned))
        is_over = job.state.is_final or (purpose is Purpose.SEARCH and job.state is JobState.CONFIRMING)
        if is_over:
            least = most = planned
        if most or planned:
            found.append(OutlookPhase(purpose, finished, max(least, planned), max(most, planned), is_over))
    return tuple(found)


def _seconds_left(phases: Sequence[OutlookPhase], rows: Sequence[ProgressRow], spent: Amount) -> float | None:
    """Multiply the mean time of a training by what is left, shared out among as many as run now."""
    n_running = sum(row.running for row in rows)
    n_measured = spent.trainings - n_running  # those that run are charged, and have no seconds yet
    if n_measured < FEWEST_MEASURED or not spent.seconds:
        return None
    left = sum(phase.left for phase in phases)
    return math.ceil(left / max(1, n_running)) * spent.seconds / n_measured
