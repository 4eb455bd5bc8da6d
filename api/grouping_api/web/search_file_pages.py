"""Pages on search files: a new search from a file, and the file of a job."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from grouping.domain.access import Scope
from grouping.domain.jobs.sentences import Stated
from grouping.errors import InvalidInputError, SearchFileError
from grouping.formats.marked_text import MAX_BYTES
from grouping.store import Store
from grouping.use_cases.clone import spec_of_clone
from grouping.use_cases.estimate import estimate
from grouping.use_cases.named_results import sizes_in, with_results_read
from grouping.use_cases.search_file import SearchFile, read_search
from grouping.use_cases.search_text import search_text
from grouping.use_cases.submit import build_spec, request_digest, submit
from grouping.wire.requests import JobRequest
from grouping_api.access import READ, SUBMIT, Granted
from grouping_api.dependencies import IdQuery, ImporterDep, JobId, ReceivingDep, StoreDep
from grouping_api.uploads import Importer
from grouping_api.web.rendering import Render
from grouping_api.web.told_results import MAX_FILES, ToldResults

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@dataclass(frozen=True, slots=True)
class ShownFault:
    """A fault of a file, as it is shown.

    Attributes:
        line: line of the file, counted from 1; None where unknown.
        text: what stands on that line.
        message: what is wrong.
    """

    line: int | None
    text: str
    message: str


@router.get("/jobs/new/file", dependencies=[READ])
def new_search_page(render: Render, store: StoreDep, like: IdQuery | None = None) -> HTMLResponse:
    """Show the form that takes a search file, empty or with the file of a clone of a job.

    A job that would not be accepted any more, such as with a task that its problem has lost, is shown as
    it was, with what is wrong.
    """
    if like is None:
        return _page(render)
    source = store.get_job(store.whole_id("job", like))
    try:
        return _page(render, source=source, text=search_text(spec_of_clone(source)))
    except InvalidInputError as error:
        faults = [ShownFault(None, "", str(error))]
        as_it_was = replace(source.spec, name="", reuse_jobs=(source.id,))
        return _page(render, source=source, text=search_text(as_it_was), faults=faults)


@router.post("/jobs/new/file", response_model=None, dependencies=[SUBMIT])
async def take_search_file(
    request: Request,
    render: Render,
    store: StoreDep,
    importer: ImporterDep,
    receiving: ReceivingDep,
    granted: Granted,
) -> HTMLResponse | RedirectResponse:
    """Show what a file was understood as, price it or submit it; show its faults at their lines."""
    async with request.form(max_fields=10, max_files=1 + MAX_FILES, max_part_size=2 * MAX_BYTES) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        name, text = await _file_of(form)
        results = await ToldResults.of(form)
    try:
        given = render, store, importer, granted, fields, name, text, results
        if results.has_files:
            return await receiving.read(request, _carry_out, *given)
        return await run_in_threadpool(_carry_out, *given)
    except SearchFileError as error:
        lines = text.splitlines()
        faults = [
            ShownFault(line, lines[line - 1] if line and line <= len(lines) else "", message)
            for line, message in error.faults
        ]
        return _page(render, name=name, text=text, faults=faults, status=422)


@router.get("/jobs/{job_id}/search.toml", dependencies=[READ])
def job_search_file(job_id: JobId, store: StoreDep) -> PlainTextResponse:
    """Write the search file of a job."""
    text = search_text(store.get_job(job_id).spec)
    headers = {"Content-Disposition": f'attachment; filename="search-{job_id[:16]}.toml"'}
    return PlainTextResponse(text, media_type="application/toml", headers=headers)


async def _file_of(form: FormData) -> tuple[str, str]:
    """Return name and text of the uploaded file; of the pasted text where none was chosen."""
    file = form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        return file.filename, (await file.read()).decode("utf-8", "replace")
    name, text = form.get("name"), form.get("text")
    pasted = text.replace("\r\n", "\n") if isinstance(text, str) else ""
    return name if isinstance(name, str) else "", pasted


def _carry_out(
    render: Render,
    store: Store,
    importer: Importer,
    granted: Scope,
    fields: dict[str, str],
    name: str,
    text: str,
    results: ToldResults,
) -> HTMLResponse | RedirectResponse:
    if not text.strip():
        raise SearchFileError([(None, "Choose a file, or paste its text.")])
    found = read_search(text, name)
    sizes = sizes_in(found.asked)
    found = with_results_read(found, lambda named: results.read(named, importer, sizes))
    try:
        request = results.added_to(found.request(), importer)
        return _answer(render, store, granted, fields, found, text, request)
    except InvalidInputError as error:
        raise found.located(error) from error


def _answer(
    render: Render,
    store: Store,
    granted: Scope,
    fields: dict[str, str],
    found: SearchFile,
    text: str,
    request: JobRequest,
) -> HTMLResponse | RedirectResponse:
    action = fields.get("action", "read")
    if action == "submit":
        key = f"form-{fields.get('key', '')}-{request_digest(request)}"[:200]  # sent twice makes one job
        job, _ = submit(store, request, key, granted=granted)
        return RedirectResponse(f"/jobs/{job.id}", 303)
    spec, _ = build_spec(request)
    told = estimate(request, store)
    return _page(render, name=found.name, text=text, spec=spec, stated=Stated.of(spec), told=told)


def _page(render: Render, *, status: int = 200, **shown: Any) -> HTMLResponse:
    empty: dict[str, Any] = {
        "source": None,
        "name": "",
        "text": "",
        "faults": (),
        "spec": None,
        "stated": None,
        "told": None,
        "key": secrets.token_hex(8),
    }
    return render("search_file.html", status=status, **(empty | shown))
