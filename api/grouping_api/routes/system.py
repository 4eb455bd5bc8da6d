"""The service itself: is it alive, is it ready, which version."""

from __future__ import annotations

from fastapi import APIRouter

from grouping.wire.catalogue import Health, Version
from grouping_api.dependencies import StoreDep
from grouping_api.errors import problem_responses
from grouping_api.version import program_version

router = APIRouter(tags=["system"])


@router.get("/healthz", operation_id="getHealth", summary="Is the process alive")
def get_health() -> Health:
    """Answers without the database; needs no token."""
    return Health(status="ok")


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Can it work",
    responses=problem_responses(503),
)
def get_readiness(store: StoreDep) -> Health:
    """Whether the database is there, writable and of the right version; needs no token."""
    store.check_schema()
    store.check_writable()
    return Health(status="ok")


@router.get("/version", operation_id="getVersion", summary="Which version runs here")
def get_version() -> Version:
    """The version of the program and of its API."""
    return Version(version=program_version(), api="v1")
