"""Report to a job on the outcomes that it can reuse from other jobs."""

from __future__ import annotations

from typing import Any

from grouping.domain.jobs.job import Job
from grouping.domain.jobs.reuse import count_reusable
from grouping.store import Store


def report_reuse(store: Store, job: Job) -> dict[str, Any]:
    """Count trainings known from other jobs, and say why others do not apply; for an event."""
    known, of = count_reusable(job.spec, store.reusable_trials(job.id))
    obstacles = {source.job_id: source.obstacle for source in store.reuse_sources(job.id) if source.obstacle}
    reason = "; ".join(f"nothing of job {job_id}: {text}" for job_id, text in obstacles.items())
    return {"reusable": known, "of": of, "reason": reason or None}
