"""What all writers of a job share: the lock on its row, the lease, its events, its lost trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from grouping.domain.networks import Network
from grouping.domain.trials import TrialState
from grouping.errors import NotFoundError, StaleLeaseError
from grouping.store.codec import as_json, is_id, network_from_row
from grouping.store.database import Database
from grouping.store.records import Claim
from grouping.store.rows import EventRow, JobRow, NetworkRow, ScoreTableRow, TrialRow

MAX_ATTEMPTS = 3
"""Starts of one trial after which a trial that keeps getting lost is given up."""


def find_job(session: Session, job_id: str, *, lock: bool = False) -> JobRow:
    """The row of a job, locked against other writers if asked.

    Raises:
        NotFoundError: if there is none.
    """
    query = select(JobRow).where(JobRow.id == job_id)
    row = session.scalars(query.with_for_update() if lock else query).one_or_none() if is_id(job_id) else None
    if row is None:
        raise NotFoundError("job", job_id)
    return row


@dataclass(slots=True)
class Entry:
    """A locked job inside a writing transaction, and the time at which it was locked.

    Attributes:
        session: the transaction.
        job: its row.
        now_s: clock of the database.
    """

    session: Session
    job: JobRow
    now_s: float

    def add_event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append to the job's history; the lock on the job keeps the numbers without gaps."""
        self.job.event_count += 1
        number = self.job.event_count
        self.session.add(
            EventRow(job_id=self.job.id, number=number, at_s=self.now_s, kind=kind, data=as_json(data))
        )

    def revise_table(self) -> None:
        """Say that the job's score table changed."""
        self.session.execute(
            update(ScoreTableRow)
            .where(ScoreTableRow.id == self.job.score_table_id)
            .values(revision=ScoreTableRow.revision + 1)
        )

    def has_live_lease(self) -> bool:
        """Whether a dispatcher holds the job now."""
        expires_s = self.job.lease_expires_s
        return self.job.lease_owner is not None and expires_s is not None and expires_s > self.now_s

    def clear_lease(self) -> None:
        """Nobody holds the job any more; the epoch stays, so that no claim of old becomes valid again."""
        self.job.lease_owner = None
        self.job.lease_expires_s = None

    def running_trials(self) -> list[tuple[TrialRow, NetworkRow]]:
        """Trials that were in flight, in the order of the plan."""
        found = self.session.execute(
            select(TrialRow, NetworkRow)
            .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
            .where(TrialRow.job_id == self.job.id, TrialRow.state == TrialState.RUNNING)
            .order_by(TrialRow.position)
        )
        return [(trial, network) for trial, network in found]

    def lose_trial(self, trial: TrialRow, network: NetworkRow, reason: str) -> TrialState:
        """A running trial will give no result: plan it again, or give it up after the last attempt."""
        trial.state = TrialState.PLANNED
        trial.started_s = None
        if trial.attempts >= MAX_ATTEMPTS:
            trial.state = TrialState.FAILED
            trial.finished_s = self.now_s
            trial.error = f"Lost {trial.attempts} times; the last time: {reason}"
            self.revise_table()
        data = describe_trial(trial, network) | {"reason": reason, "state": trial.state}
        self.add_event("trial_lost", data)
        return TrialState(trial.state)

    def give_back_trials(self) -> int:
        """Running trials become planned again as if this attempt had not counted; returns how many."""
        running = self.running_trials()
        for trial, _ in running:
            trial.state = TrialState.PLANNED
            trial.attempts -= 1
            trial.started_s = None
        return len(running)


def enter(database: Database, session: Session, job_id: str) -> Entry:
    """Lock a job for writing.

    Raises:
        NotFoundError: if there is none.
    """
    row = find_job(session, job_id, lock=True)
    return Entry(session, row, database.now_s(session))


def enter_claimed(database: Database, session: Session, claim: Claim) -> Entry:
    """Lock a job for writing on behalf of the dispatcher that claimed it.

    Raises:
        StaleLeaseError: if another claimed it since, it was given back, it ended, or it was deleted.
    """
    try:
        entry = enter(database, session, claim.job.id)
    except NotFoundError as error:
        raise StaleLeaseError(f"Job {claim.job.id} was deleted.") from error
    if entry.job.lease_epoch != claim.epoch or entry.job.lease_owner != claim.owner:
        raise StaleLeaseError(
            f"{claim.owner} no longer holds job {claim.job.id}: its claim was number {claim.epoch}, "
            f"the latest is number {entry.job.lease_epoch}"
            + ("." if entry.job.lease_owner else ", and that has ended.")
        )
    return entry


def network_name(row: NetworkRow) -> str:
    """Readable name of a stored network, with its tasks in the order of the table."""
    network: Network = network_from_row(row)
    return network.name(row.tasks)


def describe_trial(trial: TrialRow, network: NetworkRow) -> dict[str, Any]:
    """What every event about a trial says."""
    return {
        "trial": trial.id,
        "network": network_name(network),
        "purpose": trial.purpose,
        "seed": trial.seed,
        "fidelity": trial.fidelity,
        "attempt": trial.attempts,
    }
