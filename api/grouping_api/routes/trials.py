"""Routes for single trials of a job: what a training tells while it runs."""

from __future__ import annotations

from fastapi import APIRouter

from grouping.wire.jobs import TrialLogOut, TrialProgressOut
from grouping_api.access import READ
from grouping_api.dependencies import JobId, StoreDep, TrialId
from grouping_api.errors import problem_responses

router = APIRouter(prefix="/v1/jobs/{job_id}/trials/{trial_id}", tags=["jobs"])


@router.get(
    "/progress",
    summary="Read the learning curves of a training",
    responses=problem_responses(404),
    dependencies=[READ],
)
def get_trial_progress(job_id: JobId, trial_id: TrialId, store: StoreDep) -> TrialProgressOut:
    """Return the points that the training told so far; those of its last attempt."""
    return TrialProgressOut.read(items=store.trial_progress(job_id, trial_id))


@router.get(
    "/log", summary="Read the log of a training", responses=problem_responses(404), dependencies=[READ]
)
def get_trial_log(job_id: JobId, trial_id: TrialId, store: StoreDep) -> TrialLogOut:
    """Return what the training has printed so far; trainers that print nothing have empty logs."""
    return TrialLogOut.read(store.trial_log(job_id, trial_id))
