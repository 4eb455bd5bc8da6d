"""Pages that compare two jobs, or two stored groupings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from grouping.use_cases.compare_groupings import compare
from grouping.use_cases.compare_jobs import compare_jobs
from grouping.wire.comparisons import AffinityChange
from grouping_api.access import READ
from grouping_api.dependencies import IdQuery, StoreDep, TableQueriesDep
from grouping_api.turns import IN_TURN, TurnRoute
from grouping_api.web.affinity_view import LEAST_SCALE, Cell, shade
from grouping_api.web.rendering import MINUS, Render

LEAST_SHOWN = 5e-4
"""Change of an affinity that is not zero in percent with one decimal."""
N_OFFERED = 50
"""Newest jobs that a job can be compared with by a click."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse, route_class=TurnRoute)


@router.get("/compare", dependencies=[READ, IN_TURN])
def compare_jobs_page(
    render: Render,
    store: StoreDep,
    queries: TableQueriesDep,
    a: IdQuery,
    b: Annotated[str, Query(max_length=50)] = "",
) -> HTMLResponse:
    """Compare two jobs; with one only, ask which other."""
    first = store.get_job(store.whole_id("job", a.strip()))
    if not b.strip():
        others = [job for job in store.list_jobs(limit=N_OFFERED) if job.id != first.id]
        return render("compare_with.html", job=first, others=others)
    second = store.get_job(store.whole_id("job", b.strip()))
    found = compare_jobs(store, queries, first, second)
    rows = () if found.affinity is None else _cells(found.affinity)
    return render("compare_jobs.html", found=found, matrix_rows=rows)


@router.get("/groupings/compare", dependencies=[READ])
def compare_groupings_page(render: Render, store: StoreDep, a: IdQuery, b: IdQuery) -> HTMLResponse:
    """Compare two stored groupings."""
    first, second = (store.get_grouping(store.whole_id("grouping", one.strip())) for one in (a, b))
    return render("compare_groupings.html", found=compare(first, second))


def _cells(change: AffinityChange) -> tuple[tuple[Cell, ...], ...]:
    known = [abs(value) for row in change.values for value in row if value is not None]
    scale = max(LEAST_SCALE, max(known, default=0.0))
    places = range(len(change.tasks))
    return tuple(tuple(_cell(change, i, j, scale) for j in places) for i in places)


def _cell(change: AffinityChange, i: int, j: int, scale: float) -> Cell:
    value = change.values[i][j]
    if i == j:
        return Cell("self", "", "", change.tasks[i])
    source, target = change.tasks[i], change.tasks[j]
    if value is None:
        return Cell("missing", "", "", f"{source} with {target}: not known in both jobs")
    text = f"{100 * value:+.1f}".replace("-", MINUS) if abs(value) >= LEAST_SHOWN else "0.0"
    word = "as good" if abs(value) < LEAST_SHOWN else ("better" if value > 0 else "worse")
    sentence = f"{source} is {word} for {target} in the second job: {text} points"
    return Cell(shade(value, scale), text, "", sentence)
