"""What a job would cost and what it has cost; jobs like others, which cost only what differs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from grouping.domain.jobs import Job
from grouping.errors import InvalidInputError
from grouping.store import Store, count_reusable
from grouping.wire.amounts import ReuseOut
from grouping.wire.estimates import EstimateOut
from grouping.wire.jobs import JobOut
from grouping.wire.ledgers import JobLedgerOut
from grouping.wire.requests import EXAMPLE, CloneRequest, JobRequest
from grouping_api.cloning import request_of_clone
from grouping_api.dependencies import IdempotencyKey, PageSize, StoreDep
from grouping_api.errors import problem_responses
from grouping_api.estimating import estimate
from grouping_api.job_estimates import JobEstimate, reuse_of
from grouping_api.json_body import StrictJsonRoute
from grouping_api.ledgers import read_ledger
from grouping_api.submission import build_spec, check_reused, digest_of

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictJsonRoute)

LedgerToken = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,9}$", description="`next_page_token` of the page before.")
]
NumberOfWorkers = Annotated[
    int | None, Query(ge=1, le=100_000, description="Trainings at the same time, for the wall time.")
]


@router.post(
    "/estimate",
    operation_id="estimateJob",
    summary="What a job would cost",
    response_model=EstimateOut,
    responses=problem_responses(413, 415, 422, 503),
)
def estimate_job(
    request: Annotated[
        JobRequest,
        Body(openapi_examples={"digits": {"summary": "Search on built-in data", "value": EXAMPLE}}),
    ],
    store: StoreDep,
    workers: NumberOfWorkers = None,
) -> JobEstimate:
    """Trainings, epochs and time of a search before it is submitted; nothing is stored.

    Where the number of trainings depends on scores, there is a least and a most. Times rest on finished
    trainings in this database, or are null.
    """
    spec, tasks = build_spec(request)
    check_reused(store, spec)
    return estimate(store, spec, tasks, n_workers=workers)


@router.get(
    "/{job_id}/ledger",
    operation_id="getJobLedger",
    summary="What a job has spent and saved",
    responses=problem_responses(404, 422),
)
def get_ledger(
    job_id: str, store: StoreDep, page_size: PageSize, page_token: LedgerToken = None
) -> JobLedgerOut:
    """Trainings by network and purpose, totals, what was reused, and what was saved against exhaustive."""
    job = store.get_job(job_id)
    after = None if page_token is None else int(page_token)
    items, following = store.network_spending(job_id, limit=page_size, after=after)
    return JobLedgerOut.read(
        read_ledger(store, job),
        reuse=_reusable(store, job),
        items=items,
        next_page_token=None if following is None else str(following),
    )


@router.post(
    "/{job_id}/clone",
    status_code=202,
    operation_id="cloneJob",
    summary="Submit a job like another, and train only what differs",
    response_model=JobOut,
    responses={
        202: {"headers": {"Location": {"description": "Where the job is.", "schema": {"type": "string"}}}},
        **problem_responses(404, 413, 415, 422, 503),
    },
)
def clone_job(
    job_id: str,
    request: Annotated[
        CloneRequest,
        Body(
            openapi_examples={"task": {"summary": "With one more task", "value": {"add_tasks": ["rotation"]}}}
        ),
    ],
    response: Response,
    store: StoreDep,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Add or drop tasks, or change budgets, strategy or seeds; outcomes that stay the same are copied."""
    source = store.get_job(job_id)
    spec, tasks = build_spec(_pointed(source, request))
    digest = digest_of({"clone": source.id, **request.model_dump(mode="json")})
    job, is_new = store.create_job(spec, tasks, idempotency_key=idempotency_key, request_digest=digest)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Idempotency-Replayed"] = "false" if is_new else "true"
    return job


def _pointed(source: Job, request: CloneRequest) -> JobRequest:
    """The submission, with an unknown task pointed at where it was named."""
    made = request_of_clone(source, request)
    try:
        build_spec(made)
    except InvalidInputError as error:
        _, _, position = error.pointer.partition("/tasks/")
        n_kept = len(made.tasks or ()) - len(request.add_tasks)
        if position.isdigit() and int(position) >= n_kept:
            error.pointer = f"/add_tasks/{int(position) - n_kept}"
        raise
    return made


def _reusable(store: Store, job: Job) -> ReuseOut | None:
    if not job.spec.reuse_jobs:
        return None
    counted = count_reusable(job.spec, store.reusable_trials(job.id))
    return reuse_of(*counted, store.reuse_sources(job.id))
