"""Jobs that users pause or stop."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, true, update
from sqlalchemy.orm import Session

from grouping.domain.jobs.job import Job, JobState, Stop
from grouping.domain.jobs.verbs import JobVerb, refusal
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.errors import StateConflictError
from grouping.store.codec import job_from_row
from grouping.store.database import Database
from grouping.store.locked_jobs import NOT_LEASED, LockedJob, lock_claimed_job, lock_job
from grouping.store.records import Claim
from grouping.store.rows import JobRow, TrialRow


class StopMethods:
    """Methods of the store by which users pause and stop jobs, and dispatchers follow."""

    _database: Database

    def request_pause(self, job_id: str) -> Job:
        """Ask a job to pause: at once if no dispatcher holds it, else when what is in training is finished.

        Trainings that workers elsewhere have leased go on. Asking again changes nothing; `Store.resume` has
        the job go on where it stood.

        Raises:
            NotFoundError: if there is none.
            StateConflictError: if the job has ended, or is being cancelled.
        """
        with self._database.writing() as session:
            locked = lock_job(self._database, session, job_id)
            job = locked.job
            check_verb(JobVerb.PAUSE, job)
            if job.state not in (JobState.PAUSING, JobState.PAUSED):
                if locked.has_live_lease():
                    job.state = JobState.PAUSING
                else:
                    locked.give_back_trials(NOT_LEASED)
                    locked.clear_lease()
                    job.state = JobState.PAUSED
                locked.add_event(f"job_{job.state}", {})
            session.flush()
            return job_from_row(job)

    def request_stop(self, job_id: str, stop: Stop = Stop.SEARCH) -> Job:
        """Ask a job to recommend from what is there; a dispatcher carries that out.

        What is planned and no more wanted is skipped at once. A job that is paused, or about to be, goes on
        for it. Asking again changes nothing, and who asked for nothing more to be trained cannot take that
        back.

        Raises:
            NotFoundError: if there is none.
            StateConflictError: if the job has ended, is being cancelled, or nothing is there.
        """
        with self._database.writing() as session:
            locked = lock_job(self._database, session, job_id)
            job = locked.job
            check_verb(JobVerb.STOP, job, n_trained=count_trained(session, job_id))
            if job.stop is None or (stop is Stop.ALL and job.stop != stop):
                job.stop = stop
                locked.add_event("job_stopped", {"stop": stop})
                skip_unwanted(locked, stop)
            if job.state in (JobState.PAUSING, JobState.PAUSED):
                locked.add_event("job_resumed", {"from": job.state, "trials_retried": 0})
                job.state = JobState.QUEUED
            session.flush()
            return job_from_row(job)

    def skip_unwanted_trials(self, claim: Claim, stop: Stop) -> int:
        """Skip what is planned and what a user who stopped the job so wants no more; return how many.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
        """
        with self._database.writing() as session:
            return skip_unwanted(lock_claimed_job(self._database, session, claim), stop)


def check_verb(verb: JobVerb, job: JobRow, n_given_up: int = 0, *, n_trained: int = 1) -> None:
    """Refuse what cannot be done with a job in its state.

    Raises:
        StateConflictError: if it cannot be done; says what to do.
    """
    why = refusal(verb, JobState(job.state), n_given_up, n_trained=n_trained)
    if why is not None:
        raise StateConflictError(why)


def count_trained(session: Session, job_id: str) -> int:
    """Count the trainings of the search of a job that succeeded."""
    is_there = (TrialRow.job_id == job_id) & (TrialRow.state == TrialState.SUCCEEDED)
    is_there &= TrialRow.purpose == Purpose.SEARCH
    return session.scalar(select(func.count()).select_from(TrialRow).where(is_there)) or 0


def skip_unwanted(locked: LockedJob, stop: Stop | str | None) -> int:
    """Skip the planned trials that are no more wanted where a job was stopped; return how many."""
    if stop is None:
        return 0
    is_all = stop == Stop.ALL
    unwanted: ColumnElement[bool] = true() if is_all else TrialRow.purpose != Purpose.CONFIRMATION
    of_job = (TrialRow.job_id == locked.job.id) & (TrialRow.state == TrialState.PLANNED)
    ids = locked.session.scalars(select(TrialRow.id).where(of_job, unwanted)).all()
    if ids:
        locked.session.execute(
            update(TrialRow).where(of_job, unwanted).values(state=TrialState.SKIPPED, finished_s=locked.now_s)
        )
        locked.revise_table()
        locked.add_event("trials_skipped", {"skipped": len(ids), "reason": "the job was stopped"})
    return len(ids)
