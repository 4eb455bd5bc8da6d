"""Routes for jobs: submit, find, read, label, pause, stop, cancel, resume, delete."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from grouping.domain.jobs.job import Job, Stop
from grouping.domain.jobs.sentences import JobSentences
from grouping.domain.jobs.verbs import JobVerb, refusal
from grouping.errors import StateConflictError
from grouping.store import Page
from grouping.use_cases.compare_jobs import compare_jobs
from grouping.use_cases.headroom import headroom_of
from grouping.use_cases.job_notes import notes_of
from grouping.use_cases.submit import submit
from grouping.use_cases.task_values import values_at
from grouping.wire.base_types import Joined
from grouping.wire.comparisons import JobComparison
from grouping.wire.groupings import RecommendationList
from grouping.wire.job_labels import JobChanges
from grouping.wire.jobs import JobDeletionOut, JobOut, JobPage, ProgressOut, TrialList
from grouping.wire.rank_checks import RankCheckOut
from grouping.wire.requests import EXAMPLE, JobRequest
from grouping_api.access import ADMIN, READ, SUBMIT, Granted
from grouping_api.dependencies import (
    IdempotencyKey,
    IdQuery,
    JobId,
    JobQueryDep,
    PageSize,
    PageToken,
    StoreDep,
    TableQueriesDep,
    location_of,
    tell_location,
)
from grouping_api.errors import problem_responses
from grouping_api.json_body import StrictJsonRoute
from grouping_api.turns import IN_TURN

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictJsonRoute)


@router.post(
    "",
    status_code=202,
    summary="Submit a grouping search",
    response_model=JobOut,
    responses={**location_of(202, "job"), **problem_responses(403, 413, 415, 422, 503)},
    dependencies=[SUBMIT],
)
def create_job(
    request: Annotated[
        JobRequest,
        Body(openapi_examples={"digits": {"summary": "Search on built-in data", "value": EXAMPLE}}),
    ],
    response: Response,
    store: StoreDep,
    granted: Granted,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Accept a job. It is stored before the answer is sent, and trained by the next free dispatcher."""
    job, is_new = submit(store, request, idempotency_key, granted=granted)
    tell_location(response, f"/v1/jobs/{job.id}", is_new=is_new)
    return job


@router.get(
    "",
    summary="List jobs, or find them again",
    response_model=JobPage,
    responses=problem_responses(422),
    dependencies=[READ],
)
def list_jobs(
    store: StoreDep, query: JobQueryDep, page_size: PageSize, page_token: PageToken = None
) -> Page[Job]:
    """Return one page of the jobs of which everything that is asked for is true, newest first."""
    return store.list_jobs(query, limit=page_size, after=page_token)


@router.get(
    "/compare",
    summary="Compare two jobs",
    responses=problem_responses(404, 422, 503),
    dependencies=[READ, IN_TURN],
)
def compare_two_jobs(store: StoreDep, queries: TableQueriesDep, a: IdQuery, b: IdQuery) -> JobComparison:
    """Return what was asked otherwise, both recommendations for each budget, and every change: b - a."""
    first, second = (store.get_job(store.whole_id("job", one)) for one in (a, b))
    return compare_jobs(store, queries, first, second)


@router.get(
    "/{job_id}",
    summary="Read a job",
    response_model=JobOut,
    responses=problem_responses(404),
    dependencies=[READ],
)
def get_job(job_id: JobId, store: StoreDep) -> Job:
    """Return a job in its present state."""
    return store.get_job(job_id)


@router.patch(
    "/{job_id}",
    summary="Change name, note or tags of a job",
    response_model=JobOut,
    responses=problem_responses(404, 413, 415, 422),
    dependencies=[SUBMIT],
)
def change_job(job_id: JobId, changes: JobChanges, store: StoreDep) -> Job:
    """Change what people find a job by, in any state; nothing is trained otherwise."""
    return store.change_labels(job_id, changes.changes())


@router.delete(
    "/{job_id}",
    summary="Delete a job that has ended, with its scores",
    responses=problem_responses(404, 409),
    dependencies=[ADMIN],
)
def delete_job(
    job_id: JobId,
    store: StoreDep,
    dry_run: Annotated[bool, Query(description="Delete nothing, and say what would be.")] = False,
) -> JobDeletionOut:
    """Delete a job that has ended, and say what becomes of what depends on it.

    Cancel a job under way first, and delete it when it has ended.
    """
    job = store.get_job(job_id)
    if dry_run and (why := refusal(JobVerb.DELETE, job.state)) is not None:
        raise StateConflictError(why)
    dependents = store.job_dependents(job_id) if dry_run else store.delete_job(job_id)
    return JobDeletionOut.read(dependents, job=job, is_deleted=not dry_run)


@router.post(
    "/{job_id}/stop",
    status_code=202,
    summary="Stop a job and recommend from what is there",
    response_model=JobOut,
    responses=problem_responses(404, 409, 422),
    dependencies=[SUBMIT],
)
def stop_job(
    job_id: JobId,
    store: StoreDep,
    confirm: Annotated[
        bool,
        Query(description="Whether what is chosen is still trained with fresh seeds, as the job asks for."),
    ] = True,
) -> Job:
    """Train no further network to search: the job confirms, recommends and succeeds with what is there.

    Trainings of the search that are under way are finished and count. Without `confirm` nothing more is
    trained at all, and what is under way is ended. The same again changes nothing.
    """
    return store.request_stop(job_id, Stop.SEARCH if confirm else Stop.ALL)


@router.post(
    "/{job_id}/pause",
    status_code=202,
    summary="Pause a job",
    response_model=JobOut,
    responses=problem_responses(404, 409),
    dependencies=[SUBMIT],
)
def pause_job(job_id: JobId, store: StoreDep) -> Job:
    """Begin no training until the job is resumed; those under way are finished first.

    The same again changes nothing. A paused job holds no worker and no dispatcher.
    """
    return store.request_pause(job_id)


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    summary="Cancel a job",
    response_model=JobOut,
    responses=problem_responses(404, 409),
    dependencies=[SUBMIT],
)
def cancel_job(job_id: JobId, store: StoreDep) -> Job:
    """Request the end of a job. Its scores so far are kept, and `resume` continues from them."""
    store.request_cancel(job_id)
    return store.get_job(job_id)


@router.post(
    "/{job_id}/resume",
    status_code=202,
    summary="Continue a job that is paused or has ended, and try failed trainings again",
    response_model=JobOut,
    responses=problem_responses(404, 409),
    dependencies=[SUBMIT],
)
def resume_job(job_id: JobId, store: StoreDep) -> Job:
    """Queue a paused, failed or cancelled job again; what has been trained is not trained again.

    So is a job that has succeeded without some of its trainings: those that failed are tried again.
    """
    store.resume(job_id)
    return store.get_job(job_id)


@router.get(
    "/{job_id}/progress",
    summary="Read the progress of a job",
    responses=problem_responses(404),
    dependencies=[READ],
)
def get_job_progress(job_id: JobId, store: StoreDep) -> ProgressOut:
    """Return the number of trials by purpose, group size and state, and what has been spent."""
    job = store.get_job(job_id)
    rows = store.progress(job_id)
    n_dispatchers = store.count_dispatchers()
    notes = notes_of(job, rows, n_dispatchers)
    spent = store.ledger(job_id)
    return ProgressOut.read(job, spent=spent, rows=rows, notes=notes, dispatchers=n_dispatchers)


@router.get(
    "/{job_id}/trials",
    summary="List the trainings of a job",
    responses=problem_responses(404),
    dependencies=[READ],
)
def list_trials(job_id: JobId, store: StoreDep) -> TrialList:
    """Return every training with its scores, in the order of the plan."""
    job = store.get_job(job_id)
    return TrialList.read(job, tasks=job.spec.tasks, items=store.trials(job_id))


@router.get(
    "/{job_id}/recommendations",
    summary="List the recommended grouping for each inference budget",
    responses=problem_responses(404, 503),
    dependencies=[READ, IN_TURN],
)
def list_recommendations(job_id: JobId, store: StoreDep, queries: TableQueriesDep) -> RecommendationList:
    """Return groupings that are chosen on validation losses and judged on test losses of fresh seeds."""
    job = store.get_job(job_id)
    info = queries.info(job.score_table_id)
    sentences = JobSentences.of(job)
    values, headroom = queries.values(info), headroom_of(store, job.id)
    items = [
        Joined(
            item,
            SimpleNamespace(
                values=values_at(values, place),
                headroom=headroom.get(item.budget_snt),
                sentence=sentences.recommendation(item.solution, item.verdict),
                tuned_sentence=sentences.tuned(item.tuned),
            ),
        )
        for place, item in enumerate(queries.recommendations(info))
    ]
    return RecommendationList.read(job, table=info, items=items)


@router.get(
    "/{job_id}/rank-check",
    summary="Check whether early losses rank the networks of each task",
    responses=problem_responses(404, 503),
    dependencies=[READ, IN_TURN],
)
def get_rank_check(job_id: JobId, store: StoreDep, queries: TableQueriesDep) -> RankCheckOut:
    """Compare early and full losses task by task, over the networks trained at both lengths so far.

    Only strategies with short passes, such as `esa` and `continuation`, train networks at both lengths.
    """
    job = store.get_job(job_id)
    return RankCheckOut.read(queries.rank_check(queries.info(job.score_table_id)), job_id=job.id)
