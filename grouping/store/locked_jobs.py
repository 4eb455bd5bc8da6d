"""Locked jobs: what every writer of a job needs, such as its lock, its lease, events, lost trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select, true, update
from sqlalchemy.orm import Session

from grouping.domain.networks import Network
from grouping.domain.trainings.faults import QUARANTINE_AFTER, LossCause, Standing
from grouping.domain.trainings.trials import TrialState
from grouping.errors import NotFoundError, StaleLeaseError
from grouping.store.codec import as_json, is_id, network_from_row, new_id, spec_from_json
from grouping.store.database import Database
from grouping.store.records import Claim
from grouping.store.rows import (
    DeliveryRow,
    EventRow,
    JobRow,
    NetworkRow,
    ScoreTableRow,
    TrialProgressRow,
    TrialReportRow,
    TrialRow,
)
from grouping.trainers import max_attempts_of


def find_job(session: Session, job_id: str, *, lock: bool = False) -> JobRow:
    """Return the row of a job, locked against other writers if `lock`.

    Raises:
        NotFoundError: if there is none.
    """
    query = select(JobRow).where(JobRow.id == job_id)
    row = session.scalars(query.with_for_update() if lock else query).one_or_none() if is_id(job_id) else None
    if row is None:
        raise NotFoundError("job", job_id)
    return row


ALL: ColumnElement[bool] = true()
NOT_LEASED: ColumnElement[bool] = TrialRow.lease_token.is_(None)
"""Trials that no worker leased: leased ones outlive a dispatcher."""


@dataclass(slots=True)
class LockedJob:
    """A job that is locked inside a writing transaction, and the time at which it was locked.

    Attributes:
        session: the transaction.
        job: the row of the job.
        now_s: time of the lock by the clock of the database.
    """

    session: Session
    job: JobRow
    now_s: float

    def add_event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event to the job's history; the lock keeps the numbers without gaps."""
        self.job.event_count += 1
        number = self.job.event_count
        self.session.add(
            EventRow(job_id=self.job.id, number=number, at_s=self.now_s, kind=kind, data=as_json(data))
        )

    def add_end(self, data: Mapping[str, Any]) -> None:
        """Append the event that the job has ended as its row says, and have its webhooks told."""
        job = self.job
        self.add_event(f"job_{job.state}", data)
        for address in job.spec.get("notify", ()):
            self.session.add(
                DeliveryRow(
                    id=new_id(),
                    job_id=job.id,
                    address=address,
                    state=job.state,
                    stop_reason=job.stop_reason,
                    error=job.error,
                    is_degraded=job.missing is not None,
                    ended_s=self.now_s,
                    attempts=0,
                    due_s=self.now_s,
                )
            )

    def revise_table(self) -> None:
        """Count up the revision of the job's score table, because the table changed."""
        self.session.execute(
            update(ScoreTableRow)
            .where(ScoreTableRow.id == self.job.score_table_id)
            .values(revision=ScoreTableRow.revision + 1)
        )

    def has_live_lease(self) -> bool:
        """Return whether a dispatcher holds the job now."""
        expires_s = self.job.lease_expires_s
        return self.job.lease_owner is not None and expires_s is not None and expires_s > self.now_s

    def clear_lease(self) -> None:
        """End the lease of the job; the epoch stays, so that no old claim becomes valid again."""
        self.job.lease_owner = None
        self.job.lease_expires_s = None

    def running_trials(self, chosen: ColumnElement[bool] = ALL) -> list[tuple[TrialRow, NetworkRow]]:
        """Return the running trials that are chosen, with their networks, in the order of the plan."""
        found = self.session.execute(
            select(TrialRow, NetworkRow)
            .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
            .where(TrialRow.job_id == self.job.id, TrialRow.state == TrialState.RUNNING, chosen)
            .order_by(TrialRow.position)
        )
        return [(trial, network) for trial, network in found]

    def start_trial(self, trial: TrialRow, network: NetworkRow, **data: Any) -> None:
        """Mark a planned trial as running, with an attempt counted and charged, and no lease on it."""
        trial.state = TrialState.RUNNING
        trial.attempts += 1
        trial.started_s = self.now_s
        trial.lease_owner = trial.lease_token = trial.lease_s = trial.lease_expires_s = None
        self.job.charged_trainings += 1
        self.add_event("trial_started", describe_trial(trial, network) | data)

    def lose_trial(
        self,
        trial: TrialRow,
        network: NetworkRow,
        reason: str,
        loss: LossCause,
        *,
        has_progressed: bool = False,
    ) -> TrialState:
        """Plan a running trial again that will give no result, or give it up, as its `Standing` says.

        Args:
            trial, network: the trial.
            reason: reason of the loss, in words for the user.
            loss: how it was lost.
            has_progressed: whether its checkpoint got further; what it told is known here.
        """
        has_progressed = _told_further(self.session, trial) or has_progressed
        standing, fault = Standing(trial.failures, trial.losses, trial.shortages).after(
            loss,
            max_attempts=max_attempts_of(spec_from_json(self.job.spec)),
            has_progressed=has_progressed,
        )
        trial.failures, trial.losses, trial.shortages = standing.failures, standing.losses, standing.shortages
        trial.state = TrialState.PLANNED
        trial.started_s = trial.lease_token = None
        if fault is not None:
            trial.state = TrialState.FAILED
            trial.fault = fault
            trial.finished_s = self.now_s
            trial.error = _given_up(trial, loss, reason)
            self.revise_table()
        data = describe_trial(trial, network) | {
            "reason": reason,
            "state": trial.state,
            "fault": fault or loss.fault,
            "is_quarantined": fault is None and standing.is_quarantined,
        }
        self.add_event("trial_lost", data)
        return TrialState(trial.state)

    def give_back_trials(self, chosen: ColumnElement[bool] = ALL) -> int:
        """Plan the running trials that are chosen again without counting this attempt; return how many."""
        running = self.running_trials(chosen)
        for trial, _ in running:
            self.give_back(trial)
        return len(running)

    def give_back(self, trial: TrialRow) -> None:
        """Plan a running trial again without counting this attempt; the charge is the caller's."""
        trial.state = TrialState.PLANNED
        trial.attempts -= 1
        trial.started_s = None


def _given_up(trial: TrialRow, loss: LossCause, reason: str) -> str:
    """Say why a trial is given up."""
    match loss:
        case LossCause.OUT_OF_MEMORY:
            return f"Given up: memory ran out, also when it was trained alone. {reason}"
        case LossCause.WITH_WORKER:
            return (
                f"Given up: {trial.losses} workers in a row were lost that trained it, none of which got "
                f"further than those before; the last {trial.losses - QUARANTINE_AFTER} while nothing else "
                f"of the job was in training. The last one: {reason}"
            )
        case _:
            return f"Given up after {trial.attempts} attempts; the last one: {reason}"


def _told_further(session: Session, trial: TrialRow) -> bool:
    """Return whether this attempt told of a later step than all before; keep it as the one to be passed."""
    last = session.scalar(
        select(func.max(TrialProgressRow.step))
        .join(TrialReportRow, TrialReportRow.trial_id == TrialProgressRow.trial_id)
        .where(TrialProgressRow.trial_id == trial.id, TrialReportRow.attempt == trial.attempts)
    )
    if last is None or (trial.reached is not None and last <= trial.reached):
        return False
    trial.reached = last
    return True


def lock_job(database: Database, session: Session, job_id: str) -> LockedJob:
    """Lock a job for writing.

    Raises:
        NotFoundError: if there is none.
    """
    row = find_job(session, job_id, lock=True)
    return LockedJob(session, row, database.now_s(session))


def lock_claimed_job(database: Database, session: Session, claim: Claim) -> LockedJob:
    """Lock a job for writing on behalf of the dispatcher that claimed it.

    Raises:
        StaleLeaseError: if another claimed it since, it was given back, it ended, or it was deleted.
    """
    try:
        locked = lock_job(database, session, claim.job.id)
    except NotFoundError as error:
        raise StaleLeaseError(f"Job {claim.job.id} was deleted.") from error
    if locked.job.lease_epoch != claim.epoch or locked.job.lease_owner != claim.owner:
        raise StaleLeaseError(
            f"{claim.owner} no longer holds job {claim.job.id}: its claim was number {claim.epoch}, "
            f"the latest is number {locked.job.lease_epoch}"
            + ("." if locked.job.lease_owner else ", and that has ended.")
        )
    return locked


def network_name(row: NetworkRow) -> str:
    """Return the readable name of a stored network, with its tasks in the order of the table."""
    network: Network = network_from_row(row)
    return network.name(row.tasks)


def describe_trial(trial: TrialRow, network: NetworkRow) -> dict[str, Any]:
    """Return the data that every event about a trial holds."""
    return {
        "trial": trial.id,
        "network": network_name(network),
        "purpose": trial.purpose,
        "seed": trial.seed,
        "fidelity": trial.fidelity,
        "attempt": trial.attempts,
    }
