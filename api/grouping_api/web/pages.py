"""The pages of jobs and of the affinity matrix. They read what the API reads, and change nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from grouping.domain.standing import Standing
from grouping.problems.registry import list_problems
from grouping.store import Store
from grouping.use_cases.affinity import ORDERS, pair_plan, read_affinity, usual_method
from grouping.use_cases.read_table import Readings
from grouping_api.dependencies import PageToken, ReadingsDep, StoreDep
from grouping_api.web.affinity_view import method_choices, missing_methods, view_affinity
from grouping_api.web.job_view import RecentEvents, job_title, view_job
from grouping_api.web.subjects import Subject, pages_of, subject_of

JOBS_PER_PAGE = 25

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def _recent(request: Request) -> RecentEvents:
    state = request.app.state
    if not hasattr(state, "recent_events"):
        state.recent_events = RecentEvents()
    recent: RecentEvents = state.recent_events
    return recent


@router.get("/")
def jobs_page(request: Request, store: StoreDep, page_token: PageToken = None) -> HTMLResponse:
    """Jobs, newest first."""
    page = store.list_jobs(limit=JOBS_PER_PAGE, after=page_token)
    return pages_of(request).render(
        request,
        "jobs.html",
        jobs=[(job, job_title(job), Standing.of(job).title) for job in page.items],
        next_token=page.next_token,
        is_first_page=page_token is None,
        needs_token=request.app.state.settings.api_token is not None,
        problems=list_problems(),
    )


@router.get("/jobs/{job_id}")
def job_page(request: Request, job_id: str, store: StoreDep, readings: ReadingsDep) -> HTMLResponse:
    """A job: where it stands and what it recommends."""
    return _job(request, "job.html", job_id, store, readings)


@router.get("/jobs/{job_id}/live")
def job_fragment(request: Request, job_id: str, store: StoreDep, readings: ReadingsDep) -> HTMLResponse:
    """The parts of a job's page that change, for the script to put in place."""
    return _job(request, "job_live.html", job_id, store, readings)


def _job(request: Request, template: str, job_id: str, store: Store, readings: Readings) -> HTMLResponse:
    job = store.get_job(job_id)
    view = view_job(job, store, readings, _recent(request))
    subject = Subject(readings.info(job.score_table_id), job)
    return pages_of(request).render(request, template, view=view, job=job, subject=subject, here="job")


@router.get("/score-tables/{table_id}/affinity")
def affinity_page(
    request: Request,
    table_id: str,
    store: StoreDep,
    readings: ReadingsDep,
    method: Annotated[str | None, Query(max_length=50)] = None,
    order: Annotated[str, Query(max_length=50)] = "cluster",
) -> HTMLResponse:
    """Which task helps which; from whatever was trained unless only joint runs tell anything."""
    subject = subject_of(table_id, readings)
    shown = usual_method(readings, subject.info) if method is None else method
    view = view_affinity(read_affinity(readings, subject.info, shown), order)
    return pages_of(request).render(
        request,
        "affinity.html",
        subject=subject,
        view=view,
        methods=method_choices(readings, subject.info, shown),
        missing=missing_methods(readings, subject.info),
        plan=pair_plan(readings, subject.info, shown),
        orders=ORDERS,
        here="affinity",
    )
