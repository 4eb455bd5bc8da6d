"""Pages of score tables: list, import, read and delete them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from grouping.errors import InvalidInputError
from grouping.wire.base_types import sentence_of
from grouping.wire.stored_groupings import GroupingSummary
from grouping_api.access import ADMIN, READ, SUBMIT
from grouping_api.dependencies import (
    ImporterDep,
    PageToken,
    ReceivingDep,
    StoreDep,
    TableId,
    TableQueriesDep,
)
from grouping_api.errors import status_of
from grouping_api.turns import IN_TURN_WHILE_SENT, TurnRoute
from grouping_api.uploads import FORM_LIMITS, FileFormat, form_upload
from grouping_api.web.rendering import Later, Render, Stream
from grouping_api.web.scores_view import ScoresQuery, check_order, view_scores
from grouping_api.web.subjects import subject_of

TABLES_PER_PAGE = 25
MAX_GROUPINGS = 20
MAX_SHOWN_TEXT = 1 << 20

FORMAT_WORDS = {
    FileFormat.CSV: "wide CSV: a row per network, a column per task",
    FileFormat.TSV: "the same, separated by tabs",
    FileFormat.LONG_CSV: "long CSV: a row per network, task and seed",
    FileFormat.LONG_TSV: "the same, separated by tabs",
    FileFormat.PARQUET: "Parquet",
    FileFormat.JSON: "JSON, as it is exported here",
    FileFormat.RESULTS_TXT: "the paper's results.txt, without a header",
}

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse, route_class=TurnRoute)


@router.get("/score-tables", dependencies=[READ])
def tables_page(render: Render, store: StoreDep, page_token: PageToken = None) -> HTMLResponse:
    """Show one page of imported score tables, newest first."""
    page = store.list_tables(limit=TABLES_PER_PAGE, after=page_token, imported_only=True)
    return render(
        "tables.html",
        tables=page.items,
        next_token=page.next_token,
        is_first_page=page_token is None,
    )


@router.get("/score-tables/new", dependencies=[READ])
def new_table_page(render: Render) -> HTMLResponse:
    """Show the form that imports a score table."""
    return _form(render, {})


@router.post("/score-tables", response_model=None, dependencies=[SUBMIT])
async def import_table(
    request: Request, render: Render, importer: ImporterDep, receiving: ReceivingDep
) -> HTMLResponse | RedirectResponse:
    """Import the table and go to its page, or show the form again with what is wrong."""
    async with receiving.upload(request) as incoming, incoming.form(**FORM_LIMITS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        try:
            upload = await form_upload(form)
            info, _ = await incoming.run(importer.add, upload)
        except InvalidInputError as error:
            return _form(render, fields, fault=str(error), status=status_of(error)[0])
        except RequestValidationError as error:
            first = error.errors()[0]
            return _form(render, fields, fault=f"{first['loc'][-1]}: {sentence_of(first['msg'])}", status=422)
    return RedirectResponse(f"/score-tables/{info.id}", 303)


def _form(
    render: Render, fields: dict[str, str], *, fault: str | None = None, status: int = 200
) -> HTMLResponse:
    shown = {name: fields.get(name, "") for name in ("name", "text", "values", "format", "tasks")}
    if len(shown["text"]) > MAX_SHOWN_TEXT:
        shown["text"] = ""
    return render("table_new.html", status=status, fields=shown, fault=fault, formats=FORMAT_WORDS)


@router.get("/score-tables/{table_id}", dependencies=[READ, IN_TURN_WHILE_SENT])
def table_page(
    stream: Stream, table_id: TableId, store: StoreDep, queries: TableQueriesDep, fields: ScoresQuery
) -> Response:
    """Show the losses of a table, the report on its import, and its stored groupings."""
    subject = subject_of(table_id, queries)
    check_order(subject.task_names, fields.sort)
    groupings = store.list_groupings(table_id, limit=MAX_GROUPINGS)
    return stream(
        "table.html",
        subject=subject,
        scores=Later(lambda: view_scores(queries.table(subject.info), fields)),
        groupings=[GroupingSummary.read(stored) for stored in groupings.items],
        here="table",
    )


@router.post("/score-tables/{table_id}/delete", response_model=None, dependencies=[ADMIN])
def delete_table(table_id: TableId, store: StoreDep) -> RedirectResponse:
    """Delete an imported table and go back to the list."""
    store.delete_table(table_id)
    return RedirectResponse("/score-tables", 303)
