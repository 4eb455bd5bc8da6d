"""Whether the early losses of a job are to be trusted."""

from __future__ import annotations

from fastapi import APIRouter

from grouping.domain.recipes import EARLY_FIDELITY
from grouping.store import TableInfo
from grouping.strategies.prediction.rank_check import RankCheck, check_ranks
from grouping.wire.rank_checks import RankCheckOut
from grouping_api.dependencies import ReadingsDep, StoreDep
from grouping_api.errors import problem_responses
from grouping_api.readings import Readings

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


def rank_check_of(readings: Readings, info: TableInfo) -> RankCheck:
    """Compare the short passes of a table with its full trainings."""
    return check_ranks(readings.table(info, fidelity=EARLY_FIDELITY), readings.table(info))


@router.get(
    "/{job_id}/rank-check",
    operation_id="getRankCheck",
    summary="Whether early losses rank the networks of each task",
    responses=problem_responses(404),
)
def get_rank_check(job_id: str, store: StoreDep, readings: ReadingsDep) -> RankCheckOut:
    """Compare early and full losses task by task, over the networks trained at both lengths so far.

    For strategies with short passes, such as `esa` and `continuation`; others have no such networks.
    """
    job = store.get_job(job_id)
    return RankCheckOut.read(rank_check_of(readings, readings.info(job.score_table_id)), job_id=job.id)
