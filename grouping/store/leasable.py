"""Trials that may be leased: of which jobs, in which order, and to whom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from grouping.domain.jobs.job import JobState
from grouping.domain.trainings.faults import QUARANTINE_AFTER
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import Purpose, TrialRequest, TrialState
from grouping.store.codec import is_id, job_from_row, network_from_row
from grouping.store.locked_jobs import LockedJob
from grouping.store.records import TrialWanted, WaitingTrials
from grouping.store.rows import JobRow, NetworkRow, TrialRow
from grouping.trainers import Trainer, trainer_class, trainer_of

LEASABLE = (JobState.RUNNING, JobState.CONFIRMING)
"""States of a job in which its trials are leased."""
N_SEEN = 100
"""The first planned trials of a job, among which one is looked for that fits a worker."""


@dataclass(slots=True)
class JobWithWork:
    """A job with planned trials, or with leases that are over.

    Attributes:
        id: identifier of the job.
        created_s: time at which it was accepted.
        n_running: number of its trials in training.
    """

    id: str
    created_s: float
    n_running: int = 0

    @property
    def turn(self) -> tuple[int, float, str]:
        """Whose turn it is: the job with the fewest trials in training comes first, then the oldest."""
        return self.n_running, self.created_s, self.id


def jobs_with_work(session: Session, now_s: float, job_ids: Collection[str] | None) -> list[JobWithWork]:
    """Return jobs with planned trials, or with leases that are over.

    Args:
        session: a reading transaction.
        now_s: the time by the clock of the database.
        job_ids: jobs to look at; all when None.
    """
    open_jobs = JobRow.state.in_(LEASABLE) & ~JobRow.cancel_requested
    if job_ids is not None:
        open_jobs &= JobRow.id.in_([job_id for job_id in job_ids if is_id(job_id)])
    of_job = TrialRow.job_id == JobRow.id
    is_over = is_expired(now_s)
    has_work = exists().where(of_job, TrialRow.state == TrialState.PLANNED) | exists().where(of_job, is_over)
    found = session.execute(select(JobRow.id, JobRow.spec, JobRow.created_s).where(open_jobs, has_work)).all()
    jobs = {
        row[0]: JobWithWork(row[0], row[2])
        for row in found
        if trainer_class(row[1]["trainer"]).trains_elsewhere
    }
    if len(jobs) > 1:  # else whose turn it is needs no count
        counts = session.execute(
            select(TrialRow.job_id, func.count())
            .where(TrialRow.job_id.in_(list(jobs)), TrialRow.state == TrialState.RUNNING, ~is_over)
            .group_by(TrialRow.job_id)
        )
        for job_id, count in counts:
            jobs[job_id].n_running = count
    return list(jobs.values())


def is_expired(now_s: float) -> ColumnElement[bool]:
    """Return the condition that a trial is running under a lease whose time is over."""
    return (TrialRow.state == TrialState.RUNNING) & (TrialRow.lease_expires_s <= now_s)


def fitting_trials(
    locked: LockedJob, trainer: Trainer, asked: Sequence[TrialWanted]
) -> list[tuple[TrialRow, NetworkRow] | None]:
    """Return for each worker in turn the first planned trial of a job that fits it, with its network.

    Args:
        locked: the job.
        trainer: its trainer.
        asked: the workers.
    """
    takes_any = all(one.available is None for one in asked)
    planned = [
        (trial, network)
        for trial, network in locked.session.execute(
            select(TrialRow, NetworkRow)
            .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
            .where(TrialRow.job_id == locked.job.id, TrialRow.state == TrialState.PLANNED)
            .order_by(TrialRow.losses >= QUARANTINE_AFTER, TrialRow.position)  # suspects come last
            .limit(len(asked) + (0 if takes_any else N_SEEN))
        )
    ]
    found: list[tuple[TrialRow, NetworkRow] | None] = []
    for one in asked:
        fitting = next((n for n, (_, network) in enumerate(planned) if _fits(network, trainer, one)), None)
        found.append(None if fitting is None else planned.pop(fitting))
    return found


def _fits(network: NetworkRow, trainer: Trainer, worker: TrialWanted) -> bool:
    if worker.available is None:
        return True
    wanted = trainer.trainings.resources(network_from_row(network))
    return wanted is None or wanted.fit_into(worker.available) > 0


def waiting_of(session: Session, job_ids: Collection[str]) -> list[WaitingTrials]:
    """Return the planned trials of some jobs by what each of them holds, the most first."""
    found: dict[str, tuple[Resources | None, int]] = {}
    for job in session.scalars(select(JobRow).where(JobRow.id.in_(job_ids))):
        trainer = trainer_of(job_from_row(job))
        planned = session.execute(
            select(NetworkRow, func.count(TrialRow.id))
            .join(TrialRow, TrialRow.network_id == NetworkRow.id)
            .where(TrialRow.job_id == job.id, TrialRow.state == TrialState.PLANNED)
            .group_by(NetworkRow.id)
        )
        for network, count in planned:
            resources = trainer.trainings.resources(network_from_row(network))
            key = "" if resources is None else resources.in_words()
            found[key] = resources, count + found.get(key, (None, 0))[1]
    kinds = [WaitingTrials(resources, count) for resources, count in found.values()]
    return sorted(kinds, key=lambda kind: -kind.count)


def request_of(trial: TrialRow, network: NetworkRow) -> TrialRequest:
    """Return what a stored trial asks for."""
    return TrialRequest(
        network_from_row(network), trial.seed, trial.fidelity, Purpose(trial.purpose), trial.measures_affinity
    )
