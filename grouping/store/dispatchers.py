"""Dispatchers that register in the database, so that people learn whether any is at work."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from grouping.store.codec import storable
from grouping.store.database import Database
from grouping.store.rows import DispatcherRow

SILENT_S = 30.0
"""Seconds without a word after which a dispatcher is not at work: it was killed, stopped, or hangs."""
FORGOTTEN_S = 86_400.0
"""Seconds after which one that is silent is forgotten."""


class DispatcherMethods:
    """Methods of the store by which dispatchers tell that they are at work, by the clock of the database."""

    _database: Database

    def tell_alive(self, owner: str, n_jobs: int) -> None:
        """Register a dispatcher, or tell that it is still at work.

        Args:
            owner: its name, as in its claims.
            n_jobs: the most jobs that it works on at the same time.
        """
        with self._database.writing() as session:
            now_s = self._database.now_s(session)
            row = session.get(DispatcherRow, storable(owner))
            if row is not None:
                row.n_jobs, row.seen_s = n_jobs, now_s
                return
            session.execute(delete(DispatcherRow).where(DispatcherRow.seen_s < now_s - FORGOTTEN_S))
            session.add(DispatcherRow(owner=storable(owner), n_jobs=n_jobs, started_s=now_s, seen_s=now_s))

    def tell_gone(self, owner: str) -> None:
        """Take out a dispatcher that ends; one that never registered is none."""
        with self._database.writing() as session:
            session.execute(delete(DispatcherRow).where(DispatcherRow.owner == storable(owner)))

    def count_dispatchers(self) -> int:
        """Return how many dispatchers are at work: those heard from within `SILENT_S`."""
        with self._database.reading() as session:
            return heard_dispatchers(session, self._database.now_s(session))


def heard_dispatchers(session: Session, now_s: float) -> int:
    """Count the dispatchers heard from within `SILENT_S`."""
    is_heard = DispatcherRow.seen_s > now_s - SILENT_S
    return session.scalar(select(func.count()).select_from(DispatcherRow).where(is_heard)) or 0
