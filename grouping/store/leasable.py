"""Trials that may be leased: of which jobs, in which order, and to whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from grouping.domain.jobs import JobState
from grouping.domain.trials import Purpose, TrialRequest, TrialState
from grouping.store.codec import is_id, network_from_row
from grouping.store.locked_jobs import LockedJob
from grouping.store.rows import JobRow, NetworkRow, TrialRow
from grouping.trainers import Trainer, trainer_class

LEASABLE = (JobState.RUNNING, JobState.CONFIRMING)
"""States of a job in which its trials are leased."""
N_SEEN = 100
"""The first planned trials of a job, among which one is looked for that fits a worker."""


def jobs_with_work(session: Session, now_s: float, job_ids: Collection[str] | None) -> list[str]:
    """Return jobs with planned trials, or with leases that are over.

    The job with the fewest trials in training comes first, then the oldest.

    Args:
        session: a reading transaction.
        now_s: the time by the clock of the database.
        job_ids: jobs to look at; all when None.
    """
    open_jobs = JobRow.state.in_(LEASABLE) & ~JobRow.cancel_requested
    if job_ids is not None:
        open_jobs &= JobRow.id.in_([job_id for job_id in job_ids if is_id(job_id)])
    found = session.execute(select(JobRow.id, JobRow.spec, JobRow.created_s).where(open_jobs)).all()
    created = {row[0]: row[2] for row in found if trainer_class(row[1]["trainer"]).trains_elsewhere}
    is_over = is_expired(now_s)
    counts = session.execute(
        select(TrialRow.job_id, TrialRow.state, is_over.label("is_over"), func.count())
        .where(
            TrialRow.job_id.in_(list(created)),
            TrialRow.state.in_((TrialState.PLANNED, TrialState.RUNNING)),
        )
        .group_by(TrialRow.job_id, TrialRow.state, "is_over")
    ).all()
    running = {job_id: n for job_id, state, over, n in counts if state == TrialState.RUNNING and not over}
    with_work = {job_id for job_id, state, over, _ in counts if state == TrialState.PLANNED or over}
    return sorted(with_work, key=lambda job_id: (running.get(job_id, 0), created[job_id], job_id))


def is_expired(now_s: float) -> ColumnElement[bool]:
    """Return the condition that a trial is running under a lease whose time is over."""
    return (TrialRow.state == TrialState.RUNNING) & (TrialRow.lease_expires_s <= now_s)


def first_fitting(
    locked: LockedJob, trainer: Trainer, available: Mapping[str, float] | None
) -> tuple[TrialRow, NetworkRow] | None:
    """Return the first planned trial of a job that fits a worker, with its network.

    Args:
        locked: the job.
        trainer: its trainer.
        available: amounts that the worker has, by the names of `Resources.fit_into`; None to take any.
    """
    planned = locked.session.execute(
        select(TrialRow, NetworkRow)
        .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
        .where(TrialRow.job_id == locked.job.id, TrialRow.state == TrialState.PLANNED)
        .order_by(TrialRow.position)
        .limit(1 if available is None else N_SEEN)
    )
    for trial, network in planned:
        wanted = None if available is None else trainer.trainings.resources(network_from_row(network))
        if wanted is None or available is None or wanted.fit_into(available):
            return trial, network
    return None


def request_of(trial: TrialRow, network: NetworkRow) -> TrialRequest:
    """Return what a stored trial asks for."""
    return TrialRequest(
        network_from_row(network), trial.seed, trial.fidelity, Purpose(trial.purpose), trial.measures_affinity
    )
