"""Pages of lists by key: each item is seen once, even if others are added meanwhile."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar, TypeVarTuple

from sqlalchemy import Row, Select, tuple_
from sqlalchemy.orm import Session

from grouping.errors import InvalidInputError
from grouping.store.codec import is_id
from grouping.store.rows import GroupingRow, JobRow, ScoreTableRow, StudyRow

MAX_PAGE_SIZE = 100

K = TypeVar("K", JobRow, ScoreTableRow, GroupingRow, StudyRow)
Ts = TypeVarTuple("Ts")


def newest_first(
    session: Session,
    query: Select[K, *Ts],
    kind: type[K],
    limit: int,
    after: str | None,
) -> tuple[Sequence[Row[K, *Ts]], str | None]:
    """Read one page of a query, and the token of the next page if there is one.

    Args:
        session: a reading transaction.
        query: selects a row of `kind` first, in no order.
        kind: class of the rows that are listed.
        limit: size of the page; brought to 1..`MAX_PAGE_SIZE`.
        after: the token of this page; None for the first.

    Raises:
        InvalidInputError: if `after` is not a token.
    """
    size = max(1, min(limit, MAX_PAGE_SIZE))
    if after is not None:
        query = query.where(tuple_(kind.created_s, kind.id) < read_token(after))
    ordered = query.order_by(kind.created_s.desc(), kind.id.desc()).limit(size + 1)
    rows = session.execute(ordered).all()
    if len(rows) <= size:
        return rows, None
    last = rows[size - 1][0]
    return rows[:size], token(last.created_s, last.id)


def token(created_s: float, identifier: str) -> str:
    """Return the opaque token of the page that follows an item."""
    return base64.urlsafe_b64encode(f"{created_s.hex()} {identifier}".encode()).decode()


def read_token(text: str) -> tuple[float, str]:
    """Invert `token`.

    Raises:
        InvalidInputError: if the text is not a token.
    """
    try:
        created, identifier = (
            base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode().split(" ")
        )
        created_s = float.fromhex(created)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise InvalidInputError(
            "The page token is not one that this service gave out.", pointer="/page_token"
        ) from error
    if not is_id(identifier):
        raise InvalidInputError(
            "The page token is not one that this service gave out.", pointer="/page_token"
        )
    return created_s, identifier
