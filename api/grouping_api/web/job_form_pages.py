"""Page with the form that submits a job or estimates its cost."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from grouping.domain.access import Scope
from grouping.domain.jobs.job import Job
from grouping.errors import InvalidInputError
from grouping.problems.registry import get_problem, list_problems
from grouping.store import Store
from grouping.use_cases.clone import spec_of_clone
from grouping.use_cases.estimate import estimate
from grouping.use_cases.submit import request_digest, submit
from grouping.wire.estimates import EstimateOut
from grouping_api.access import READ, SUBMIT, Granted
from grouping_api.dependencies import IdQuery, ImporterDep, ReceivingDep, StoreDep
from grouping_api.errors import status_of
from grouping_api.uploads import Importer
from grouping_api.web.job_form import JobForm
from grouping_api.web.rendering import Render
from grouping_api.web.told_results import MAX_FILES, ToldResults

MAX_FIELDS = 2000
MAX_FIELD_BYTES = 1 << 16

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/jobs/new", response_model=None, dependencies=[READ])
def new_job_page(
    render: Render,
    store: StoreDep,
    problem: Annotated[str | None, Query(max_length=200)] = None,
    like: IdQuery | None = None,
) -> HTMLResponse | RedirectResponse:
    """Show the form for a job on the tasks of one problem, or filled in like another job."""
    if like is None:
        return _page(render, JobForm(get_problem(problem or list_problems()[0].name)))
    source = store.get_job(store.whole_id("job", like))
    try:
        form = JobForm.of(spec_of_clone(source))
    except InvalidInputError:  # it would not be accepted any more; the page of the file says why
        form = None
    if form is None:  # only a file says all that it does
        return RedirectResponse(f"/jobs/new/file?like={source.id}", 303)
    return _page(render, form, source=source)


@router.post("/jobs", response_model=None, dependencies=[SUBMIT])
async def submit_job(
    request: Request,
    render: Render,
    store: StoreDep,
    importer: ImporterDep,
    receiving: ReceivingDep,
    granted: Granted,
) -> HTMLResponse | RedirectResponse:
    """Submit the job and go to its page, or show its estimated cost; show the form again if it is invalid."""
    async with request.form(
        max_fields=MAX_FIELDS, max_files=MAX_FILES, max_part_size=MAX_FIELD_BYTES
    ) as data:
        values: dict[str, list[str]] = {}
        for name, value in data.multi_items():
            if isinstance(value, str):
                values.setdefault(name, []).append(value)
        results = await ToldResults.of(data)
    form = JobForm(get_problem(next(iter(values.get("problem", [""])))), values)
    try:
        given = render, store, importer, granted, form, results
        if results.has_files:
            return await receiving.read(request, _carry_out, *given)
        return await run_in_threadpool(_carry_out, *given)
    except (InvalidInputError, ValidationError) as error:
        status = status_of(error)[0] if isinstance(error, InvalidInputError) else 422
        return _page(render, form.with_fault(error), status=status)


def _carry_out(
    render: Render,
    store: Store,
    importer: Importer,
    granted: Scope,
    form: JobForm,
    results: ToldResults,
) -> HTMLResponse | RedirectResponse:
    asked = results.added_to(form.request(), importer)
    if form.value("action") == "estimate":
        return _page(render, form, told=estimate(asked, store))
    key = f"form-{form.value('key')}-{request_digest(asked)}"[:200]  # the same form sent twice makes one job
    job, _ = submit(store, asked, key, granted=granted)
    return RedirectResponse(f"/jobs/{job.id}", 303)


def _page(
    render: Render,
    form: JobForm,
    *,
    source: Job | None = None,
    told: EstimateOut | None = None,
    status: int = 200,
) -> HTMLResponse:
    return render(
        "job_new.html",
        status=status,
        form=form,
        source=source,
        told=told,
        problems=list_problems(),
        key=secrets.token_hex(8),
    )
