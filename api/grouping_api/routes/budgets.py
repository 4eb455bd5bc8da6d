"""Routes for the cost of jobs: estimates before, ledgers after, and clones that train only what differs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from grouping.domain.jobs.job import Job
from grouping.use_cases.clone import clone, estimate_clone
from grouping.use_cases.estimate import estimate
from grouping.use_cases.ledger import tell_ledger
from grouping.wire.estimates import EstimateOut
from grouping.wire.jobs import JobOut
from grouping.wire.ledgers import JobLedgerOut
from grouping.wire.requests import EXAMPLE, CloneRequest, JobRequest
from grouping_api.access import READ, SUBMIT, Granted
from grouping_api.dependencies import IdempotencyKey, JobId, PageSize, StoreDep, location_of, tell_location
from grouping_api.errors import problem_responses
from grouping_api.json_body import StrictJsonRoute

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictJsonRoute)

LedgerToken = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,9}$", description="`next_page_token` of the previous page.")
]
NumberOfWorkers = Annotated[
    int | None,
    Query(ge=1, le=100_000, description="Number of trainings at the same time, for the wall time."),
]


@router.post(
    "/estimate",
    summary="Estimate what a job would cost",
    responses=problem_responses(413, 415, 422, 503),
    dependencies=[READ],
)
def estimate_job(
    request: Annotated[
        JobRequest,
        Body(openapi_examples={"digits": {"summary": "Search on built-in data", "value": EXAMPLE}}),
    ],
    store: StoreDep,
    workers: NumberOfWorkers = None,
) -> EstimateOut:
    """Estimate trainings, epochs and time of a search before it is submitted; nothing is stored.

    Where the number of trainings depends on scores, there is a lower and an upper bound. Times are based on
    finished trainings in this database; without any they are null.
    """
    return estimate(request, store, n_workers=workers)


@router.get(
    "/{job_id}/ledger",
    summary="Read what a job has spent and saved",
    responses=problem_responses(404, 422),
    dependencies=[READ],
)
def get_job_ledger(
    job_id: JobId, store: StoreDep, page_size: PageSize, page_token: LedgerToken = None
) -> JobLedgerOut:
    """Return trainings by network and purpose, totals, reuse, and savings against an exhaustive search."""
    after = None if page_token is None else int(page_token)
    return tell_ledger(store, job_id, limit=page_size, after=after)


@router.post(
    "/{job_id}/clone",
    status_code=202,
    summary="Clone a job, and train only what differs",
    response_model=JobOut,
    responses={**location_of(202, "job"), **problem_responses(403, 404, 413, 415, 422, 503)},
    dependencies=[SUBMIT],
)
def clone_job(
    job_id: JobId,
    request: Annotated[
        CloneRequest,
        Body(
            openapi_examples={"task": {"summary": "With one more task", "value": {"add_tasks": ["rotation"]}}}
        ),
    ],
    response: Response,
    store: StoreDep,
    granted: Granted,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Submit a copy of a job with other tasks, budgets, strategy or seeds; unchanged outcomes are copied."""
    job, is_new = clone(store, job_id, request, idempotency_key, granted=granted)
    tell_location(response, f"/v1/jobs/{job.id}", is_new=is_new)
    return job


@router.post(
    "/{job_id}/clone/estimate",
    summary="Estimate what a clone of a job would cost",
    responses=problem_responses(404, 413, 415, 422, 503),
    dependencies=[READ],
)
def estimate_clone_of_job(
    job_id: JobId,
    request: Annotated[
        CloneRequest,
        Body(
            openapi_examples={"task": {"summary": "With one more task", "value": {"add_tasks": ["rotation"]}}}
        ),
    ],
    store: StoreDep,
    workers: NumberOfWorkers = None,
) -> EstimateOut:
    """Estimate trainings, epochs and time of a clone, less the outcomes that it copies; nothing is stored."""
    return estimate_clone(store, job_id, request, n_workers=workers)
