"""Routes for stored groupings: solve, list, read, explain, compare, export."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response

from grouping.errors import StateConflictError
from grouping.plots import grouping_svg
from grouping.store import Page, StoredGrouping
from grouping.use_cases.compare_groupings import compare
from grouping.use_cases.solve_table import confidence_of, grouping_csv, grouping_of, solve_and_keep
from grouping.wire.solving import GROUPING_EXAMPLE, ConfidenceIn, GroupingRequest
from grouping.wire.stored_groupings import (
    ConfidenceOut,
    ExplanationOut,
    GroupingComparison,
    GroupingPage,
    StoredGroupingOut,
)
from grouping_api.access import READ, SUBMIT
from grouping_api.dependencies import (
    GroupingId,
    IdempotencyKey,
    IdQuery,
    PageSize,
    PageToken,
    StoreDep,
    TableId,
    TableQueriesDep,
    location_of,
    tell_location,
)
from grouping_api.errors import problem_responses
from grouping_api.json_body import StrictJsonRoute
from grouping_api.turns import IN_TURN
from grouping_api.uploads import attachment

router = APIRouter(prefix="/v1", tags=["groupings"], route_class=StrictJsonRoute)


class ConfidenceQuery(ConfidenceIn, strict=False, extra="ignore"):
    """Options of `ConfidenceIn` as query parameters of an address."""


_EXAMPLES: dict[str, Any] = {
    "constraints": {"summary": "Solve under constraints", "value": GROUPING_EXAMPLE},
    "budget": {"summary": "A budget only", "value": {"budget_snt": 2.5}},
}


@router.post(
    "/score-tables/{table_id}/groupings",
    status_code=201,
    summary="Solve a score table and store the answer",
    response_model=StoredGroupingOut,
    responses={**location_of(201, "grouping"), **problem_responses(404, 413, 415, 422, 503)},
    dependencies=[SUBMIT, IN_TURN],
)
def create_grouping(
    table_id: TableId,
    request: Annotated[GroupingRequest, Body(openapi_examples=_EXAMPLES)],
    response: Response,
    store: StoreDep,
    queries: TableQueriesDep,
    idempotency_key: IdempotencyKey = None,
) -> StoredGrouping:
    """Solve for one inference budget under constraints; nothing is trained.

    Where no grouping exists, the status is `infeasible`, with the reason and the conflicting demands.
    """
    info = queries.info(table_id)
    stored, is_new = solve_and_keep(store, queries, info, request, idempotency_key)
    tell_location(response, f"/v1/groupings/{stored.id}", is_new=is_new)
    return stored


@router.get(
    "/score-tables/{table_id}/groupings",
    summary="List stored groupings of a score table, newest first",
    response_model=GroupingPage,
    responses=problem_responses(404, 422),
    dependencies=[READ],
)
def list_groupings(
    table_id: TableId, store: StoreDep, page_size: PageSize, page_token: PageToken = None
) -> Page[StoredGrouping]:
    """Return one page of the stored groupings of a score table."""
    return store.list_groupings(table_id, limit=page_size, after=page_token)


@router.get(
    "/groupings/compare",
    summary="Compare two groupings",
    responses=problem_responses(404, 422),
    dependencies=[READ],
)
def compare_groupings(store: StoreDep, a: IdQuery, b: IdQuery) -> GroupingComparison:
    """Return the networks in both and in one only, and every change of a loss: second minus first."""
    first, second = (store.get_grouping(store.whole_id("grouping", one)) for one in (a, b))
    return compare(first, second)


@router.get(
    "/groupings/{grouping_id}",
    summary="Read a stored grouping",
    response_model=StoredGroupingOut,
    responses=problem_responses(404),
    dependencies=[READ],
)
def get_stored_grouping(grouping_id: GroupingId, store: StoreDep) -> StoredGrouping:
    """Return a grouping as it was answered, whatever happened to its table since."""
    return store.get_grouping(grouping_id)


@router.get(
    "/groupings/{grouping_id}/explanation",
    summary="Explain the networks of a grouping",
    responses=problem_responses(404),
    dependencies=[READ],
)
def get_explanation(grouping_id: GroupingId, store: StoreDep) -> ExplanationOut:
    """Return the explanation in sentences and as data, as it was when the grouping was solved."""
    stored = StoredGroupingOut.read(store.get_grouping(grouping_id))
    return ExplanationOut(grouping_id=stored.id, sentences=stored.explanation, data=stored.explanation_data)


@router.get(
    "/groupings/{grouping_id}/confidence",
    summary="Estimate how often a grouping stays the best under the noise of the scores",
    responses=problem_responses(404, 409, 422, 503),
    dependencies=[READ, IN_TURN],
)
def get_confidence(
    grouping_id: GroupingId,
    store: StoreDep,
    queries: TableQueriesDep,
    options: Annotated[ConfidenceQuery, Query()],
) -> ConfidenceOut:
    """Draw the scores again with their noise and solve them; nothing is trained.

    This is possible only as long as the score table has not changed since it was solved.
    """
    return confidence_of(queries, store.get_grouping(grouping_id), options)


@router.get(
    "/groupings/{grouping_id}/export",
    summary="Export a grouping as a file",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {
                media_type: {"schema": {"type": "string"}}
                for media_type in ("application/json", "text/csv", "image/svg+xml")
            },
        },
        **problem_responses(404, 409, 422),
    },
    dependencies=[READ],
)
def export_grouping(
    grouping_id: GroupingId,
    store: StoreDep,
    format: Annotated[  # noqa: A002  the name of the parameter in the address
        Literal["json", "csv", "svg"],
        Query(description="`json`: everything; `csv`: a row per task; `svg`: the picture."),
    ] = "json",
) -> Response:
    """Return a grouping as a file; numbers are exact.

    In CSV, text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    stored = StoredGroupingOut.read(store.get_grouping(grouping_id))
    if format == "json":
        data, media_type = stored.model_dump_json(indent=2), "application/json"
    elif format == "csv":
        data, media_type = grouping_csv(stored), "text/csv; charset=utf-8"
    else:
        grouping = grouping_of(stored)
        if grouping is None:
            raise StateConflictError("The grouping is infeasible: there is nothing to draw.")
        data, media_type = grouping_svg(grouping), "image/svg+xml"
    return Response(data, media_type=media_type, headers=attachment(f"grouping-{stored.id[:12]}.{format}"))
