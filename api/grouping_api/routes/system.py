"""Routes for the service itself: health, readiness, version."""

from __future__ import annotations

from fastapi import APIRouter

from grouping.wire.catalogue import Health, Version
from grouping_api.access import PUBLIC, READ
from grouping_api.dependencies import StoreDep
from grouping_api.errors import problem_responses
from grouping_api.version import program_version

router = APIRouter(tags=["system"])


@router.get("/healthz", summary="Check that the process is alive", dependencies=[PUBLIC])
def get_health() -> Health:
    """Answer without the database; needs no token."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Check that the service can work",
    responses=problem_responses(503),
    dependencies=[PUBLIC],
)
def get_readiness(store: StoreDep) -> Health:
    """Check that the database is available, writable and of the right version; needs no token."""
    store.check_schema()
    store.check_writable()
    return Health(status="ok")


@router.get("/version", summary="Read the version", dependencies=[READ])
def get_version() -> Version:
    """Return the version of the program and of its API."""
    return Version(version=program_version(), api="v1")
