"""Score tables into the service and out of it: uploads, downloads, and deleting what was uploaded."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from grouping.formats import write_table
from grouping.store import TableInfo
from grouping.wire.base_types import PlainText
from grouping.wire.imports import INLINE_EXAMPLE
from grouping.wire.scores import ScoreTableOut
from grouping_api.dependencies import IdempotencyKey, IfNoneMatch, ImporterDep, ReadingsDep, StoreDep
from grouping_api.errors import problem_responses
from grouping_api.routes.score_tables import NOT_MODIFIED, is_known, not_modified
from grouping_api.uploads import (
    FORM_TYPE,
    MAX_TABLE_NAME,
    MAX_TASK_LIST,
    RAW_TYPES,
    FileFormat,
    attachment,
    receive_upload,
    safe_file_name,
)

router = APIRouter(prefix="/v1/score-tables", tags=["score tables"])

_CSV_EXAMPLE = """network,size,cost,depth,edges
depth@0.5,0.5,0.5,0.174,
edges@0.5,0.5,0.5,,0.0151
depth+edges,1.0,1.0,0.175,0.0136
"""
_FORM_SCHEMA = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "test_file": {
            "type": "string",
            "format": "binary",
            "description": "Test losses of the same networks.",
        },
        "text": {"type": "string", "description": "The table itself, where no file is sent."},
        "name": {"type": "string", "maxLength": MAX_TABLE_NAME},
        "values": {"enum": ["losses", "gains"]},
        "format": {"enum": [item.value for item in FileFormat]},
        "tasks": {"type": "string", "description": "Names for a file that does not name its tasks."},
    },
}


def _request_body() -> dict[str, Any]:
    """The bodies `createScoreTable` takes, for its description."""
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
    operation_id="createScoreTable",
    summary="Import a score table",
    response_model=ScoreTableOut,
    openapi_extra=_request_body(),
    responses={
        201: {"headers": {"Location": {"description": "Where the table is.", "schema": {"type": "string"}}}},
        **problem_responses(413, 415, 422, 503),
    },
)
async def create_score_table(
    request: Request,
    response: Response,
    importer: ImporterDep,
    name: Annotated[PlainText, Query(max_length=MAX_TABLE_NAME, description="A label for people.")] = "",
    values: Annotated[
        Literal["losses", "gains"],
        Query(description="What the cells are; gains become losses as 1 - gain."),
    ] = "losses",
    format: Annotated[  # noqa: A002  the name of the parameter in the address
        FileFormat | None, Query(description="What the file is; found out from type and content if left out.")
    ] = None,
    tasks: Annotated[
        PlainText | None,
        Query(
            max_length=MAX_TASK_LIST,
            examples=["depth,edges"],
            description="Names of the tasks, separated by commas, for a file that does not name them.",
        ),
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> TableInfo:
    """Store losses that were measured elsewhere. The answer says what was understood and what is missing."""
    options = {"name": name, "values": values, "format": format, "tasks": tasks}
    upload = await receive_upload(request, options)
    info, is_new = await run_in_threadpool(importer.add, upload, idempotency_key=idempotency_key)
    response.headers["Location"] = f"/v1/score-tables/{info.id}"
    response.headers["Idempotency-Replayed"] = "false" if is_new else "true"
    return info


@router.delete(
    "/{table_id}",
    status_code=204,
    operation_id="deleteScoreTable",
    summary="Delete an imported score table, with its groupings",
    responses=problem_responses(404, 409),
)
def delete_score_table(table_id: str, store: StoreDep) -> None:
    """Delete an imported table; that of a job goes with its job."""
    store.delete_table(table_id)


@router.get(
    "/{table_id}/export",
    operation_id="exportScoreTable",
    summary="A score table as a file",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {
                item.media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
                for item in FileFormat
            },
        },
        **NOT_MODIFIED,
        **problem_responses(404, 422),
    },
)
def export_score_table(
    table_id: str,
    readings: ReadingsDep,
    format: Annotated[  # noqa: A002  the name of the parameter in the address
        Literal["csv", "tsv", "long-csv", "long-tsv", "parquet", "json"],
        Query(description="`csv` and `tsv` hold means over seeds; the others hold everything."),
    ] = "csv",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Text that a spreadsheet would compute begins with an apostrophe; numbers are exact."""
    info = readings.info(table_id)
    chosen = FileFormat(format)
    response = Response(media_type=chosen.media_type)
    if is_known(info, response, if_none_match):
        return not_modified(response)
    data = write_table(readings.table(info), chosen.table_format)
    name = safe_file_name(info.name, "score-table", chosen.suffix)
    headers = {**attachment(name), "ETag": response.headers["ETag"]}
    return Response(data, media_type=chosen.media_type, headers=headers)
