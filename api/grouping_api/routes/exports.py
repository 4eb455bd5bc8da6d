"""Route that exports what follows from a score table as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from grouping.domain.affinities.methods import DEFAULT_METHOD
from grouping.domain.tables.exports import Exported, ExportFormat
from grouping.use_cases.exports import export
from grouping_api.access import READ
from grouping_api.dependencies import AskedTableDep, TableQueriesDep, budget_of
from grouping_api.errors import problem_responses
from grouping_api.turns import IN_TURN, TurnRoute
from grouping_api.uploads import attachment, safe_file_name

router = APIRouter(prefix="/v1/score-tables", tags=["score tables"], route_class=TurnRoute)

_FILE = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/{table_id}/export/{what}",
    summary="Export affinities, graph, budget curve or networks as a file",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {item.media_type.partition(";")[0]: _FILE for item in ExportFormat},
        },
        **problem_responses(304, 404, 409, 422, 503),
    },
    dependencies=[READ, IN_TURN],
)
def export_view(
    asked: AskedTableDep,
    queries: TableQueriesDep,
    what: Exported,
    format: Annotated[  # noqa: A002  the name of the parameter in the address
        ExportFormat, Query(description="The first three hold the same rows; `svg` is the picture.")
    ] = ExportFormat.CSV,
    method: Annotated[
        str, Query(max_length=50, description="Affinity method of matrix and graph; see `getAffinity`.")
    ] = DEFAULT_METHOD,
    budget_snt: Annotated[
        str | None,
        Query(
            max_length=50,
            description="Inference budget of the networks; the middle one of the job if left out.",
        ),
    ] = None,
) -> Response:
    """Return a view of a score table as a file: the same as its page shows without further demands.

    Text that a spreadsheet would take for a formula begins with an apostrophe in CSV.
    """
    info = asked.unless_known()
    budget = budget_of("budget_snt", budget_snt) if budget_snt else None
    data = export(queries, info, what, format, method=method, budget_snt=budget)
    name = safe_file_name(f"{info.name} {what}", str(what), str(format))
    return Response(data, media_type=format.media_type, headers=attachment(name) | {"ETag": asked.etag})
