"""Page by which finished results are added to a job."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse

from grouping.domain.jobs.job import JobState
from grouping.domain.tables.finished_results import ResultValues
from grouping.errors import InvalidInputError, StateConflictError
from grouping.store import AddedResults, Store
from grouping.use_cases.results import add_results
from grouping.use_cases.table_queries import TableQueries
from grouping.wire.base_types import sentence_of
from grouping.wire.results import MAX_LABEL
from grouping_api.access import READ, SUBMIT
from grouping_api.dependencies import (
    ImporterDep,
    JobId,
    ReceivingDep,
    StoreDep,
    TableQueriesDep,
)
from grouping_api.errors import status_of
from grouping_api.uploads import FORM_LIMITS, Importer, Upload, form_upload
from grouping_api.web.rendering import Render
from grouping_api.web.subjects import Subject

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/jobs/{job_id}/results", dependencies=[READ])
def results_page(render: Render, job_id: JobId, store: StoreDep, queries: TableQueriesDep) -> HTMLResponse:
    """Show the form that takes finished results."""
    return _page(render, store, queries, job_id, {})


@router.post("/jobs/{job_id}/results", response_model=None, dependencies=[SUBMIT])
async def add_results_page(
    request: Request,
    render: Render,
    job_id: JobId,
    store: StoreDep,
    queries: TableQueriesDep,
    importer: ImporterDep,
    receiving: ReceivingDep,
) -> HTMLResponse:
    """Add the results, and say how many were new; or show the form again with what is wrong."""
    async with receiving.upload(request) as incoming, incoming.form(**FORM_LIMITS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        try:
            upload = await form_upload(form, with_fields=("name", "text"))
            source = form.get("file")
            name = source.filename if isinstance(source, UploadFile) and source.filename else "pasted text"
            answer = await incoming.run(_add, store, importer, job_id, upload, name, fields)
        except (InvalidInputError, StateConflictError) as error:
            status = status_of(error)[0]
            return await run_in_threadpool(
                _page, render, store, queries, job_id, fields, fault=str(error), status=status
            )
        except RequestValidationError as error:
            fault = sentence_of(error.errors()[0]["msg"])
            return await run_in_threadpool(
                _page, render, store, queries, job_id, fields, fault=fault, status=422
            )
    return await run_in_threadpool(_page, render, store, queries, job_id, {}, added=answer)


def _add(
    store: Store, importer: Importer, job_id: str, upload: Upload, name: str, fields: dict[str, str]
) -> AddedResults:
    values = fields.get("values", "")
    results = importer.read_results(
        upload,
        store.get_job(job_id).spec.size_numbers,
        source=name[:MAX_LABEL],
        told_by=fields.get("told_by", "").strip()[:MAX_LABEL],
        values=ResultValues(values) if values in list(ResultValues) else None,
    )
    return add_results(store, job_id, results)


def _page(
    render: Render,
    store: Store,
    queries: TableQueries,
    job_id: JobId,
    fields: dict[str, str],
    *,
    fault: str | None = None,
    added: AddedResults | None = None,
    status: int = 200,
) -> HTMLResponse:
    job = store.get_job(job_id)
    shown: dict[str, Any] = {name: fields.get(name, "") for name in ("text", "values", "told_by")}
    return render(
        "results_new.html",
        status=status,
        subject=Subject(queries.info(job.score_table_id), job),
        job=job,
        has_succeeded=job.state is JobState.SUCCEEDED,
        fields=shown,
        fault=fault,
        added=added,
        here="results",
    )
