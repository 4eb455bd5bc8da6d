"""Pages of the trainings of a job: their list, and what one told while it ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from markupsafe import Markup
from starlette.responses import HTMLResponse

from grouping.domain.networks import Network
from grouping.domain.trainings.trials import Trial, TrialState
from grouping.errors import NotFoundError
from grouping.plots import progress_svg
from grouping.plots.svg import shortened
from grouping_api.access import READ
from grouping_api.dependencies import JobId, StoreDep, TableQueriesDep, TrialId
from grouping_api.web.rendering import Render
from grouping_api.web.subjects import subject_of
from grouping_api.web.wording import plural

TRIALS_PER_PAGE = 50
MAX_NAME = 80
"""Characters of the name of a network beyond which its tasks are counted in a heading."""
_FIRST = (TrialState.RUNNING, TrialState.FAILED, TrialState.DIVERGED)

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/jobs/{job_id}/trials", dependencies=[READ])
def trials_page(
    render: Render,
    job_id: JobId,
    store: StoreDep,
    queries: TableQueriesDep,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> HTMLResponse:
    """List trainings: those that run or failed first, then in the order of the plan."""
    job = store.get_job(job_id)
    trials = sorted(store.trials(job_id), key=_rank)
    start = (page - 1) * TRIALS_PER_PAGE
    shown = trials[start : start + TRIALS_PER_PAGE]
    return render(
        "trials.html",
        subject=subject_of(job.score_table_id, queries),
        job=job,
        trials=shown,
        first=start + 1,
        n_trials=len(trials),
        earlier=page - 1,
        later=page + 1 if start + len(shown) < len(trials) else 0,
        here="trials",
    )


@router.get("/jobs/{job_id}/trials/{trial_id}", dependencies=[READ])
def trial_page(
    render: Render, job_id: JobId, trial_id: TrialId, store: StoreDep, queries: TableQueriesDep
) -> HTMLResponse:
    """Show the scores, the learning curves and the log of a training."""
    job = store.get_job(job_id)
    log = store.trial_log(job_id, trial_id)
    points = store.trial_progress(job_id, trial_id)
    trial = next((one for one in store.trials(job_id) if one.id == trial_id), None)
    if trial is None:
        raise NotFoundError("trial", trial_id)
    has_values = any(point.values for point in points)
    return render(
        "trial.html",
        subject=subject_of(job.score_table_id, queries),
        job=job,
        trial=trial,
        name=short_name(trial.network, job.spec.tasks),
        tasks=[task for task in job.spec.tasks if task in trial.network.group],
        log=log.text,
        picture=Markup(progress_svg(points)) if has_values else None,  # nosec B704 # SVG of our own, its texts escaped
        here="trials",
    )


def short_name(network: Network, tasks: Sequence[str]) -> str:
    """Return the name of a network, or the number of its tasks where the name is long."""
    name = network.name(tasks)
    if len(name) <= MAX_NAME or len(network.group) == 1:
        return name
    size = "" if network.size == 1 else f", size {network.size:g}"
    if len(network.group) == len(tasks):
        return f"All {len(tasks)} tasks{size}"
    first = next(task for task in tasks if task in network.group)
    return f"{shortened(first, 40)} and {plural(len(network.group) - 1, 'other task')}{size}"


def _rank(trial: Trial) -> tuple[int, int]:
    place = _FIRST.index(trial.state) if trial.state in _FIRST else len(_FIRST)
    return place, trial.position
