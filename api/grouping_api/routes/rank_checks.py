"""Whether the early losses of a job are to be trusted."""

from __future__ import annotations

from fastapi import APIRouter

from grouping.wire.rank_checks import RankCheckOut
from grouping_api.dependencies import ReadingsDep, StoreDep
from grouping_api.errors import problem_responses

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/rank-check",
    summary="Whether early losses rank the networks of each task",
    responses=problem_responses(404),
)
def get_rank_check(job_id: str, store: StoreDep, readings: ReadingsDep) -> RankCheckOut:
    """Compare early and full losses task by task, over the networks trained at both lengths so far.

    For strategies with short passes, such as `esa` and `continuation`; others have no such networks.
    """
    job = store.get_job(job_id)
    return RankCheckOut.read(readings.rank_check(readings.info(job.score_table_id)), job_id=job.id)
