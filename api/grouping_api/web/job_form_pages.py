"""The page that submits a job, or says before what it would cost."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from grouping.errors import InvalidInputError
from grouping.problems.registry import get_problem, list_problems
from grouping.store import Store
from grouping_api.dependencies import StoreDep
from grouping_api.errors import STATUS
from grouping_api.estimating import estimate
from grouping_api.job_estimates import JobEstimate
from grouping_api.submission import build_spec, check_reused, request_digest
from grouping_api.web.job_form import JobForm
from grouping_api.web.subjects import pages_of

MAX_FIELDS = 2000
MAX_FIELD_BYTES = 1 << 16

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/jobs/new")
def new_job_page(
    request: Request, problem: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """The form, for the tasks of one problem."""
    name = problem or list_problems()[0].name
    return _page(request, JobForm(get_problem(name)))


@router.post("/jobs", response_model=None)
async def submit_job(request: Request, store: StoreDep) -> HTMLResponse | RedirectResponse:
    """Submit what the form holds and go to the job's page, or tell its cost; or say what is wrong."""
    async with request.form(max_fields=MAX_FIELDS, max_files=0, max_part_size=MAX_FIELD_BYTES) as data:
        values: dict[str, list[str]] = {}
        for name, value in data.multi_items():
            if isinstance(value, str):
                values.setdefault(name, []).append(value)
    form = JobForm(get_problem(next(iter(values.get("problem", [""])))), values)
    try:
        return await run_in_threadpool(_carry_out, request, store, form)
    except (InvalidInputError, ValidationError) as error:
        bases = type(error).__mro__
        status = next((STATUS[base][0] for base in bases if base in STATUS), 422)
        return _page(request, form.with_fault(error), status=status)


def _carry_out(request: Request, store: Store, form: JobForm) -> HTMLResponse | RedirectResponse:
    asked = form.request()
    spec, tasks = build_spec(asked)
    check_reused(store, spec)
    if form.value("action") == "estimate":
        return _page(request, form, told=estimate(store, spec, tasks))
    digest = request_digest(asked)
    key = f"form-{form.value('key')}-{digest}"[:200]  # the same form sent twice makes one job
    job, _ = store.create_job(spec, tasks, idempotency_key=key, request_digest=digest)
    return RedirectResponse(f"/jobs/{job.id}", 303)


def _page(
    request: Request, form: JobForm, *, told: JobEstimate | None = None, status: int = 200
) -> HTMLResponse:
    return pages_of(request).render(
        request,
        "job_new.html",
        status=status,
        form=form,
        told=told,
        problems=list_problems(),
        key=secrets.token_hex(8),
    )
