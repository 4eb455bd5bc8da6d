"""Finishing jobs: users ask for bundles, dispatchers claim what was asked for and tell how it goes.

A claim counts up the lease epoch, and every write of a dispatcher is refused unless its claim is the latest
and holds. A job is locked before the row, as by who deletes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from grouping.artefacts.finishing import Finish, FinishState, FinishWanted
from grouping.artefacts.kept import LearnedRows
from grouping.domain.jobs.job import JobState
from grouping.errors import NotFoundError, StaleLeaseError, StateConflictError
from grouping.store.codec import is_id, new_id, storable
from grouping.store.database import Database
from grouping.store.locked_jobs import LockedJob, find_job, lock_job
from grouping.store.rows import FinishRow

MAX_LOST_CLAIMS = 3
"""Claims that were lost after which it has failed."""
_KIND = "finish"
_UNDER_WAY = (FinishState.QUEUED, FinishState.RUNNING)


@dataclass(frozen=True, slots=True)
class FinishClaim:
    """The right of one dispatcher to carry out what was asked for, until its lease ends.

    Attributes:
        finish: what was asked for.
        owner: name of the dispatcher.
        epoch: number of the claim.
        lease_s: seconds for which a renewal is valid.
    """

    finish: Finish
    owner: str
    epoch: int
    lease_s: float


class FinishMethods:
    """Methods of the store by which users have jobs finished, and dispatchers finish them."""

    _database: Database

    def request_finish(self, job_id: str, wanted: FinishWanted) -> tuple[Finish, bool]:
        """Accept a wish for a bundle of a job that has ended; asking again meanwhile gives the same one.

        What was asked for before with the same budget and rows, and has ended, is forgotten.

        Returns:
            What is to be done, and whether this call asked for it.

        Raises:
            NotFoundError: if there is no such job.
            StateConflictError: if it has not ended, or if something else is under way for that budget.
        """
        with self._database.writing() as session:
            locked = lock_job(self._database, session, job_id)
            if not JobState(locked.job.state).is_final:
                raise StateConflictError(
                    f"The job is {locked.job.state}, and what it recommends may change: wait for its end."
                )
            is_same = (FinishRow.budget_snt == wanted.budget_snt) & (FinishRow.rows == wanted.rows)
            chosen = (FinishRow.job_id == job_id) & is_same
            before = session.scalars(select(FinishRow).where(chosen).with_for_update()).one_or_none()
            if before is not None and before.state in _UNDER_WAY:
                if _read(before).wanted != wanted:
                    raise StateConflictError(
                        "A bundle for this budget and these rows is being made already, in another way: wait "
                        "for it, or cancel it first."
                    )
                return _read(before), False
            if before is not None:
                session.delete(before)
                session.flush()
            row = FinishRow(
                id=new_id(),
                job_id=job_id,
                budget_snt=wanted.budget_snt,
                rows=wanted.rows,
                n_seeds=wanted.n_seeds,
                is_again=wanted.is_again,
                licence=storable(wanted.licence),
                state=FinishState.QUEUED,
                done=0,
                total=0,
                created_s=locked.now_s,
                lease_epoch=0,
                lost_claims=0,
            )
            session.add(row)
            _tell(locked, row, "asked")
            session.flush()
            return _read(row), True

    def finishes(self, job_id: str) -> tuple[Finish, ...]:
        """Return what was asked for of a job, the newest first.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            of_job = select(FinishRow).where(FinishRow.job_id == job_id)
            found = session.scalars(of_job.order_by(FinishRow.created_s.desc(), FinishRow.id.desc()))
            return tuple(map(_read, found))

    def get_finish(self, job_id: str, finish_id: str) -> Finish:
        """Return what was asked for, and how far it is.

        Raises:
            NotFoundError: if the job has none with that identifier, or another one took its place.
        """
        with self._database.reading() as session:
            row = session.get(FinishRow, finish_id) if is_id(finish_id) else None
            if row is None or row.job_id != job_id:
                raise NotFoundError(_KIND, finish_id)
            return _read(row)

    def cancel_finish(self, job_id: str, finish_id: str) -> Finish:
        """End it at once; who is at work on it notices when the lease is renewed. The same again is fine.

        Raises:
            NotFoundError: as `get_finish`.
            StateConflictError: if it has succeeded or failed.
        """
        self.get_finish(job_id, finish_id)
        with self._database.writing() as session:
            locked = lock_job(self._database, session, job_id)
            row = _lock(session, finish_id)
            if row is None:
                raise NotFoundError(_KIND, finish_id)
            if row.state in _UNDER_WAY:
                _end(locked, row, FinishState.CANCELLED)
            elif row.state != FinishState.CANCELLED:
                raise StateConflictError(f"It has {row.state}; there is nothing to cancel.")
            session.flush()
            return _read(row)

    def claim_finish(self, owner: str, *, lease_s: float) -> FinishClaim | None:
        """Claim what waits for the longest time, or whose lease ended; None if there is none.

        What lost too many dispatchers fails here.

        Args:
            owner: name of the dispatcher.
            lease_s: seconds for which the claim is valid unless renewed.
        """
        with self._database.reading() as session:  # most looks find nothing, and need not wait for writers
            if self._find_free(session) is None:
                return None
        with self._database.writing() as session:
            while (found := self._find_free(session)) is not None:
                locked = lock_job(self._database, session, found.job_id)
                row = _lock(session, found.id)
                if row is None or not self._is_free(row, locked.now_s):
                    continue  # another dispatcher was faster, or it was cancelled
                if row.lease_owner is not None and not _survives_loss(
                    locked, row, "the dispatcher was lost."
                ):
                    session.flush()
                    continue
                row.state = FinishState.RUNNING
                row.started_s = row.started_s or locked.now_s
                row.lease_owner = owner
                row.lease_epoch += 1
                row.lease_expires_s = locked.now_s + lease_s
                _tell(locked, row, "started", owner=owner)
                session.flush()
                return FinishClaim(_read(row), owner, row.lease_epoch, lease_s)
            return None

    def renew_finish(self, claim: FinishClaim, done: int, total: int) -> None:
        """Extend the lease from now, and tell how many trainings are done.

        Raises:
            StaleLeaseError: if it was cancelled or deleted, or another dispatcher has it.
        """
        with self._claimed(claim) as (locked, row):
            row.lease_expires_s = locked.now_s + claim.lease_s
            row.done, row.total = done, total

    def end_finish(self, claim: FinishClaim, *, error: str | None = None) -> None:
        """Record the end: a kept bundle, or what went wrong in words for the user.

        Raises:
            StaleLeaseError: as `renew_finish`.
        """
        with self._claimed(claim) as (locked, row):
            if error is None:
                row.done = row.total
            _end(locked, row, FinishState.SUCCEEDED if error is None else FinishState.FAILED, error)

    def release_finish(self, claim: FinishClaim) -> None:
        """Give it back, as on a planned shutdown.

        Raises:
            StaleLeaseError: as `renew_finish`.
        """
        with self._claimed(claim) as (_locked, row):
            _give_back(row)

    def lose_finish(self, claim: FinishClaim, reason: str) -> None:
        """Record that the process that was at work on it ended: it is tried again, or has failed.

        Raises:
            StaleLeaseError: as `renew_finish`.
        """
        with self._claimed(claim) as (locked, row):
            _survives_loss(locked, row, reason)

    def _find_free(self, session: Session) -> FinishRow | None:
        now_s = self._database.now_s(session)
        lapsed: ColumnElement[bool] = FinishRow.lease_expires_s <= now_s
        is_free = or_(
            FinishRow.state == FinishState.QUEUED, and_(FinishRow.state == FinishState.RUNNING, lapsed)
        )
        ordered = select(FinishRow).where(is_free).order_by(FinishRow.lost_claims, FinishRow.created_s)
        return session.scalars(ordered.limit(1)).one_or_none()

    @staticmethod
    def _is_free(row: FinishRow, now_s: float) -> bool:
        has_lapsed = row.lease_expires_s is not None and row.lease_expires_s <= now_s
        return row.state == FinishState.QUEUED or (row.state == FinishState.RUNNING and has_lapsed)

    @contextmanager
    def _claimed(self, claim: FinishClaim) -> Iterator[tuple[LockedJob, FinishRow]]:
        """Lock the job and what is claimed.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
        """
        with self._database.writing() as session:
            try:
                locked = lock_job(self._database, session, claim.finish.job_id)
            except NotFoundError as error:
                raise StaleLeaseError(f"Job {claim.finish.job_id} was deleted.") from error
            row = _lock(session, claim.finish.id)
            if row is None or (row.lease_owner, row.lease_epoch) != (claim.owner, claim.epoch):
                raise StaleLeaseError(
                    f"{claim.owner} no longer finishes job {claim.finish.job_id}: that was cancelled, or "
                    "another dispatcher has it."
                )
            yield locked, row


def _lock(session: Session, finish_id: str) -> FinishRow | None:
    return session.get(FinishRow, finish_id, with_for_update=True, populate_existing=True)


def _survives_loss(locked: LockedJob, row: FinishRow, reason: str) -> bool:
    """Count a lost claim; return whether it is tried again."""
    row.lost_claims += 1
    if row.lost_claims < MAX_LOST_CLAIMS:
        _give_back(row)
        _tell(locked, row, "lost", reason=storable(reason))
        return True
    error = f"Given up after {row.lost_claims} attempts that were lost. The last one: {reason}"
    _end(locked, row, FinishState.FAILED, error)
    return False


def _give_back(row: FinishRow) -> None:
    row.state = FinishState.QUEUED
    row.done = 0
    row.lease_owner = row.lease_expires_s = None


def _end(locked: LockedJob, row: FinishRow, state: FinishState, error: str | None = None) -> None:
    row.state = state
    row.error = None if error is None else storable(error)
    row.finished_s = locked.now_s
    row.lease_owner = row.lease_expires_s = None
    _tell(locked, row, state, **({} if error is None else {"error": row.error}))


def _tell(locked: LockedJob, row: FinishRow, what: str, **more: Any) -> None:
    data: Mapping[str, Any] = {"finish": row.id, "budget_snt": row.budget_snt, "rows": row.rows}
    locked.add_event(f"finish_{what}", {**data, **more})


def _read(row: FinishRow) -> Finish:
    wanted = FinishWanted(row.budget_snt, LearnedRows(row.rows), row.n_seeds, row.is_again, row.licence)
    return Finish(
        row.id,
        row.job_id,
        wanted,
        FinishState(row.state),
        row.done,
        row.total,
        row.error,
        row.created_s,
        row.started_s,
        row.finished_s,
    )
