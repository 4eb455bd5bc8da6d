"""Route that sends the recommended networks of a job as a bundle."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from grouping.artefacts.kept import LearnedRows
from grouping.use_cases.bundles import KeptBundle, require_bundle
from grouping.use_cases.finish import recommended
from grouping_api.access import READ
from grouping_api.dependencies import JobId, SettingsDep, StoreDep, TableQueriesDep, budget_of
from grouping_api.errors import problem_responses
from grouping_api.streams import HeldStream
from grouping_api.turns import IN_TURN, TurnRoute
from grouping_api.uploads import attachment, safe_file_name

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=TurnRoute)

SENDING_LIMIT_S = 3600.0
"""Seconds after which a bundle that is read too slowly is cut off."""


@router.get(
    "/{job_id}/bundle",
    summary="Download the recommended networks as a bundle",
    response_class=Response,
    responses={
        200: {
            "description": "A ZIP archive with the folder `bundle`.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problem_responses(404, 409, 422, 503),
    },
    dependencies=[READ, IN_TURN],
)
async def download_bundle(
    job_id: JobId,
    request: Request,
    store: StoreDep,
    queries: TableQueriesDep,
    settings: SettingsDep,
    budget_snt: Annotated[
        str | None,
        Query(max_length=50, description="Inference budget; that of the job, if it has one only."),
    ] = None,
    rows: Annotated[
        LearnedRows | None, Query(description="Rows that its networks were trained on; any unless given.")
    ] = None,
) -> Response:
    """Return the networks that are recommended within a budget as a folder that predicts.

    They are those that `grouping finish` has kept; without them the answer is 409 and says what to call.
    """
    budget = budget_of("budget_snt", budget_snt) if budget_snt else None

    def find() -> tuple[str, KeptBundle]:
        found = recommended(store, job_id, budget, queries)
        bundle = require_bundle(settings.kept, found.job, found.budget_snt, found.grouping, rows)
        return f"{found.job.name} {found.budget_snt:g}", bundle

    name, bundle = await run_in_threadpool(find)
    held = AsyncExitStack()
    await held.enter_async_context(request.app.state.bundle_places.let_in())
    return HeldStream(
        bundle.zipped(),
        held,
        media_type="application/zip",
        headers=attachment(safe_file_name(f"{name} bundle", "bundle", "zip")),
        limit_s=SENDING_LIMIT_S,
    )
