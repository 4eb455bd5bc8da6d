"""Pages that label a job, and that delete it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse

from grouping.domain.jobs.job import Job
from grouping.domain.jobs.labels import MAX_JOB_NAME, MAX_NOTE
from grouping.domain.jobs.verbs import JobVerb, refusal
from grouping.errors import InvalidInputError
from grouping.use_cases.table_queries import TableQueries
from grouping.wire.base_types import sentence_of
from grouping.wire.job_labels import JobChanges
from grouping_api.access import ADMIN, READ, SUBMIT
from grouping_api.dependencies import JobId, StoreDep, TableQueriesDep
from grouping_api.web.rendering import Render
from grouping_api.web.subjects import Subject

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_Text = Annotated[str, Form(max_length=2 * MAX_NOTE)]


@router.get("/jobs/{job_id}/labels", dependencies=[READ])
def labels_page(render: Render, job_id: JobId, store: StoreDep, queries: TableQueriesDep) -> HTMLResponse:
    """Show the form with name, note and tags of a job."""
    job = store.get_job(job_id)
    fields = {"name": job.name, "note": job.note, "tags": " ".join(job.tags)}
    return _labels(render, job, queries, fields)


@router.post("/jobs/{job_id}/labels", response_model=None, dependencies=[SUBMIT])
def change_labels(
    render: Render,
    job_id: JobId,
    store: StoreDep,
    queries: TableQueriesDep,
    name: _Text = "",
    note: _Text = "",
    tags: _Text = "",
) -> HTMLResponse | RedirectResponse:
    """Change the labels and go to the page of the job; show the form again with what is wrong."""
    job = store.get_job(job_id)
    words = tags.replace(",", " ").split()
    kept = {word.casefold() for word in words}
    dropped = [tag for tag in job.tags if tag.casefold() not in kept]
    try:
        asked = JobChanges.model_validate(
            {"name": name, "note": note, "add_tags": words, "drop_tags": dropped}
        )
        store.change_labels(job_id, asked.changes())
    except (InvalidInputError, ValidationError) as error:
        fields = {"name": name, "note": note, "tags": tags}
        return _labels(render, job, queries, fields, fault=_sentence(error), status=422)
    return RedirectResponse(f"/jobs/{job_id}", 303)


@router.get("/jobs/{job_id}/delete", dependencies=[READ])
def delete_page(render: Render, job_id: JobId, store: StoreDep, queries: TableQueriesDep) -> HTMLResponse:
    """Say what goes with a job, and ask whether to delete it."""
    job = store.get_job(job_id)
    return render(
        "job_delete.html",
        subject=Subject(queries.info(job.score_table_id), job),
        here="",
        job=job,
        refusal=refusal(JobVerb.DELETE, job.state),
        sentences=store.job_dependents(job_id).sentences(),
    )


@router.post("/jobs/{job_id}/delete", response_model=None, dependencies=[ADMIN])
def delete_job_page(job_id: JobId, store: StoreDep) -> RedirectResponse:
    """Delete a job and go back to the list."""
    store.delete_job(job_id)
    return RedirectResponse("/", 303)


def _labels(
    render: Render,
    job: Job,
    queries: TableQueries,
    fields: Mapping[str, str],
    *,
    fault: str = "",
    status: int = 200,
) -> HTMLResponse:
    return render(
        "job_labels.html",
        status=status,
        subject=Subject(queries.info(job.score_table_id), job),
        here="",
        job=job,
        fields=fields,
        fault=fault,
        longest=MAX_JOB_NAME,
    )


def _sentence(error: InvalidInputError | ValidationError) -> str:
    if isinstance(error, InvalidInputError):
        return str(error)
    first = error.errors()[0]
    return f"{first['loc'][0]}: {sentence_of(first['msg'])}"
