"""Jobs in the store: submit, read, cancel, resume, delete."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grouping.domain.jobs.deletion import JobDependents
from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.verbs import JobVerb
from grouping.domain.tables.finished_results import FinishedResults
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TrialState
from grouping.errors import IdempotencyConflictError, InvalidInputError, pointing_below
from grouping.store.codec import (
    check_idempotency_key,
    is_id,
    job_from_row,
    new_id,
    spec_to_json,
    storable,
    task_to_json,
)
from grouping.store.database import Database
from grouping.store.job_search import new_name, set_labels
from grouping.store.locked_jobs import LockedJob, find_job, lock_job
from grouping.store.results import Refused, add_to
from grouping.store.rows import GroupingRow, JobRow, NetworkRow, ScoreTableRow, TrialRow
from grouping.store.stops import check_verb, skip_unwanted

MAX_INTEGER = 2**63 - 1
_FINAL = tuple(state for state in JobState if state.is_final)


class JobMethods:
    """Methods of the store by which the HTTP service handles jobs."""

    _database: Database

    def create_job(
        self,
        spec: JobSpec,
        tasks: Sequence[Task],
        *,
        idempotency_key: str | None = None,
        request_digest: str = "",
        results: Sequence[FinishedResults] = (),
        refused: Refused | None = None,
        named_after: str = "",
    ) -> tuple[Job, bool]:
        """Accept a job; once this returns, the job exists even if every process ends.

        Args:
            spec: specification of the job. Its weights, where given, replace those of the tasks.
            tasks: the tasks of the score table, in the order of ``spec.tasks``.
            idempotency_key: the same key with the same digest gives the same job, however often it comes.
            request_digest: digest of the request.
            results: finished trainings that count as trained from the start; see `Store.add_results`.
            refused: groups that no such result can stand for, and why.
            named_after: name that the job gets, with the next number, where its specification has none; its
                `default_name` unless given.

        Returns:
            The job, and whether this call made it.

        Raises:
            IdempotencyConflictError: if the key came before with another digest.
            InvalidInputError: if tasks and specification do not fit, or something cannot be stored.
            ResultsRefusedError: if a finished training does not fit; then there is no job.
        """
        _check_submission(spec, tasks, idempotency_key)
        told = (results, refused)
        try:
            return self._create_job(spec, tasks, idempotency_key, request_digest, told, named_after)
        except IntegrityError:
            if idempotency_key is None:
                raise
            # Another transaction won the race for the key; its job is there now.
            return self._create_job(spec, tasks, idempotency_key, request_digest, told, named_after)

    def _create_job(
        self,
        spec: JobSpec,
        tasks: Sequence[Task],
        key: str | None,
        digest: str,
        told: tuple[Sequence[FinishedResults], Refused | None],
        named_after: str,
    ) -> tuple[Job, bool]:
        with self._database.writing() as session:
            if key is not None:
                first = session.scalars(select(JobRow).where(JobRow.idempotency_key == key)).one_or_none()
                if first is not None:
                    if first.request_digest != digest:
                        raise IdempotencyConflictError(
                            "This idempotency key was used before with another request; use a new key."
                        )
                    return job_from_row(first), False
            now_s = self._database.now_s(session)
            name = spec.name or new_name(session, named_after or spec.default_name)
            weighted = [task.with_weight(spec.weights.get(task.name, task.weight)) for task in tasks]
            table = ScoreTableRow(
                id=new_id(),
                name=storable(name),
                tasks=[task_to_json(task) for task in weighted],
                revision=0,
                created_s=now_s,
            )
            session.add(table)
            session.flush()
            row = _new_row(spec, table, key, digest)
            set_labels(row, spec, name=name, note="", tags=spec.tags)
            session.add(row)
            session.flush()
            locked = LockedJob(session, row, now_s)
            locked.add_event("job_submitted", {"name": row.name, "problem": spec.problem})
            results, refused = told
            for position, finished in enumerate(results):
                with pointing_below(f"/results/{position}", always=True):
                    add_to(locked, finished, refused)
            session.flush()
            return job_from_row(row), True

    def get_job(self, job_id: str) -> Job:
        """Return a job in its present state.

        Raises:
            NotFoundError: if there is none.
        """
        with self._database.reading() as session:
            return job_from_row(find_job(session, job_id))

    def jobs_under_way(self) -> tuple[Job, ...]:
        """Return the jobs that have not ended, in no particular order."""
        with self._database.reading() as session:
            found = session.scalars(select(JobRow).where(JobRow.state.not_in(_FINAL)))
            return tuple(job_from_row(row) for row in found)

    def find_job_of_table(self, table_id: str) -> Job | None:
        """Find the job that fills a score table, or None for a table without one."""
        if not is_id(table_id):
            return None
        with self._database.reading() as session:
            row = session.scalars(select(JobRow).where(JobRow.score_table_id == table_id)).one_or_none()
            return None if row is None else job_from_row(row)

    def request_cancel(self, job_id: str) -> Job:
        """Ask a job to end: at once if no dispatcher holds it, else when its dispatcher renews next.

        Asking again while the job is being cancelled changes nothing.

        Raises:
            NotFoundError: if there is none.
            StateConflictError: if the job has ended.
        """
        with self._database.writing() as session:
            locked = lock_job(self._database, session, job_id)
            job = locked.job
            check_verb(JobVerb.CANCEL, job)
            if not locked.has_live_lease():
                _cancel_now(locked)
            elif not job.cancel_requested:
                job.cancel_requested = True
                job.state = JobState.CANCELLING
                locked.add_event("job_cancelling", {})
            session.flush()
            return job_from_row(job)

    def resume(self, job_id: str) -> Job:
        """Queue a failed, cancelled or paused job again; its scores stay, failed trials get new attempts.

        So is one that has succeeded without some of its trials, as they failed. One that was about to pause
        goes on with the dispatcher that holds it. A job that was stopped stays so, and searches no more.

        Raises:
            NotFoundError: if there is none.
            StateConflictError: in any other state.
        """
        with self._database.writing() as session:
            locked = lock_job(self._database, session, job_id)
            job = locked.job
            check_verb(JobVerb.RESUME, job, _count_failed_trials(session, job_id))
            retried = _retry_failed_trials(session, job_id)
            skipped = skip_unwanted(locked, job.stop)
            if retried and not skipped:
                locked.revise_table()
            before = job.state
            job.state = JobState.QUEUED
            job.stop_reason = job.error = job.finished_s = job.missing = None
            job.cancel_requested = False
            job.lost_claims = 0
            locked.add_event("job_resumed", {"from": before, "trials_retried": retried})
            session.flush()
            return job_from_row(job)

    def job_dependents(self, job_id: str) -> JobDependents:
        """Return what goes with a job if it is deleted, and which jobs copied from it or still may.

        Raises:
            NotFoundError: if there is none.
        """
        with self._database.reading() as session:
            return _dependents(session, find_job(session, job_id))

    def delete_job(self, job_id: str) -> JobDependents:
        """Remove a job that has ended, with its table, groupings, networks, trials, scores and events.

        Returns:
            What went with it, and which jobs depended on it.

        Raises:
            NotFoundError: if there is none.
            StateConflictError: if the job has not ended.
        """
        with self._database.writing() as session:
            job = lock_job(self._database, session, job_id).job
            check_verb(JobVerb.DELETE, job)
            dependents = _dependents(session, job)
            table_id = job.score_table_id
            # Trials and events go with their job, scores with their trials: ON DELETE CASCADE.
            session.execute(delete(JobRow).where(JobRow.id == job_id))
            session.execute(delete(NetworkRow).where(NetworkRow.score_table_id == table_id))
            session.execute(delete(ScoreTableRow).where(ScoreTableRow.id == table_id))
            return dependents


def _dependents(session: Session, job: JobRow) -> JobDependents:
    def count(row: type[TrialRow | GroupingRow], is_chosen: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count()).select_from(row).where(is_chosen)) or 0

    copies = select(TrialRow.job_id).where(TrialRow.reused_from_job == job.id).distinct()
    under_way = session.scalars(
        select(JobRow).where(JobRow.state.not_in(_FINAL)).order_by(JobRow.created_s, JobRow.id)
    )
    return JobDependents(
        count(TrialRow, TrialRow.job_id == job.id),
        count(GroupingRow, GroupingRow.score_table_id == job.score_table_id),
        tuple(session.scalars(copies.order_by(TrialRow.job_id))),
        tuple(other.id for other in under_way if job.id in other.spec.get("reuse_jobs", ())),
    )


def _check_submission(spec: JobSpec, tasks: Sequence[Task], key: str | None) -> None:
    if tuple(task.name for task in tasks) != spec.tasks:
        raise InvalidInputError("The tasks given are not those of the job.", pointer="/tasks")
    if any(abs(seed) > MAX_INTEGER for seed in (*spec.search_seeds, *spec.confirmation_seeds)):
        raise InvalidInputError(
            "The seed is too large; use one below 9,000,000,000,000,000.", pointer="/seed"
        )
    check_idempotency_key(key)


def _new_row(spec: JobSpec, table: ScoreTableRow, key: str | None, digest: str) -> JobRow:
    return JobRow(
        id=new_id(),
        spec=spec_to_json(spec),
        state=JobState.QUEUED,
        created_s=table.created_s,
        versions={},
        settled={},
        score_table_id=table.id,
        cancel_requested=False,
        lease_epoch=0,
        event_count=0,
        idempotency_key=key,
        request_digest=storable(digest),
        charged_trainings=0,
        charged_epochs=0,
        charged_seconds=0.0,
    )


def _cancel_now(locked: LockedJob) -> None:
    """End a job that nobody holds; a dispatcher that comes back finds its lease gone."""
    locked.give_back_trials()
    locked.clear_lease()
    locked.job.state = JobState.CANCELLED
    locked.job.cancel_requested = True
    locked.job.finished_s = locked.now_s
    locked.add_end({})


def _count_failed_trials(session: Session, job_id: str) -> int:
    is_failed = (TrialRow.job_id == job_id) & (TrialRow.state == TrialState.FAILED)
    return session.scalar(select(func.count()).select_from(TrialRow).where(is_failed)) or 0


def _retry_failed_trials(session: Session, job_id: str) -> int:
    # A result from outside has failed where its network cannot be built: no attempt would change that.
    is_failed = (TrialRow.job_id == job_id) & (TrialRow.state == TrialState.FAILED) & TrialRow.told.is_(None)
    failed = session.scalars(select(TrialRow.id).where(is_failed)).all()
    session.execute(
        update(TrialRow)
        .where(is_failed)
        .values(
            state=TrialState.PLANNED,
            attempts=0,
            failures=0,
            losses=0,
            shortages=0,
            reached=None,
            fault=None,
            epochs=0,
            seconds=0.0,
            error=None,
            started_s=None,
            finished_s=None,
        )
    )
    return len(failed)
