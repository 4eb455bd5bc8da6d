"""What a job is told about the outcomes that other jobs know."""

from __future__ import annotations

from typing import Any

from grouping.domain.jobs import Job
from grouping.domain.reuse import count_reusable
from grouping.store import Store


def what_is_reusable(store: Store, job: Job) -> dict[str, Any]:
    """How many trainings of the search are known, of how many, and why others know nothing; for an event."""
    known, of = count_reusable(job.spec, store.reusable_trials(job.id))
    obstacles = {source.job_id: source.obstacle for source in store.reuse_sources(job.id) if source.obstacle}
    reason = "; ".join(f"nothing of job {job_id}: {text}" for job_id, text in obstacles.items())
    return {"reusable": known, "of": of, "reason": reason or None}
