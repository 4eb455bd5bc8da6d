"""Routes that have the recommended networks of a job made to a bundle, and send it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from grouping.artefacts.finishing import MAX_LICENCE, MAX_SEEDS, Finish
from grouping.artefacts.kept import LearnedRows
from grouping.use_cases.artefacts import artefacts_of
from grouping.use_cases.bundles import KeptBundle, ask_to_finish, require_bundle
from grouping.use_cases.finish import recommended
from grouping.wire.artefacts import ArtefactList
from grouping.wire.base_types import PlainText
from grouping.wire.finishes import FinishList, FinishOut
from grouping_api.access import READ, SUBMIT
from grouping_api.dependencies import (
    FinishId,
    JobId,
    SettingsDep,
    StoreDep,
    TableQueriesDep,
    budget_of,
    location_of,
    tell_location,
)
from grouping_api.errors import problem_responses
from grouping_api.streams import HeldStream
from grouping_api.turns import IN_TURN, TurnRoute
from grouping_api.uploads import attachment, safe_file_name

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=TurnRoute)

SENDING_LIMIT_S = 3600.0
"""Seconds after which a bundle that is read too slowly is cut off."""


BudgetQuery = Annotated[
    str | None,
    Query(max_length=50, description="Inference budget; that of the job, if it has one only."),
]


@router.post(
    "/{job_id}/finishes",
    status_code=202,
    summary="Have the recommended networks trained once more, and kept as a bundle",
    response_model=FinishOut,
    responses={**location_of(202, "finish"), **problem_responses(404, 409, 422, 503)},
    dependencies=[SUBMIT, IN_TURN],
)
def ask_for_bundle(
    job_id: JobId,
    response: Response,
    store: StoreDep,
    queries: TableQueriesDep,
    settings: SettingsDep,
    budget_snt: BudgetQuery = None,
    rows: Annotated[
        LearnedRows,
        Query(description="Rows to train on: those of the search, or also the validation rows."),
    ] = LearnedRows.TRAIN,
    seeds: Annotated[
        int | None,
        Query(
            ge=1, le=MAX_SEEDS, description="Trainings of each network; as many as confirmed it unless given."
        ),
    ] = None,
    again: Annotated[bool, Query(description="Train them again, also where they are kept.")] = False,
    licence: Annotated[
        PlainText,
        Query(max_length=MAX_LICENCE, description="What is known of the licence of the data; a note in it."),
    ] = "",
) -> Finish:
    """Accept it; a dispatcher trains the networks as the search did, and keeps them as a bundle.

    Read how far it is at `Location`; once it has succeeded, `GET .../bundle` sends it. The same again while
    it is under way changes nothing. Networks that are kept with as many seeds are not trained again.
    """
    budget = budget_of("budget_snt", budget_snt) if budget_snt else None
    found, is_new = ask_to_finish(
        store,
        queries,
        settings.kept,
        job_id,
        budget,
        rows=rows,
        n_seeds=seeds,
        is_again=again,
        licence=licence,
    )
    tell_location(response, f"/v1/jobs/{job_id}/finishes/{found.id}", is_new=is_new)
    return found


@router.get(
    "/{job_id}/finishes",
    summary="List the bundles that were asked for",
    responses=problem_responses(404),
    dependencies=[READ],
)
def list_finishes(job_id: JobId, store: StoreDep) -> FinishList:
    """Return what was asked for, and how far it is; of each budget and kind of rows the latest."""
    return FinishList.read(items=store.finishes(job_id))


@router.get(
    "/{job_id}/finishes/{finish_id}",
    summary="Read how far a bundle is",
    response_model=FinishOut,
    responses=problem_responses(404),
    dependencies=[READ],
)
def get_finish(job_id: JobId, finish_id: FinishId, store: StoreDep) -> Finish:
    """Return what was asked for, and how far it is."""
    return store.get_finish(job_id, finish_id)


@router.post(
    "/{job_id}/finishes/{finish_id}/cancel",
    status_code=202,
    summary="Cancel the making of a bundle",
    response_model=FinishOut,
    responses=problem_responses(404, 409),
    dependencies=[SUBMIT],
)
def cancel_finish(job_id: JobId, finish_id: FinishId, store: StoreDep) -> Finish:
    """End it; its process ends within seconds. The same again changes nothing."""
    return store.cancel_finish(job_id, finish_id)


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
    budget_snt: BudgetQuery = None,
    rows: Annotated[
        LearnedRows | None, Query(description="Rows that its networks were trained on; any unless given.")
    ] = None,
) -> Response:
    """Return the networks that are recommended within a budget as a folder that predicts.

    They are those that `POST .../finishes` or `grouping finish` has kept; without them the answer is 409
    and says what to call.
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


@router.get(
    "/{job_id}/artefacts",
    summary="List what the trainer has kept of the recommended networks",
    responses=problem_responses(404, 409, 422, 503),
    dependencies=[READ, IN_TURN],
)
def list_artefacts(
    job_id: JobId, store: StoreDep, queries: TableQueriesDep, budget_snt: BudgetQuery = None
) -> ArtefactList:
    """Return the artefacts that trainings of the recommended networks told of, by network.

    The built-in trainer tells of none: its networks are downloaded as a bundle.
    """
    budget = budget_of("budget_snt", budget_snt) if budget_snt else None
    found = recommended(store, job_id, budget, queries)
    items = artefacts_of(store, found.job, found.grouping)
    return ArtefactList.read(tasks=found.grouping.tasks, budget_snt=found.budget_snt, items=items)
