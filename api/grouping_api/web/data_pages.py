"""Pages of data sets: list and upload, columns and first rows, and the form that makes a problem."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from grouping.data_sets.columns import Column, ColumnKind, TargetKind
from grouping.data_sets.definitions import (
    ProblemDefinition,
    SplitKind,
    Target,
    parse_shares,
    parse_split,
    parse_target,
)
from grouping.data_sets.folder import DataSet, require_data_folder
from grouping.errors import InvalidInputError
from grouping.use_cases import data_sets
from grouping_api.access import ADMIN, READ, SUBMIT
from grouping_api.dependencies import (
    ReceivingDep,
    StoreDep,
)
from grouping_api.errors import status_of
from grouping_api.routes.data_sets import find_data_set, received_table
from grouping_api.uploads import FORM_TYPE
from grouping_api.web.rendering import Render

MOST_COLUMNS = 300
"""Columns that the form shows a choice for; of wider tables a problem is made by command or request."""
MOST_PREVIEWED = 30
MAX_FIELD_BYTES = 1 << 16
INPUT, CATEGORY, TEXT, NOTHING, TASKS = "input", "category", "text", "nothing", "tasks"
ROLE_WORDS = {
    INPUT: "input",
    CATEGORY: "input, as a category",
    TEXT: "input, as text",
    NOTHING: "left out",
    **{kind.value: f"predicted: {kind.value}" for kind in TargetKind if kind is not TargetKind.MULTILABEL},
    TASKS: "a task per value",
}
SPLIT_WORDS = {
    SplitKind.STRATIFIED: "stratified by task and class, or by the column",
    SplitKind.RANDOM: "random",
    SplitKind.GROUP: "by group: equal values of the column stay together",
    SplitKind.TIME: "by time: the earliest rows of the column train",
    SplitKind.COLUMN: "as the column says: train, validation or test",
}

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/data-sets", dependencies=[READ])
def data_sets_page(render: Render) -> HTMLResponse:
    """Show all data sets, newest first, and the form that stores one."""
    return _list(render)


@router.post("/data-sets", response_model=None, dependencies=[SUBMIT])
async def store_table(
    request: Request, render: Render, receiving: ReceivingDep
) -> HTMLResponse | RedirectResponse:
    """Store the table and go to its page, or show the form again with what is wrong."""
    try:
        async with receiving.upload(request) as incoming:
            data, file_name = await incoming.received(received_table(request, FORM_TYPE))
            found, _ = await incoming.run(data_sets.add_upload, require_data_folder(), data, file_name)
    except InvalidInputError as error:
        return await run_in_threadpool(_list, render, str(error), status_of(error)[0])
    return RedirectResponse(f"/data-sets/{found.version}", 303)


@router.get("/data-sets/{name}", dependencies=[READ])
def data_set_page(render: Render, name: str) -> HTMLResponse:
    """Show a table, the problems made of it, and the form that makes one."""
    return _page(render, find_data_set(require_data_folder(), name), {})


@router.post("/data-sets/{name}/problems", response_model=None, dependencies=[SUBMIT])
async def make_problem(request: Request, render: Render, name: str) -> HTMLResponse | RedirectResponse:
    """Make a problem and go to the form of a job on it, or show the form again with what is wrong."""
    form = request.form(max_fields=MOST_COLUMNS + 20, max_files=0, max_part_size=MAX_FIELD_BYTES)
    async with form as data:
        values = {field: value for field, value in data.items() if isinstance(value, str)}
    return await run_in_threadpool(_make, render, find_data_set(require_data_folder(), name), values)


@router.post("/data-sets/{name}/delete", response_model=None, dependencies=[ADMIN])
def delete_data_set(name: str, store: StoreDep) -> RedirectResponse:
    """Delete a table with its problems and go back to the list."""
    folder = require_data_folder()
    data_sets.delete(folder, find_data_set(folder, name).version, store)
    return RedirectResponse("/data-sets", 303)


def _make(render: Render, found: DataSet, values: Mapping[str, str]) -> HTMLResponse | RedirectResponse:
    try:
        made, _ = require_data_folder().define(found, _definition(found, values))
    except (InvalidInputError, ValidationError) as error:
        status = status_of(error)[0] if isinstance(error, InvalidInputError) else 422
        return _page(render, found, values, fault=str(error), status=status)
    return RedirectResponse(f"/jobs/new?problem={made.name}", 303)


def _definition(found: DataSet, values: Mapping[str, str]) -> ProblemDefinition:
    """Read the form.

    Raises:
        InvalidInputError: if it does not make a definition.
    """
    roles = {column.name: _role(values, n, column) for n, column in enumerate(found.columns)}
    written = [parse_target(line.strip()) for line in values.get("targets", "").splitlines() if line.strip()]
    in_words = {name for target in written for name in target.columns}
    chosen = {name: role for name, role in roles.items() if role in list(TargetKind) and name not in in_words}
    targets = [*(Target((name,), TargetKind(role)) for name, role in chosen.items()), *written]
    if not targets:
        raise InvalidInputError("Choose at least one column that is predicted.", pointer="/targets")
    by_task = [name for name, role in roles.items() if role == TASKS]
    if len(by_task) > 1:
        raise InvalidInputError("One column at most makes a task of each value.", pointer="/task_column")
    kind, column = values.get("split", SplitKind.STRATIFIED), values.get("split_column", "")
    split = parse_split(
        f"{kind}={column}" if column and kind != SplitKind.RANDOM else kind,
        parse_shares(values.get("shares")),
        _whole(values.get("split_seed", ""), "split/seed"),
        _whole(values.get("folds", ""), "split/folds"),
    )
    kept = (split.column, *by_task)
    return ProblemDefinition(
        tuple(targets),
        by_task[0] if by_task else "",
        _whole(values.get("least_labels", ""), "least_labels") or 1,
        without=tuple(
            name for name, role in roles.items() if role == NOTHING and name not in (*kept, *in_words)
        ),
        kinds={name: ColumnKind(role) for name, role in roles.items() if role in (CATEGORY, TEXT)},
        split=split,
    )


def _role(values: Mapping[str, str], place: int, column: Column) -> str:
    given = values.get(f"role-{place}", "")
    if given in ROLE_WORDS:
        return given
    return NOTHING if column.kind in (ColumnKind.TEXT, ColumnKind.EMPTY) else INPUT


def _whole(text: str, field: str) -> int:
    if text and not text.isdecimal():
        raise InvalidInputError(f"{text!r} is no whole number from 0.", pointer=f"/{field}")
    return int(text or 0)


def _list(render: Render, fault: str | None = None, status: int = 200) -> HTMLResponse:
    shown = [(one, _stored_s(one)) for one in require_data_folder().list()]
    return render("data_sets.html", status=status, data_sets=shown, fault=fault)


def _page(
    render: Render, found: DataSet, values: Mapping[str, str], *, fault: str | None = None, status: int = 200
) -> HTMLResponse:
    folder = require_data_folder()
    rows: list[dict[str, Any]] = [
        {"n": n, "column": column, "role": _role(values, n, column)}
        for n, column in enumerate(found.columns[:MOST_COLUMNS])
    ]
    return render(
        "data_set.html",
        status=status,
        found=found,
        stored_s=_stored_s(found),
        rows=rows,
        is_shown_whole=len(found.columns) <= MOST_COLUMNS,
        preview=[row[:MOST_PREVIEWED] for row in data_sets.preview(folder, found)],
        previewed=[column.name for column in found.columns[:MOST_PREVIEWED]],
        problems=folder.problems(found),
        roles=ROLE_WORDS,
        splits=SPLIT_WORDS,
        values={
            "split": SplitKind.STRATIFIED,
            "split_column": "",
            "shares": "",
            "split_seed": "",
            "folds": "",
            "least_labels": "",
            "targets": "",
            **values,
        },
        fault=fault,
    )


def _stored_s(found: DataSet) -> float:
    return datetime.fromisoformat(found.created_at).timestamp()
