"""What is missing in a job that succeeds: planned trainings that could not be carried out."""

from __future__ import annotations

from sqlalchemy import func, select

from grouping.domain.trainings.faults import MOST_NAMED, Fault, Missing, MissingTraining
from grouping.domain.trainings.trials import TrialState
from grouping.store.locked_jobs import LockedJob, network_name
from grouping.store.rows import NetworkRow, TrialRow

_LONGEST = 300
"""Characters of an error; the trial has all of it."""


def find_missing(locked: LockedJob) -> Missing:
    """Find the trials of a job that failed, but for results from outside that were left out."""
    is_missing = (
        (TrialRow.job_id == locked.job.id) & (TrialRow.state == TrialState.FAILED) & TrialRow.told.is_(None)
    )
    session = locked.session
    count = session.scalar(select(func.count()).select_from(TrialRow).where(is_missing)) or 0
    first = session.execute(
        select(TrialRow, NetworkRow)
        .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
        .where(is_missing)
        .order_by(TrialRow.position)
        .limit(MOST_NAMED)
    )
    return Missing(count, tuple(_training(trial, network) for trial, network in first))


def _training(trial: TrialRow, network: NetworkRow) -> MissingTraining:
    return MissingTraining(
        trial.id,
        network_name(network),
        trial.purpose,
        trial.seed,
        Fault(trial.fault or Fault.USER),
        (trial.error or "")[:_LONGEST],
    )
