"""Routes that import, export and delete score tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from grouping.formats import write_table
from grouping.store import TableInfo
from grouping.wire.imports import INLINE_EXAMPLE
from grouping.wire.scores import ScoreTableOut
from grouping_api.access import ADMIN, READ, SUBMIT
from grouping_api.dependencies import (
    AskedTableDep,
    IdempotencyKey,
    ImporterDep,
    ReceivingDep,
    StoreDep,
    TableId,
    TableQueriesDep,
    location_of,
    tell_location,
)
from grouping_api.errors import problem_responses
from grouping_api.turns import IN_TURN, TurnRoute
from grouping_api.uploads import (
    FORM_TYPE,
    RAW_TYPES,
    FileFormat,
    UploadOptions,
    attachment,
    receive_upload,
    safe_file_name,
)

router = APIRouter(prefix="/v1/score-tables", tags=["score tables"], route_class=TurnRoute)

_CSV_EXAMPLE = """network,size,cost,depth,edges
depth@0.5,0.5,0.5,0.174,
edges@0.5,0.5,0.5,,0.0151
depth+edges,1.0,1.0,0.175,0.0136
"""
_FORM_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "test_file": {
            "type": "string",
            "format": "binary",
            "description": "Test losses of the same networks.",
        },
        "groups_file": {
            "type": "string",
            "format": "binary",
            "description": "Multi-hot file beside a file of values only: a row per network, 1 for each task "
            "in it.",
        },
        "text": {"type": "string", "description": "The table itself, where no file is sent."},
        **UploadOptions.model_json_schema(ref_template="#/components/schemas/{model}")["properties"],
    },
}


def _request_body() -> dict[str, Any]:
    """Describe the bodies that `createScoreTable` accepts, for OpenAPI."""
    file = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {media_type: {"schema": file} for media_type in RAW_TYPES}
    content["text/csv"]["example"] = _CSV_EXAMPLE
    content["application/json"] = {
        "schema": {
            "oneOf": [
                {"$ref": "#/components/schemas/InlineTable"},
                {"type": "object", "description": "The project's own file format, as it is exported."},
            ]
        },
        "example": INLINE_EXAMPLE,
    }
    content[FORM_TYPE] = {"schema": _FORM_SCHEMA}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "",
    status_code=201,
    summary="Import a score table",
    response_model=ScoreTableOut,
    openapi_extra=_request_body(),
    responses={**location_of(201, "table"), **problem_responses(413, 415, 422, 503)},
    dependencies=[SUBMIT],
)
async def create_score_table(
    request: Request,
    response: Response,
    importer: ImporterDep,
    receiving: ReceivingDep,
    options: Annotated[UploadOptions, Query()],
    idempotency_key: IdempotencyKey = None,
) -> TableInfo:
    """Store losses that were measured elsewhere; the answer reports what was read and what is missing."""
    async with receiving.upload(request) as incoming:
        upload = await incoming.received(receive_upload(request, options))
        info, is_new = await incoming.run(importer.add, upload, idempotency_key=idempotency_key)
    tell_location(response, f"/v1/score-tables/{info.id}", is_new=is_new)
    return info


@router.delete(
    "/{table_id}",
    status_code=204,
    summary="Delete an imported score table, with its groupings",
    responses=problem_responses(404, 409),
    dependencies=[ADMIN],
)
def delete_score_table(table_id: TableId, store: StoreDep) -> None:
    """Delete an imported table with its groupings; the table of a job is deleted with its job."""
    store.delete_table(table_id)


def _schema_of(item: FileFormat) -> dict[str, Any]:
    if item is FileFormat.JSON:
        return {"type": "object", "required": ["format", "version", "tasks", "networks"]}
    return {"type": "string", "format": "binary"}


@router.get(
    "/{table_id}/export",
    summary="Export a score table as a file",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {
                item.media_type.partition(";")[0]: {"schema": _schema_of(item)} for item in FileFormat
            },
        },
        **problem_responses(304, 404, 422, 503),
    },
    dependencies=[READ, IN_TURN],
)
def export_score_table(
    asked: AskedTableDep,
    queries: TableQueriesDep,
    format: Annotated[  # noqa: A002  the name of the parameter in the address
        Literal["csv", "tsv", "long-csv", "long-tsv", "parquet", "json"],
        Query(
            description="`csv` and `tsv` hold means of the losses over seeds; the others hold everything, "
            "and all but `json` also the values of the metrics."
        ),
    ] = "csv",
) -> Response:
    """Return a score table as a file; numbers are exact.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    info, chosen = asked.unless_known(), FileFormat(format)
    data = write_table(queries.table(info), chosen.table_format, metrics=queries.metrics(info))
    name = safe_file_name(info.name, "score-table", chosen.suffix)
    headers = {**attachment(name), "ETag": asked.etag}
    return Response(data, media_type=chosen.media_type, headers=headers)
