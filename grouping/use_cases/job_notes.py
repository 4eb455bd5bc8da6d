"""What users should know of a job, beside its state: read from its trainings."""

from __future__ import annotations

import time
from collections.abc import Sequence

from grouping.domain.jobs.advice import job_notes
from grouping.domain.jobs.job import Job
from grouping.store import ProgressRow
from grouping.trainers import trainer_class

STARTING_S = 15.0
"""Seconds in which a dispatcher may still be starting, as beside a service that was just started."""


def notes_of(job: Job, rows: Sequence[ProgressRow], n_dispatchers: int) -> tuple[str, ...]:
    """Say what is missing in a job, or what it waits for.

    Args:
        job: the job.
        rows: numbers of its trials; see `Store.progress`.
        n_dispatchers: number of dispatchers at work; see `Store.count_dispatchers`.
    """
    return job_notes(
        job,
        n_waiting=sum(row.planned for row in rows),
        n_running=sum(row.running for row in rows),
        n_failed=sum(row.failed for row in rows),
        trains_elsewhere=trainer_class(job.spec.trainer).trains_elsewhere,
        lacks_dispatcher=not n_dispatchers and time.time() - job.created_s > STARTING_S,
    )
