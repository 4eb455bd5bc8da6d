"""Pages of jobs and of the affinity matrix, with the same data as the API."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import HTMLResponse, RedirectResponse, Response

from grouping.domain.jobs.job import Job
from grouping.domain.jobs.sentences import JobSentences
from grouping.problems.registry import list_problems
from grouping.store import TableInfo
from grouping.trainers import trainer_class
from grouping.use_cases.affinity import (
    ORDERS,
    check_affinity,
    check_matrix_order,
    pair_plan,
    read_affinity,
    usual_method,
)
from grouping.use_cases.measure_pairs import PairPlan
from grouping.use_cases.submit import request_digest, submit
from grouping.use_cases.table_queries import TableQueries
from grouping_api.access import READ, SUBMIT, Granted
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
from grouping_api.turns import IN_TURN, IN_TURN_AFTER_START, IN_TURN_WHILE_SENT, TurnRoute
from grouping_api.web.affinity_view import AffinityView, missing_methods, offered_methods, view_affinity
from grouping_api.web.job_query_form import query_address, query_entries
from grouping_api.web.job_view import ChoicesView, JobView, RecentEvents, view_choices, view_job
from grouping_api.web.recommended import LastRecommended, Recommended
from grouping_api.web.rendering import Later, Render, Stream
from grouping_api.web.subjects import Subject, subject_of

JOBS_PER_PAGE = 25

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse, route_class=TurnRoute)


Recent = Annotated[RecentEvents, of_app("recent_events")]
Last = Annotated[LastRecommended, of_app("last_recommended")]
ShownBudget = Annotated[float | None, Query(description="Budget whose grouping is shown as a picture.")]


@dataclass(frozen=True)
class ShownJob:
    """A job whose page is asked for."""

    job: Job
    info: TableInfo
    view: JobView
    queries: TableQueries
    last: LastRecommended
    budget_snt: float | None
    kept: str | None

    def context(self, *, is_patient: bool) -> dict[str, Any]:
        """Return the data of its templates.

        Args:
            is_patient: whether recommendations of older scores will do for a while, unless the job is over.
        """
        job, view = self.job, self.view
        known = self.last.find(self.info, is_patient=is_patient and not job.state.is_final)
        return {
            "view": view,
            "recommends": functools.cache(lambda: self._choices(known)),
            "is_known": known is not None,
            "job": job,
            "training": trainer_class(job.spec.trainer).in_words(job.spec.trainer_parameters, job.settled),
            "subject": Subject(self.info, job),
            "here": "job",
        }

    def _choices(self, known: Recommended | None) -> ChoicesView:
        view = self.view
        if known is None:
            known = self.last.solve(
                self.queries, self.info, n_trained=view.n_trained, is_shortened=view.is_shortened
            )
        return view_choices(view, known, self.budget_snt, self.kept)


def _shown_job(
    job_id: JobId,
    store: StoreDep,
    queries: TableQueriesDep,
    recent: Recent,
    last: Last,
    settings: SettingsDep,
    budget_snt: ShownBudget = None,
) -> ShownJob:
    job = store.get_job(job_id)
    view = view_job(job, store, queries, recent)
    return ShownJob(job, queries.info(job.score_table_id), view, queries, last, budget_snt, settings.kept)


ShownJobDep = Annotated[ShownJob, Depends(_shown_job)]


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
        n_dispatchers=store.count_dispatchers(),
        needs_token=settings.api_token is not None,
        problems=list_problems(),
    )


@router.get("/jobs/{job_id}", dependencies=[READ, IN_TURN_AFTER_START])
def job_page(stream: Stream, shown: ShownJobDep) -> Response:
    """Show the state of a job and its recommendations."""
    return stream("job.html", **shown.context(is_patient=False))


@router.get("/jobs/{job_id}/live", dependencies=[READ, IN_TURN_AFTER_START])
def job_fragment(stream: Stream, shown: ShownJobDep) -> Response:
    """Render the parts of a job's page that change, which the script puts in place."""
    return stream("job_live.html", **shown.context(is_patient=True))


@router.get("/score-tables/{table_id}/affinity", dependencies=[READ, IN_TURN_WHILE_SENT])
def affinity_page(
    stream: Stream,
    table_id: TableId,
    store: StoreDep,
    queries: TableQueriesDep,
    method: Annotated[str | None, Query(max_length=50)] = None,
    order: Annotated[str, Query(max_length=50)] = "cluster",
    q: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """Show the affinity matrix; by the default method, or the first with values, unless one is asked for."""
    subject = subject_of(table_id, queries)
    check_matrix_order(order)
    if method is not None:
        check_affinity(queries, subject.info, method)

    def read() -> tuple[AffinityView, PairPlan | None]:
        shown = usual_method(queries, subject.info) if method is None else method
        view = view_affinity(read_affinity(queries, subject.info, shown), order, q)
        return view, pair_plan(queries, subject.info, shown)

    return stream(
        "affinity.html",
        subject=subject,
        found=Later(read),
        methods=offered_methods(queries, subject.info),
        missing=missing_methods(queries, subject.info),
        orders=ORDERS,
        words=q,
        here="affinity",
    )


@router.post("/score-tables/{table_id}/pairs", response_model=None, dependencies=[SUBMIT, IN_TURN])
def measure_pairs(
    table_id: TableId, store: StoreDep, queries: TableQueriesDep, granted: Granted
) -> RedirectResponse:
    """Submit the job that measures missing pairs and go to its page; without one, go back to the matrix.

    The matrix says why there is no such job. Two requests for the same table make one job.
    """
    info = queries.info(table_id)
    plan = queries.pair_plan(info)
    if plan is None or plan.request is None:
        return RedirectResponse(f"/score-tables/{info.id}/affinity?method=pairwise", 303)
    key = f"pairs-{info.id}-{request_digest(plan.request)}"
    job, _ = submit(store, plan.request, key, granted=granted)
    return RedirectResponse(f"/jobs/{job.id}", 303)
