"""Routes for data sets: stored tables of users, and the problems made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import HTTPException
from starlette.datastructures import UploadFile

from grouping.data_sets.folder import DataFolder, DataSet, require_data_folder
from grouping.errors import DataSetError, NotFoundError, UnknownNameError
from grouping.use_cases import data_sets
from grouping.wire.data_sets import (
    DataSetDetail,
    DataSetList,
    DataSetName,
    DataSetOut,
    FittedInputsOut,
    MadeProblemList,
    MadeProblemOut,
    ProblemDefinitionIn,
    TableOnServer,
)
from grouping_api.access import ADMIN, READ, SUBMIT
from grouping_api.dependencies import ReceivingDep, SettingsDep, StoreDep, location_of, tell_location
from grouping_api.errors import problem_responses
from grouping_api.guards import MAX_DATA_BYTES
from grouping_api.uploads import FORM_TYPE, checked

router = APIRouter(prefix="/v1/data-sets", tags=["data sets"])

RAW_TYPES = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.file": "arrow",
}
"""Suffix by content type of a raw body."""
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in RAW_TYPES},
            "application/json": {"schema": {"$ref": "#/components/schemas/TableOnServer"}},
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "A file whose name ends in .csv, .tsv, .parquet, .arrow, "
                            ".feather or .npz.",
                        }
                    },
                }
            },
        },
    }
}


@router.post(
    "",
    status_code=201,
    summary="Store a table",
    response_model=DataSetOut,
    openapi_extra=_BODY,
    responses={
        200: {"model": DataSetOut, "description": "A dry run: as it would be stored, or is stored already."},
        **location_of(201, "data set"),
        **problem_responses(413, 415, 422, 503),
    },
    dependencies=[SUBMIT],
)
async def create_data_set(
    request: Request,
    response: Response,
    settings: SettingsDep,
    receiving: ReceivingDep,
    name: Annotated[DataSetName, Query()] = "",
    dry_run: Annotated[bool, Query(description="Store nothing, and say what would be stored.")] = False,
) -> DataSet:
    """Store a table; the same table is stored once, and this answers with the one that is there.

    A dry run answers 200 with the data set as it would be, or with the one that is there.
    The answer says what each column looks like; `POST /v1/data-sets/{name}/problems` makes a problem of it.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    async with receiving.upload(request) as incoming:
        if media_type == "application/json":
            asked = checked(TableOnServer, _parsed(await incoming.received(request.body())))
            allowed = settings.data_paths
            data_set, is_new = await incoming.run(
                data_sets.add_allowed,
                require_data_folder(),
                asked.path,
                allowed,
                asked.name or name,
                dry_run=dry_run,
            )
        else:
            data, file_name = await incoming.received(received_table(request, media_type))
            data_set, is_new = await incoming.run(
                data_sets.add_upload, require_data_folder(), data, file_name, name, dry_run=dry_run
            )
    if dry_run:
        response.status_code = 200
        return data_set
    tell_location(response, f"/v1/data-sets/{data_set.version}", is_new=is_new)
    return data_set


@router.get("", summary="List data sets, newest first", dependencies=[READ])
def list_data_sets() -> DataSetList:
    """Return all stored tables with their columns."""
    return DataSetList.read(items=require_data_folder().list())


@router.get("/{name}", summary="Read a data set", responses=problem_responses(404), dependencies=[READ])
def get_data_set(name: str) -> DataSetDetail:
    """Return a table by its name, which is its newest version, or by its version, with its first rows."""
    folder = require_data_folder()
    found = find_data_set(folder, name)
    made = [problem.name for problem in folder.problems(found)]
    return DataSetDetail.read(found, preview=data_sets.preview(folder, found), problems=made)


@router.delete(
    "/{name}",
    status_code=204,
    summary="Delete a data set",
    responses=problem_responses(404, 409),
    dependencies=[ADMIN],
)
def delete_data_set(name: str, store: StoreDep) -> None:
    """Delete a table and the problems made of it; refused while a job that has not ended needs it."""
    folder = require_data_folder()
    data_sets.delete(folder, find_data_set(folder, name).version, store)


@router.post(
    "/{name}/problems",
    status_code=201,
    summary="Make a problem of a data set",
    response_model=MadeProblemOut,
    responses={**location_of(201, "list of problems"), **problem_responses(404, 422)},
    dependencies=[SUBMIT],
)
def create_problem(name: str, asked: ProblemDefinitionIn, response: Response) -> Any:
    """Say what is predicted from what, on which rows; jobs ask for the problem by the name in the answer.

    What cannot be trained is refused; what a user should look at stands in `findings`.
    """
    folder = require_data_folder()
    made, is_new = folder.define(find_data_set(folder, name), asked.definition())
    tell_location(response, f"/v1/data-sets/{made.data_set.version}/problems", is_new=is_new)
    return MadeProblemOut.read(made)


@router.get(
    "/{name}/problems",
    summary="List the problems of a data set",
    responses=problem_responses(404),
    dependencies=[READ],
)
def list_data_set_problems(name: str) -> MadeProblemList:
    """Return the problems that were made of a table, with their findings."""
    folder = require_data_folder()
    return MadeProblemList.read(items=folder.problems(find_data_set(folder, name)))


def find_data_set(folder: DataFolder, name: str) -> DataSet:
    """Return a data set that an address names.

    Raises:
        NotFoundError: if there is none.
    """
    try:
        return folder.get(name)
    except UnknownNameError as error:
        raise NotFoundError("data set", name) from error


async def received_table(request: Request, media_type: str) -> tuple[bytes, str]:
    """Return the content and the name of the file that a request brings.

    Raises:
        HTTPException: 415 on another content type.
        DataSetError: if a form has no file.
    """
    if media_type == FORM_TYPE:
        async with request.form(max_files=1, max_fields=8, max_part_size=MAX_DATA_BYTES) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename:
                raise DataSetError("Choose a file with a table.")
            return await file.read(), file.filename.replace("\\", "/").rpartition("/")[2]
    if media_type not in RAW_TYPES:
        known: Sequence[str] = sorted([*RAW_TYPES, "application/json", FORM_TYPE])
        raise HTTPException(415, f"Send a table with one of these Content-Types: {', '.join(known)}.")
    return await request.body(), f"table.{RAW_TYPES[media_type]}"


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise HTTPException(400, "The body is not valid JSON.") from error


@router.get(
    "/{name}/problems/{problem}/inputs",
    summary="Read how columns become the inputs of a problem",
    responses=problem_responses(404, 422),
    dependencies=[READ],
)
def read_inputs(name: str, problem: str) -> FittedInputsOut:
    """Return what was fitted to the training rows: apply it to new rows before a network reads them."""
    folder = require_data_folder()
    try:
        made = folder.problem(find_data_set(folder, name), problem)
    except UnknownNameError as error:
        raise NotFoundError("problem", problem) from error
    return FittedInputsOut.model_validate(folder.fitted(made).as_mapping())
