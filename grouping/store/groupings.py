"""Stored groupings: solves of a score table, with request and answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grouping.errors import IdempotencyConflictError, NotFoundError
from grouping.store.codec import (
    as_storable_json,
    check_idempotency_key,
    grouping_from_row,
    is_id,
    new_id,
    storable,
)
from grouping.store.database import Database
from grouping.store.imports import find_table
from grouping.store.paging import newest_first
from grouping.store.records import Page, StoredGrouping
from grouping.store.rows import GroupingRow


class GroupingMethods:
    """Methods of the store for groupings."""

    _database: Database

    def add_grouping(
        self,
        table_id: str,
        *,
        revision: int,
        request: Mapping[str, Any],
        answer: Mapping[str, Any],
        idempotency_key: str | None = None,
        request_digest: str = "",
    ) -> tuple[StoredGrouping, bool]:
        """Store a solve of a score table.

        Args:
            table_id: the score table.
            revision: the revision of the table that was solved.
            request: the request, as JSON.
            answer: the answer, as JSON.
            idempotency_key: the same key with the same digest gives the same grouping.
            request_digest: digest of the request, the table included.

        Returns:
            The grouping, and whether this call stored it.

        Raises:
            NotFoundError: if there is no such table.
            IdempotencyConflictError: if the key came before with another digest.
            InvalidInputError: if request or answer have no JSON form, or the key cannot be stored.
        """
        check_idempotency_key(idempotency_key)
        values = {
            "score_table_id": table_id,
            "revision": revision,
            "request": as_storable_json(request),
            "answer": as_storable_json(answer),
            "idempotency_key": idempotency_key,
            "request_digest": storable(request_digest),
        }
        try:
            return self._add_grouping(values)
        except IntegrityError:
            if idempotency_key is None:
                raise
            # Another transaction won the race for the key; its grouping is there now.
            return self._add_grouping(values)

    def _add_grouping(self, values: Mapping[str, Any]) -> tuple[StoredGrouping, bool]:
        with self._database.writing() as session:
            found = _find_by_key(session, values["idempotency_key"], values["request_digest"])
            if found is not None:
                return found, False
            find_table(session, values["score_table_id"], lock=True)
            row = GroupingRow(id=new_id(), created_s=self._database.now_s(session), **values)
            session.add(row)
            session.flush()
            return grouping_from_row(row), True

    def find_grouping_of_key(self, idempotency_key: str, request_digest: str) -> StoredGrouping | None:
        """Find the grouping that was stored under an idempotency key, or None.

        Raises:
            IdempotencyConflictError: if the key came before with another digest.
        """
        with self._database.reading() as session:
            return _find_by_key(session, storable(idempotency_key), storable(request_digest))

    def get_grouping(self, grouping_id: str) -> StoredGrouping:
        """Return a stored grouping.

        Raises:
            NotFoundError: if there is none.
        """
        with self._database.reading() as session:
            row = session.get(GroupingRow, grouping_id) if is_id(grouping_id) else None
            if row is None:
                raise NotFoundError("grouping", grouping_id)
            return grouping_from_row(row)

    def list_groupings(
        self, table_id: str, *, limit: int = 50, after: str | None = None
    ) -> Page[StoredGrouping]:
        """List stored groupings of a table, newest first; a page holds at most 200.

        Raises:
            NotFoundError: if there is no such table.
            InvalidInputError: if `after` is not a token of this list.
        """
        with self._database.reading() as session:
            find_table(session, table_id)
            query = select(GroupingRow).where(GroupingRow.score_table_id == table_id)
            rows, token = newest_first(session, query, GroupingRow, limit, after)
            return Page(tuple(grouping_from_row(row) for (row,) in rows), token)


def _find_by_key(session: Session, key: str | None, digest: str) -> StoredGrouping | None:
    if key is None:
        return None
    row = session.scalars(select(GroupingRow).where(GroupingRow.idempotency_key == key)).one_or_none()
    if row is None:
        return None
    if row.request_digest != digest:
        raise IdempotencyConflictError(
            "This idempotency key was used before with another request; use a new key."
        )
    return grouping_from_row(row)
