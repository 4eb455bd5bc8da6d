"""The button that submits the job which measures the pairs that an affinity matrix lacks."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse

from grouping.domain.affinity_methods import DEFAULT_METHOD
from grouping_api.dependencies import ReadingsDep, StoreDep
from grouping_api.submission import build_spec, request_digest

router = APIRouter(include_in_schema=False)


@router.post("/score-tables/{table_id}/pairs", response_model=None)
def measure_pairs(table_id: str, store: StoreDep, readings: ReadingsDep) -> RedirectResponse:
    """Submit the job and go to its page; back to the matrix, which says why, where there is none to submit.

    The same table sent twice makes one job.
    """
    info = readings.info(table_id)
    plan = readings.pair_plan(info, DEFAULT_METHOD)
    if plan is None or plan.request is None:
        return RedirectResponse(f"/score-tables/{info.id}/affinity?method=pairwise", 303)
    spec, tasks = build_spec(plan.request)
    digest = request_digest(plan.request)
    job, _ = store.create_job(spec, tasks, idempotency_key=f"pairs-{info.id}-{digest}", request_digest=digest)
    return RedirectResponse(f"/jobs/{job.id}", 303)
