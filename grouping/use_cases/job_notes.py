"""What users should know of a job, beside its state: read from its trainings."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.domain.job_notes import job_notes
from grouping.domain.jobs import Job
from grouping.store import ProgressRow
from grouping.trainers import trainer_class


def notes_of(job: Job, rows: Sequence[ProgressRow]) -> tuple[str, ...]:
    """Say what is missing in a job, or what it waits for.

    Args:
        job: the job.
        rows: numbers of its trials; see `Store.progress`.
    """
    return job_notes(
        job,
        n_waiting=sum(row.planned for row in rows),
        n_running=sum(row.running for row in rows),
        n_failed=sum(row.failed for row in rows),
        trains_elsewhere=trainer_class(job.spec.trainer).trains_elsewhere,
    )
