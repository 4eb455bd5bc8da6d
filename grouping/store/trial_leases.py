"""Leases of single trials: the right of one worker anywhere to train one trial and to report on it.

A worker needs no claim on the job: its lease is a random token, which it shows with all that it reports. A
lease holds while its trial is running, and until somebody notices that its time is over; from then on
everything that it reports is refused, so no training is recorded twice, and none under two leases.

Every write but a renewal locks the job first, as all writers of a job do, and never two jobs at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.tables.reported import with_losses
from grouping.domain.tasks import Task
from grouping.domain.trainings.faults import Fault, LossCause
from grouping.domain.trainings.trials import TrialOutcome, TrialState
from grouping.errors import (
    GroupingError,
    IdempotencyConflictError,
    InvalidInputError,
    LeaseLostError,
    NotFoundError,
)
from grouping.store.codec import (
    is_id,
    job_from_row,
    new_lease_token,
    storable,
)
from grouping.store.database import Database
from grouping.store.leasable import (
    LEASABLE,
    fitting_trials,
    is_expired,
    jobs_with_work,
    request_of,
    waiting_of,
)
from grouping.store.locked_jobs import LockedJob, describe_trial, lock_job
from grouping.store.outcomes import check_outcome, is_recorded, record, tasks_of
from grouping.store.records import (
    Renewal,
    TrialLease,
    TrialReport,
    TrialTold,
    TrialWanted,
    WaitingTrials,
)
from grouping.store.reports import keep_report
from grouping.store.rows import JobRow, NetworkRow, TrialRow
from grouping.trainers import Trainer, trainer_of

_GONE = (
    "This lease has ended: its time was over and the trial was planned again, or the job has ended or was "
    "deleted. Nobody waits for the training; drop its result and ask for another lease."
)


_WITHOUT_OUTCOME = (TrialState.SKIPPED, TrialState.PLANNED)


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
        """Lease a trial to one worker; see `lease_trials` and `TrialWanted`."""
        wanted = TrialWanted(worker, None if job_ids is None else tuple(job_ids), available)
        return self.lease_trials([wanted])[0]

    def lease_trials(self, asked: Sequence[TrialWanted]) -> list[TrialLease | None]:
        """Lease to each worker in turn the first planned trial that fits it; None if there is none.

        Trials are those of jobs whose trainer trains elsewhere. The job with the fewest trials in training
        comes first, then the oldest. An attempt is counted and charged for each. One transaction per job
        serves all workers, since a thousand that are served one by one would queue up for the job's lock.
        """
        found: list[TrialLease | None] = [None] * len(asked)
        named = [one.job_ids for one in asked if one.job_ids is not None]
        of_interest = {job_id for ids in named for job_id in ids} if len(named) == len(asked) else None
        with self._database.reading() as session:
            jobs = jobs_with_work(session, self._database.now_s(session), of_interest)
        left = {n: {job.id for job in jobs if _is_wanted(job.id, one)} for n, one in enumerate(asked)}
        while True:
            served: dict[str, list[int]] = {}
            for n, ids in left.items():
                if found[n] is None and ids:
                    job = min((job for job in jobs if job.id in ids), key=lambda job: job.turn)
                    job.n_running += 1
                    ids.remove(job.id)
                    served.setdefault(job.id, []).append(n)
            if not served:
                return found
            for job_id, workers in served.items():
                leases = self._lease_from(job_id, [asked[n] for n in workers])
                for n, lease in zip(workers, leases, strict=True):
                    found[n] = lease

    def waiting_trials(self, job_ids: Collection[str] | None = None) -> list[WaitingTrials]:
        """Return what waits for a worker anywhere, by what each trial holds, the most first.

        Args:
            job_ids: jobs to look at; all when None.
        """
        with self._database.reading() as session:
            jobs = jobs_with_work(session, self._database.now_s(session), job_ids)
            return waiting_of(session, [job.id for job in jobs])

    def unfinished_jobs(self, job_ids: Collection[str]) -> set[str]:
        """Return those of some jobs that exist and have not ended."""
        ids = [job_id for job_id in job_ids if is_id(job_id)]
        final = [state for state in JobState if state.is_final]
        with self._database.reading() as session:
            return set(
                session.scalars(select(JobRow.id).where(JobRow.id.in_(ids), JobRow.state.not_in(final)))
            )

    def trainers_of(self, job_ids: Collection[str]) -> Mapping[str, str]:
        """Return the names of the trainers of some jobs, by job; those that do not exist are left out."""
        ids = [job_id for job_id in job_ids if is_id(job_id)]
        with self._database.reading() as session:
            rows = session.execute(select(JobRow.id, JobRow.spec).where(JobRow.id.in_(ids)))
            return {row[0]: row[1]["trainer"] for row in rows}

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
        """Record one outcome; see `TrialTold` and `complete_trials`, whose refusals are raised here."""
        told = self.complete_trials([TrialTold(token, outcome, measures_time)])[0]
        if isinstance(told, GroupingError):
            raise told
        return told

    def complete_trials(self, told: Sequence[TrialTold]) -> list[TrialState | GroupingError]:
        """Record outcomes of leased trials, of each job in one transaction; the same again changes nothing.

        Returns:
            The state of each trial; or why its outcome is refused: `LeaseLostError` if the lease has ended
            without an outcome, `IdempotencyConflictError` if another outcome came before with this token,
            `InvalidInputError` if the scores are not those of the tasks of its network, one each.
        """
        tokens = [one.token for one in told if is_id(one.token)]
        with self._database.reading() as session:
            rows = session.execute(
                select(TrialRow.lease_token, TrialRow.job_id).where(TrialRow.lease_token.in_(tokens))
            )
            job_of = {row[0]: row[1] for row in rows}
        answers: list[TrialState | GroupingError] = [LeaseLostError(_GONE) for _ in told]
        for job_id in dict.fromkeys(job_of.values()):
            places = [n for n, one in enumerate(told) if job_of.get(one.token) == job_id]
            of_job = self._complete_of_job(job_id, [told[n] for n in places])
            for n, answer in zip(places, of_job, strict=True):
                answers[n] = answer
        return answers

    def _complete_of_job(self, job_id: str, told: Sequence[TrialTold]) -> list[TrialState | GroupingError]:
        with self._database.writing() as session:
            try:
                locked = lock_job(self._database, session, job_id)
            except NotFoundError:
                return [LeaseLostError(_GONE) for _ in told]
            rows = session.execute(
                select(TrialRow, NetworkRow)
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(TrialRow.lease_token.in_([one.token for one in told]))
            )
            found = {trial.lease_token: (trial, network) for trial, network in rows}
            tasks = tasks_of(locked)
            answers: list[TrialState | GroupingError] = []
            n_recorded = 0
            for one in told:
                if one.token not in found or found[one.token][0].state in _WITHOUT_OUTCOME:
                    answers.append(LeaseLostError(_GONE))
                    continue
                trial, network = found[one.token]
                was_running = trial.state == TrialState.RUNNING
                try:
                    _complete(locked, trial, network, one, tasks)
                except (InvalidInputError, IdempotencyConflictError) as error:  # nothing was changed by then
                    answers.append(error)
                else:
                    answers.append(TrialState(trial.state))
                    n_recorded += was_running
            if n_recorded:
                locked.revise_table()
            return answers

    def fail_trial(self, token: str, error: str, *, retry: bool, fault: Fault = Fault.USER) -> TrialState:
        """Record that a leased training failed; the same again changes nothing.

        One whose memory ran out is tried once more, whatever is said.

        Args:
            token: token of the lease.
            error: what went wrong, in words for the user.
            retry: whether to plan it again, up to the last allowed attempt.
            fault: class of what went wrong.

        Returns:
            The state of the trial: planned or failed.

        Raises:
            LeaseLostError: if the lease has ended otherwise.
        """
        with self._database.writing() as session:
            locked, trial, network = self._locked(session, token)
            if trial.state == TrialState.RUNNING and (retry or fault is Fault.RESOURCES):
                loss = LossCause.OUT_OF_MEMORY if fault is Fault.RESOURCES else LossCause.BY_ITS_WORD
                state = locked.lose_trial(trial, network, storable(error), loss)
                trial.lease_token = token  # so that the same again is known
                return state
            if trial.state == TrialState.RUNNING:
                outcome = TrialOutcome(
                    TrialState.FAILED, seconds=_seconds(locked, trial), error=error, fault=fault
                )
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
            locked, trial, network = self._locked(session, token)
            if trial.state == TrialState.RUNNING:
                data = describe_trial(trial, network) | {"worker": trial.lease_owner}
                locked.add_event("trial_given_back", data)
                locked.give_back(trial)
                locked.job.charged_trainings -= 1
            elif trial.state != TrialState.PLANNED:
                raise LeaseLostError(_GONE)
            return TrialState(trial.state)

    def expire_trials(self, job_id: str) -> int:
        """Plan trials again whose workers were not heard from in time, or give them up; see
        `grouping.domain.trainings.faults`.

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

    def _lease_from(self, job_id: str, asked: Sequence[TrialWanted]) -> list[TrialLease | None]:
        nothing: list[TrialLease | None] = [None] * len(asked)
        with self._database.writing() as session:
            try:
                locked = lock_job(self._database, session, job_id)
            except NotFoundError:
                return nothing
            if locked.job.state not in LEASABLE or locked.job.cancel_requested:
                return nothing
            _expire(locked)
            job = job_from_row(locked.job)
            trainer = trainer_of(job)
            found = fitting_trials(locked, trainer, asked)
            return [
                None if trial is None else _begin_lease(locked, job, trainer, *trial, one.worker)
                for trial, one in zip(found, asked, strict=True)
            ]

    def _locked(self, session: Session, token: str) -> tuple[LockedJob, TrialRow, NetworkRow]:
        """Lock the job of a lease and return its trial: running, ended, or planned again.

        Raises:
            LeaseLostError: if the trial is leased anew or skipped, or its job was deleted.
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
        if found is None or found[0].state == TrialState.SKIPPED:
            raise LeaseLostError(_GONE)
        return locked, found[0], found[1]


def _is_wanted(job_id: str, worker: TrialWanted) -> bool:
    return worker.job_ids is None or job_id in worker.job_ids


def _complete(
    locked: LockedJob, trial: TrialRow, network: NetworkRow, told: TrialTold, tasks: Sequence[Task]
) -> None:
    """Record the outcome of a running trial; of an ended one check that it is the same again.

    Raises:
        InvalidInputError: if the scores are not those of the tasks of its network, one each.
        IdempotencyConflictError: if another outcome was recorded.
    """
    check_outcome(told.outcome)
    outcome = with_losses(told.outcome, tasks)
    if trial.state == TrialState.RUNNING:
        if told.measures_time:
            outcome = replace(outcome, seconds=_seconds(locked, trial))
        record(locked, trial, network, outcome)
    elif not is_recorded(locked.session, trial, outcome):
        raise IdempotencyConflictError(
            "Another outcome was reported with this lease before; that one is kept."
        )


def _begin_lease(
    locked: LockedJob, job: Job, trainer: Trainer, trial: TrialRow, network: NetworkRow, worker: str
) -> TrialLease:
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
    over = locked.running_trials(is_expired(locked.now_s))
    for trial, network in over:
        reason = f"worker {trial.lease_owner} was not heard from for {trial.lease_s:g} s."
        locked.lose_trial(trial, network, reason, LossCause.WITH_WORKER)
    return len(over)
