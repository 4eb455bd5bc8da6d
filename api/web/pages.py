"""The pages. They read the same store and the same readings as the API, and change nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse

from api.dependencies import PageToken, ReadingsDep, StoreDep, budget_of
from api.errors import InvalidParameterError
from api.readings import Readings
from api.web.affinity_view import ORDERS, view_affinity
from api.web.job_view import RecentEvents, job_title, view_job
from api.web.rendering import Pages
from api.web.wording import STATES, listed
from grouping.domain.affinity import METHODS
from grouping.domain.groupings import Solution
from grouping.domain.jobs import Job
from grouping.errors import UnknownNameError
from grouping.plots import curve_svg, grouping_svg
from grouping.problems.registry import list_problems
from grouping.solver import default_budgets
from grouping.store import Store, TableInfo

JOBS_PER_PAGE = 25

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_BudgetText = Annotated[str | None, Query(max_length=50)]


@dataclass(frozen=True, slots=True)
class Subject:
    """What the pages of a score table have in common: the table, and the job that fills it."""

    info: TableInfo
    job: Job | None

    @property
    def title(self) -> str:
        """Its name for people."""
        if self.job is not None:
            return job_title(self.job)
        return self.info.name or "Score table"


def _pages(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


def _recent(request: Request) -> RecentEvents:
    state = request.app.state
    if not hasattr(state, "recent_events"):
        state.recent_events = RecentEvents()
    recent: RecentEvents = state.recent_events
    return recent


def _subject(table_id: str, store: Store, readings: Readings) -> Subject:
    info = readings.info(table_id)
    return Subject(info, store.find_job_of_table(info.id))


@router.get("/")
def jobs_page(request: Request, store: StoreDep, page_token: PageToken = None) -> HTMLResponse:
    """Jobs, newest first."""
    page = store.list_jobs(limit=JOBS_PER_PAGE, after=page_token)
    return _pages(request).render(
        request,
        "jobs.html",
        jobs=[(job, job_title(job), STATES[job.state][0]) for job in page.items],
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
    return _pages(request).render(request, template, view=view, job=job, subject=subject, here="job")


@router.get("/score-tables/{table_id}/affinity")
def affinity_page(
    request: Request,
    table_id: str,
    store: StoreDep,
    readings: ReadingsDep,
    method: Annotated[str, Query(max_length=50)] = "pairwise",
    order: Annotated[str, Query(max_length=50)] = "cluster",
) -> HTMLResponse:
    """Which task helps which."""
    if order not in ORDERS:
        raise UnknownNameError("order", order, ORDERS)
    subject = _subject(table_id, store, readings)
    matrix = readings.affinity(subject.info, method)
    return _pages(request).render(
        request,
        "affinity.html",
        subject=subject,
        view=view_affinity(matrix, order),
        method=method,
        methods=tuple(METHODS),
        orders=ORDERS,
        here="affinity",
    )


@router.get("/score-tables/{table_id}/curve")
def curve_page(
    request: Request,
    table_id: str,
    store: StoreDep,
    readings: ReadingsDep,
    budget_snt: _BudgetText = None,
) -> HTMLResponse:
    """The best grouping for each budget, and for any budget asked for."""
    subject = _subject(table_id, store, readings)
    asked, fault = _budget(budget_snt)
    curve = readings.curve(subject.info)
    solution = None if asked is None else readings.solution(subject.info, asked)
    return _pages(request).render(
        request,
        "curve.html",
        status=422 if fault else 200,
        subject=subject,
        curve=curve,
        picture=Markup(curve_svg(curve, highlight_snt=asked)),
        has_solutions=any(point.solution.grouping for point in curve.points),
        asked=budget_snt,
        fault=fault,
        solution=solution,
        names=_network_names,
        here="curve",
    )


@router.get("/score-tables/{table_id}/networks")
def networks_page(
    request: Request,
    table_id: str,
    store: StoreDep,
    readings: ReadingsDep,
    budget_snt: _BudgetText = None,
) -> HTMLResponse:
    """The networks to train for one budget, and which task each of them serves."""
    subject = _subject(table_id, store, readings)
    asked, fault = _budget(budget_snt)
    if subject.job is not None:
        budgets = subject.job.spec.budgets_snt
    else:
        budgets = default_budgets(readings.table(subject.info))
    budget = budgets[len(budgets) // 2] if asked is None else asked
    solution = readings.solution(subject.info, budget)
    grouping = solution.grouping
    return _pages(request).render(
        request,
        "networks.html",
        status=422 if fault else 200,
        subject=subject,
        solution=solution,
        grouping=grouping,
        picture=Markup(grouping_svg(grouping)) if grouping else None,
        comparisons=_against_baselines(solution, readings, subject.info),
        task_losses=_task_losses(solution, readings, subject.info),
        budgets=budgets,
        budget=budget,
        asked=budget_snt,
        fault=fault,
        names=_network_names,
        listed=listed,
        here="networks",
    )


def _budget(text: str | None) -> tuple[float | None, str | None]:
    """The budget asked for in the form, or what is wrong with it."""
    if not text or not text.strip():
        return None, None
    try:
        return budget_of("budget_snt", text.strip().replace(",", ".")), None
    except InvalidParameterError as error:
        return None, str(error)


def _network_names(solution: Solution) -> tuple[str, ...]:
    grouping = solution.grouping
    return () if grouping is None else tuple(n.name(grouping.tasks) for n in grouping.networks)


def _against_baselines(solution: Solution, readings: Readings, info: TableInfo) -> list[dict[str, Any]]:
    """Change of the validation loss against choices that need no search; below zero is better."""
    if solution.loss is None:
        return []
    return [
        {"baseline": baseline, "change": solution.loss / baseline.loss - 1.0}
        for baseline in readings.curve(info).baselines
        if baseline.loss
    ]


def _task_losses(solution: Solution, readings: Readings, info: TableInfo) -> list[dict[str, Any]]:
    """Each task with the network that serves it and its losses there; None where unknown."""
    grouping = solution.grouping
    if grouping is None:
        return []
    table = readings.table(info)
    validation = grouping.task_losses(table, table.validation)
    test = grouping.task_losses(table, table.test)
    rows = []
    for t, task in enumerate(grouping.tasks):
        row = table.position(grouping.network_for(task))
        error = float(table.validation_standard_error[row, table.task_names.index(task)])
        rows.append(
            {
                "task": task,
                "network": grouping.network_for(task).name(grouping.tasks),
                "validation": float(validation[t]),
                "noise": None if error != error else error,
                "test": None if test[t] != test[t] else float(test[t]),
            }
        )
    return rows
