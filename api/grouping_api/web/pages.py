"""Pages of jobs and of the affinity matrix, with the same data as the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, RedirectResponse

from grouping.domain.job_sentences import JobSentences
from grouping.problems.registry import list_problems
from grouping.store import Store
from grouping.trainers import trainer_class
from grouping.use_cases.affinity import ORDERS, pair_plan, read_affinity, usual_method
from grouping.use_cases.submit import request_digest, submit
from grouping.use_cases.table_queries import TableQueries
from grouping_api.access import READ, SUBMIT
from grouping_api.dependencies import (
    JobId,
    JobQueryDep,
    PageToken,
    SettingsDep,
    StoreDep,
    TableId,
    TableQueriesDep,
    of_app,
)
from grouping_api.web.affinity_view import missing_methods, offered_methods, view_affinity
from grouping_api.web.job_query_form import query_address, query_entries
from grouping_api.web.job_view import RecentEvents, view_job
from grouping_api.web.rendering import Render
from grouping_api.web.subjects import Subject, subject_of

JOBS_PER_PAGE = 25

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


Recent = Annotated[RecentEvents, of_app("recent_events")]
ShownBudget = Annotated[float | None, Query(description="Budget whose grouping is shown as a picture.")]


@router.get("/", dependencies=[READ])
def jobs_page(
    render: Render,
    store: StoreDep,
    settings: SettingsDep,
    query: JobQueryDep,
    page_token: PageToken = None,
) -> HTMLResponse:
    """Show one page of jobs: all, newest first, or those that are asked for."""
    page = store.list_jobs(query, limit=JOBS_PER_PAGE, after=page_token)
    token = page.next_token
    return render(
        "jobs.html",
        jobs=[(job, JobSentences.of(job).title) for job in page.items],
        next_address=None if token is None else query_address(query, token),
        entries=query_entries(query),
        is_filtered=query.is_filtered,
        is_first_page=page_token is None,
        needs_token=settings.api_token is not None,
        problems=list_problems(),
    )


@router.get("/jobs/{job_id}", dependencies=[READ])
def job_page(
    render: Render,
    job_id: JobId,
    store: StoreDep,
    queries: TableQueriesDep,
    recent: Recent,
    budget_snt: ShownBudget = None,
) -> HTMLResponse:
    """Show the state of a job and its recommendations."""
    return render("job.html", **_of_job(job_id, store, queries, recent, budget_snt))


@router.get("/jobs/{job_id}/live", dependencies=[READ])
def job_fragment(
    render: Render,
    job_id: JobId,
    store: StoreDep,
    queries: TableQueriesDep,
    recent: Recent,
    budget_snt: ShownBudget = None,
) -> HTMLResponse:
    """Render the parts of a job's page that change, which the script puts in place."""
    return render("job_live.html", **_of_job(job_id, store, queries, recent, budget_snt))


def _of_job(
    job_id: str, store: Store, queries: TableQueries, recent: RecentEvents, budget_snt: float | None
) -> dict[str, Any]:
    job = store.get_job(job_id)
    subject = Subject(queries.info(job.score_table_id), job)
    return {
        "view": view_job(job, store, queries, recent, budget_snt),
        "job": job,
        "training": trainer_class(job.spec.trainer).in_words(job.spec.trainer_parameters, job.settled),
        "subject": subject,
        "here": "job",
    }


@router.get("/score-tables/{table_id}/affinity", dependencies=[READ])
def affinity_page(
    render: Render,
    table_id: TableId,
    store: StoreDep,
    queries: TableQueriesDep,
    method: Annotated[str | None, Query(max_length=50)] = None,
    order: Annotated[str, Query(max_length=50)] = "cluster",
) -> HTMLResponse:
    """Show the affinity matrix; by the default method, or the first with values, unless one is asked for."""
    subject = subject_of(table_id, queries)
    shown = usual_method(queries, subject.info) if method is None else method
    view = view_affinity(read_affinity(queries, subject.info, shown), order)
    return render(
        "affinity.html",
        subject=subject,
        view=view,
        methods=offered_methods(queries, subject.info),
        missing=missing_methods(queries, subject.info),
        plan=pair_plan(queries, subject.info, shown),
        orders=ORDERS,
        here="affinity",
    )


@router.post("/score-tables/{table_id}/pairs", response_model=None, dependencies=[SUBMIT])
def measure_pairs(table_id: TableId, store: StoreDep, queries: TableQueriesDep) -> RedirectResponse:
    """Submit the job that measures missing pairs and go to its page; without one, go back to the matrix.

    The matrix says why there is no such job. Two requests for the same table make one job.
    """
    info = queries.info(table_id)
    plan = queries.pair_plan(info)
    if plan is None or plan.request is None:
        return RedirectResponse(f"/score-tables/{info.id}/affinity?method=pairwise", 303)
    job, _ = submit(store, plan.request, f"pairs-{info.id}-{request_digest(plan.request)}")
    return RedirectResponse(f"/jobs/{job.id}", 303)
