"""Routes for the service itself: health, readiness, version."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from grouping.wire.catalogue import Health, Readiness, Version
from grouping_api.access import PUBLIC, READ
from grouping_api.dependencies import MetricsDep, StoreDep
from grouping_api.errors import problem_responses
from grouping_api.version import program_version

router = APIRouter(tags=["system"])


@router.get("/healthz", summary="Check that the process is alive", dependencies=[PUBLIC])
async def get_health() -> Health:
    """Answer without the database and without a thread; needs no token."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Check that the service can work",
    responses=problem_responses(503),
    dependencies=[PUBLIC],
)
def get_readiness(store: StoreDep) -> Readiness:
    """Check that the database is available, writable and of the right version; needs no token.

    It is ready without any dispatcher: jobs are accepted, and wait.
    """
    store.check_schema()
    store.check_writable()
    return Readiness(status="ok", dispatchers=store.count_dispatchers())


@router.get(
    "/metrics",
    summary="Read the metrics for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
    dependencies=[READ],
)
def get_metrics(metrics: MetricsDep) -> Response:
    """Return requests, queues, memory of this process, and jobs, trials and dispatchers of the database.

    Without the database the rest is told, and `grouping_database_up` is 0.
    """
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/version", summary="Read the version", dependencies=[READ])
def get_version() -> Version:
    """Return the version of the program and of its API."""
    return Version(version=program_version(), api="v1")


@router.get("/v1/openapi.json", include_in_schema=False, dependencies=[READ])
async def get_description(request: Request) -> JSONResponse:
    """Return the description of the API, OpenAPI 3.1."""
    return JSONResponse(request.app.openapi())
