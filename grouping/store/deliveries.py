"""Webhooks that are still to be told that a job has ended, kept until they are or it is given up.

A row is written in the transaction that ends the job, so none is forgotten whatever dies, and deleted in the
transaction that records how it went. Between the two it may be sent more than once.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from grouping.domain.jobs.job import JobState, StopReason
from grouping.domain.jobs.webhooks import MAX_ATTEMPTS, RETRY_S
from grouping.store.codec import storable
from grouping.store.database import Database
from grouping.store.locked_jobs import LockedJob, lock_job
from grouping.store.rows import DeliveryRow, JobRow

MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """An attempt to tell one address of the end of a job.

    Attributes:
        id: identifier, the same in every attempt.
        address: where it is sent.
        job_id, job_name: the job.
        state, stop_reason, error, is_degraded: how it ended.
        ended_s: when, in seconds since 1970.
        attempt: number of this attempt, from 1.
    """

    id: str
    address: str
    job_id: str
    job_name: str
    state: JobState
    stop_reason: StopReason | None
    error: str | None
    is_degraded: bool
    ended_s: float
    attempt: int


class DeliveryMethods:
    """Methods of the store by which dispatchers tell webhooks."""

    _database: Database

    def claim_delivery(self, *, lease_s: float) -> Delivery | None:
        """Begin an attempt at the delivery that is due for the longest time; None if none is.

        Args:
            lease_s: seconds after which it is due again if nothing was recorded of this attempt.
        """
        with self._database.reading() as session:  # most looks find nothing, and need not wait for writers
            if session.scalar(select(DeliveryRow.id).where(self._is_due(session)).limit(1)) is None:
                return None
        with self._database.writing() as session:
            row = session.scalars(
                select(DeliveryRow)
                .where(self._is_due(session))
                .order_by(DeliveryRow.due_s)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).one_or_none()
            if row is None:
                return None
            row.attempts += 1
            row.due_s = self._database.now_s(session) + lease_s
            name = session.scalars(select(JobRow.name).where(JobRow.id == row.job_id)).one()
            return Delivery(
                row.id,
                row.address,
                row.job_id,
                name,
                JobState(row.state),
                None if row.stop_reason is None else StopReason(row.stop_reason),
                row.error,
                row.is_degraded,
                row.ended_s,
                row.attempts,
            )

    def record_delivered(self, delivery: Delivery, status: int) -> None:
        """Record that an address was told, among the events of the job; once, however often it was told.

        Args:
            delivery: the attempt.
            status: HTTP status of its answer.
        """
        with self._database.writing() as session:
            if (found := self._find(session, delivery)) is not None:
                locked, row = found
                session.delete(row)
                told = {"address": row.address, "attempts": delivery.attempt, "status": status}
                locked.add_event("webhook_delivered", told)

    def record_undelivered(self, delivery: Delivery, reason: str, *, is_hopeless: bool = False) -> bool:
        """Record that an attempt failed: it is tried again later, or given up, which is an event of the job.

        Args:
            delivery: the attempt; nothing is recorded if there was a later one.
            reason: what went wrong, in words for the user.
            is_hopeless: whether no further attempt is worth making.

        Returns:
            Whether it is given up.
        """
        with self._database.writing() as session:
            found = self._find(session, delivery)
            if found is None or found[1].attempts != delivery.attempt:
                return False
            locked, row = found
            is_over = is_hopeless or row.attempts >= MAX_ATTEMPTS
            if is_over:
                session.delete(row)
                told = {"address": row.address, "attempts": row.attempts}
                locked.add_event("webhook_given_up", told | {"reason": storable(reason[:MAX_REASON])})
            else:
                row.due_s = locked.now_s + RETRY_S[row.attempts - 1]
            return is_over

    def _is_due(self, session: Session) -> ColumnElement[bool]:
        return DeliveryRow.due_s <= self._database.now_s(session)

    def _find(self, session: Session, delivery: Delivery) -> tuple[LockedJob, DeliveryRow] | None:
        row = session.get(DeliveryRow, delivery.id)
        if row is None:
            return None
        locked = lock_job(self._database, session, row.job_id)  # before the row, as who deletes a job does
        again = session.get(DeliveryRow, delivery.id, with_for_update=True, populate_existing=True)
        return None if again is None else (locked, again)
