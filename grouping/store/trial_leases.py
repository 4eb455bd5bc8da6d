"""Leases of single trials: the right of one worker anywhere to train one trial and to report on it.

A worker needs no claim on the job: its lease is a random token, which it shows with all that it reports. A
lease holds while its trial is running, and until somebody notices that its time is over; from then on
everything that it reports is refused, so no training is recorded twice, and none under two leases.

Every write but a renewal locks the job first, as all writers of a job do, and never two jobs at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from grouping.domain.reported import with_losses
from grouping.domain.trials import TrialOutcome, TrialState
from grouping.errors import IdempotencyConflictError, LeaseLostError, NotFoundError
from grouping.store.codec import (
    is_id,
    job_from_row,
    new_lease_token,
    score_from_row,
    storable,
)
from grouping.store.database import Database
from grouping.store.leasable import LEASABLE, first_fitting, is_expired, jobs_with_work, request_of
from grouping.store.locked_jobs import LockedJob, describe_trial, lock_job
from grouping.store.outcomes import check_outcome, record, tasks_of
from grouping.store.records import Renewal, TrialLease, TrialReport
from grouping.store.reports import keep_report
from grouping.store.rows import JobRow, NetworkRow, ScoreRow, TrialRow
from grouping.trainers import trainer_of

_GONE = (
    "This lease has ended: its time was over and the trial was planned again, or the job has ended or was "
    "deleted. Nobody waits for the training; drop its result and ask for another lease."
)


class TrialLeaseMethods:
    """Methods of the store by which workers anywhere train trials, and by which their leases expire."""

    _database: Database

    def lease_trial(
        self,
        worker: str,
        *,
        job_ids: Collection[str] | None = None,
        available: Mapping[str, float] | None = None,
    ) -> TrialLease | None:
        """Lease the first planned trial of a job whose trainer trains elsewhere; None if there is none.

        The job with the fewest trials in training comes first, then the oldest. An attempt is counted and
        charged.

        Args:
            worker: name of the worker, for people.
            job_ids: jobs to take trials of; all when None.
            available: amounts that the worker has, by the names of `Resources.fit_into`; None to take any.
        """
        with self._database.reading() as session:
            waiting = jobs_with_work(session, self._database.now_s(session), job_ids)
        for job_id in waiting:
            lease = self._lease_from(job_id, worker, available)
            if lease is not None:
                return lease
        return None

    def renew_trial(self, token: str, report: TrialReport | None = None) -> Renewal:
        """Extend a lease by its length from now, and tell whether the user asked to cancel the job.

        Args:
            token: token of the lease.
            report: what the training told since the last renewal, to be kept.

        Raises:
            LeaseLostError: if the lease has ended.
        """
        with self._database.writing() as session:
            is_valid = (TrialRow.lease_token == _known(token)) & (TrialRow.state == TrialState.RUNNING)
            now_s = self._database.now_s(session)
            # The row alone, since a thousand workers that renew must not queue up behind the planner.
            session.execute(update(TrialRow).where(is_valid).values(lease_expires_s=now_s + TrialRow.lease_s))
            found = session.execute(
                select(TrialRow, JobRow.cancel_requested)
                .join(JobRow, JobRow.id == TrialRow.job_id)
                .where(is_valid)
            ).one_or_none()
            if found is None or found[0].lease_expires_s is None:
                raise LeaseLostError(_GONE)
            if report is not None:
                keep_report(session, found[0], report)
            return Renewal(found[0].lease_expires_s, found[1])

    def complete_trial(self, token: str, outcome: TrialOutcome, *, measures_time: bool = False) -> TrialState:
        """Record the outcome of a leased trial; the same again changes nothing.

        Args:
            token: token of the lease.
            outcome: outcome of the training; a failure is final here, see `fail_trial` for another attempt.
            measures_time: whether the seconds of the outcome are those since the lease began.

        Returns:
            The state of the trial.

        Raises:
            LeaseLostError: if the lease has ended without an outcome.
            IdempotencyConflictError: if another outcome came before with this token.
            InvalidInputError: if the scores are not those of the tasks of its network, one each.
        """
        check_outcome(outcome)
        with self._database.writing() as session:
            locked, trial, network = self._locked(session, token)
            outcome = with_losses(outcome, tasks_of(locked))
            if trial.state == TrialState.RUNNING:
                if measures_time:
                    outcome = replace(outcome, seconds=_seconds(locked, trial))
                record(locked, trial, network, outcome)
                locked.revise_table()
            elif not _is_recorded(session, trial, outcome):
                raise IdempotencyConflictError(
                    "Another outcome was reported with this lease before; that one is kept."
                )
            return TrialState(trial.state)

    def fail_trial(self, token: str, error: str, *, retry: bool) -> TrialState:
        """Record that a leased training failed; the same again changes nothing.

        Args:
            token: token of the lease.
            error: what went wrong, in words for the user.
            retry: whether to plan it again, up to the last allowed attempt.

        Returns:
            The state of the trial: planned or failed.

        Raises:
            LeaseLostError: if the lease has ended otherwise.
        """
        with self._database.writing() as session:
            locked, trial, network = self._locked(session, token, or_planned=True)
            if trial.state == TrialState.RUNNING and retry:
                state = locked.lose_trial(trial, network, storable(error))
                trial.lease_token = token  # so that the same again is known
                return state
            if trial.state == TrialState.RUNNING:
                outcome = TrialOutcome(TrialState.FAILED, seconds=_seconds(locked, trial), error=error)
                record(locked, trial, network, outcome)
                locked.revise_table()
            elif trial.state not in (TrialState.PLANNED, TrialState.FAILED):
                raise LeaseLostError(_GONE)
            return TrialState(trial.state)

    def give_back_trial(self, token: str) -> TrialState:
        """Plan a leased trial again without counting this attempt; the same again changes nothing.

        Raises:
            LeaseLostError: if the lease has ended otherwise.
        """
        with self._database.writing() as session:
            locked, trial, network = self._locked(session, token, or_planned=True)
            if trial.state == TrialState.RUNNING:
                data = describe_trial(trial, network) | {"worker": trial.lease_owner}
                locked.add_event("trial_given_back", data)
                locked.give_back(trial)
                locked.job.charged_trainings -= 1
            elif trial.state != TrialState.PLANNED:
                raise LeaseLostError(_GONE)
            return TrialState(trial.state)

    def expire_trials(self, job_id: str) -> int:
        """Plan trials again whose workers were not heard from in time, up to the last allowed attempt.

        Needs no claim on the job, and writes nothing where no lease is over.

        Returns:
            Number of leases that ended; 0 also where there is no such job.
        """
        with self._database.reading() as session:
            is_over = is_expired(self._database.now_s(session)) & (TrialRow.job_id == job_id)
            if not is_id(job_id) or session.scalar(select(TrialRow.id).where(is_over).limit(1)) is None:
                return 0
        with self._database.writing() as session:
            try:
                return _expire(lock_job(self._database, session, job_id))
            except NotFoundError:
                return 0

    def _lease_from(
        self, job_id: str, worker: str, available: Mapping[str, float] | None
    ) -> TrialLease | None:
        with self._database.writing() as session:
            try:
                locked = lock_job(self._database, session, job_id)
            except NotFoundError:
                return None
            if locked.job.state not in LEASABLE or locked.job.cancel_requested:
                return None
            _expire(locked)
            job = job_from_row(locked.job)
            trainer = trainer_of(job)
            found = first_fitting(locked, trainer, available)
            if found is None:
                return None
            trial, network = found
            locked.start_trial(trial, network, worker=storable(worker))
            trial.lease_owner = storable(worker)
            trial.lease_token = new_lease_token()
            trial.lease_s = trainer.lease_s
            trial.lease_expires_s = locked.now_s + trainer.lease_s
            request = request_of(trial, network)
            return TrialLease(
                trial.lease_token,
                worker,
                job,
                trial.id,
                trial.attempts,
                request,
                trial.planned_epochs,
                trainer.trainings.deadline_s(request.network, request.fidelity),
                trial.lease_s,
                trial.lease_expires_s,
            )

    def _locked(
        self, session: Session, token: str, *, or_planned: bool = False
    ) -> tuple[LockedJob, TrialRow, NetworkRow]:
        """Lock the job of a lease and return its trial, running or ended, or planned if `or_planned`.

        Raises:
            LeaseLostError: if the trial is leased anew, planned or skipped, or its job was deleted.
        """
        mine = TrialRow.lease_token == _known(token)
        job_id = session.scalar(select(TrialRow.job_id).where(mine))
        if job_id is None:
            raise LeaseLostError(_GONE)
        try:
            locked = lock_job(self._database, session, job_id)
        except NotFoundError as error:
            raise LeaseLostError(_GONE) from error
        found = session.execute(
            select(TrialRow, NetworkRow).join(NetworkRow, NetworkRow.id == TrialRow.network_id).where(mine)
        ).one_or_none()
        ended = {TrialState.SKIPPED} if or_planned else {TrialState.SKIPPED, TrialState.PLANNED}
        if found is None or found[0].state in ended:
            raise LeaseLostError(_GONE)
        return locked, found[0], found[1]


def _known(token: str) -> str:
    """Return a token that has the form of one.

    Raises:
        LeaseLostError: if it was never given out.
    """
    if not is_id(token):
        raise LeaseLostError(_GONE)
    return token


def _seconds(locked: LockedJob, trial: TrialRow) -> float:
    """Return the seconds since a running trial was started."""
    return 0.0 if trial.started_s is None else max(0.0, locked.now_s - trial.started_s)


def _expire(locked: LockedJob) -> int:
    over = [
        (trial, network)
        for trial, network in locked.running_trials()
        if trial.lease_expires_s is not None and trial.lease_expires_s <= locked.now_s
    ]
    for trial, network in over:
        locked.lose_trial(
            trial, network, f"worker {trial.lease_owner} was not heard from for {trial.lease_s:g} s."
        )
    return len(over)


def _is_recorded(session: Session, trial: TrialRow, outcome: TrialOutcome) -> bool:
    """Return whether this outcome was recorded; how long it took is not compared."""
    rows = session.scalars(select(ScoreRow).where(ScoreRow.trial_id == trial.id))
    scores = {score.task: score for score in map(score_from_row, rows)}
    error = None if outcome.error is None else storable(outcome.error)
    there = (TrialState(trial.state), trial.epochs, trial.error, scores)
    return there == (outcome.state, outcome.epochs, error, {score.task: score for score in outcome.scores})
