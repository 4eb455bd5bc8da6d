"""The button that submits the job which measures the pairs that an affinity matrix lacks."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse

from grouping.use_cases.submit import request_digest, submit
from grouping_api.dependencies import ReadingsDep, StoreDep

router = APIRouter(include_in_schema=False)


@router.post("/score-tables/{table_id}/pairs", response_model=None)
def measure_pairs(table_id: str, store: StoreDep, readings: ReadingsDep) -> RedirectResponse:
    """Submit the job and go to its page; back to the matrix, which says why, where there is none to submit.

    The same table sent twice makes one job.
    """
    info = readings.info(table_id)
    plan = readings.pair_plan(info)
    if plan is None or plan.request is None:
        return RedirectResponse(f"/score-tables/{info.id}/affinity?method=pairwise", 303)
    job, _ = submit(store, plan.request, f"pairs-{info.id}-{request_digest(plan.request)}")
    return RedirectResponse(f"/jobs/{job.id}", 303)
