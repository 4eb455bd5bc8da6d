"""Route for results that are told to a job from outside."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from grouping.domain.tables.finished_results import ResultValues
from grouping.store import Store
from grouping.use_cases.results import add_results, findings_of
from grouping.wire.base_types import PlainText
from grouping.wire.results import DATA, RESULTS_EXAMPLE, SOURCE, TOLD_BY, VALUES, Label, ResultsAddedOut
from grouping.work import current_work
from grouping_api.access import SUBMIT
from grouping_api.dependencies import ImporterDep, JobId, ReceivingDep, StoreDep
from grouping_api.errors import problem_responses
from grouping_api.uploads import (
    FORM_TYPE,
    MAX_TASK_LIST,
    RAW_TYPES,
    FileFormat,
    Importer,
    Upload,
    UploadOptions,
    receive_upload,
)

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_CSV_EXAMPLE = "network,task,seed,validation_loss\ndepth,depth,0,0.174\ndepth+edges,depth,0,0.175\n"
_FORM_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "test_file": {"type": "string", "format": "binary", "description": "Test values of the same rows."},
        "groups_file": {
            "type": "string",
            "format": "binary",
            "description": "Multi-hot file beside a file of values only: a row per network, 1 for each task "
            "in it.",
        },
        "text": {"type": "string", "description": "The table itself, where no file is sent."},
    },
}


class ResultOptions(BaseModel):
    """Options of results that are told as a file, in the query of the address."""

    source: Label = Field(default="", description=f"{SOURCE} The name of the file sent unless given.")
    told_by: Label = Field(default="", description=TOLD_BY)
    values: ResultValues | None = Field(default=None, description=VALUES)
    data: Label | None = Field(default=None, description=DATA)
    format: FileFormat | None = Field(
        default=None, description="Format of the file; recognised from its content if left out."
    )
    dry_run: bool = Field(default=False, description="Add nothing, and say what would be added.")
    tasks: Annotated[PlainText, Field(max_length=MAX_TASK_LIST)] | None = Field(
        default=None,
        description="Names of the tasks, separated by commas, for a file that does not name them.",
    )


def _request_body() -> dict[str, Any]:
    """Describe the bodies that `addResults` accepts, for OpenAPI."""
    file = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {media_type: {"schema": file} for media_type in RAW_TYPES}
    content["text/csv"]["example"] = _CSV_EXAMPLE
    content["application/json"] = {
        "schema": {
            "oneOf": [
                {"$ref": "#/components/schemas/FinishedResultsIn"},
                {"$ref": "#/components/schemas/InlineTable"},
                {"type": "object", "description": "A score table in the project's own file format."},
            ]
        },
        "example": RESULTS_EXAMPLE,
    }
    content[FORM_TYPE] = {"schema": _FORM_SCHEMA}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/{job_id}/results",
    summary="Add finished results to a job",
    openapi_extra=_request_body(),
    responses=problem_responses(404, 409, 413, 415, 422, 503),
    dependencies=[SUBMIT],
)
async def add_job_results(
    job_id: JobId,
    request: Request,
    store: StoreDep,
    importer: ImporterDep,
    receiving: ReceivingDep,
    options: Annotated[ResultOptions, Query()],
) -> ResultsAddedOut:
    """Count trainings that were carried out elsewhere as trained: all that are told, or none.

    They are trials of the search from then on, and cost nothing. The same again changes nothing. A job that
    has succeeded is left as it is: clone it, and give the results with the clone.
    """
    given = UploadOptions(name=options.source, format=options.format, tasks=options.tasks)
    async with receiving.upload(request) as incoming:
        upload = await incoming.received(receive_upload(request, given))
        return await incoming.run(_add, job_id, store, importer, upload, options)


def _add(
    job_id: str, store: Store, importer: Importer, upload: Upload, options: ResultOptions
) -> ResultsAddedOut:
    results = importer.read_results(
        upload,
        store.get_job(job_id).spec.size_numbers,
        source=upload.options.name.strip(),
        told_by=options.told_by.strip(),
        values=options.values,
        data=options.data,
    )
    current_work().check()  # nothing is added for a sender that has gone
    added = add_results(store, job_id, results, dry_run=options.dry_run)
    return ResultsAddedOut.read(added, findings=findings_of(store, job_id, results))
