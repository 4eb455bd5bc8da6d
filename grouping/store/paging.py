"""Pages of lists by key: each item is seen once, even if others are added meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, TypeVarTuple

from sqlalchemy import ColumnElement, Double, Row, Select, tuple_, type_coerce
from sqlalchemy.orm import Session

from grouping.errors import InvalidInputError
from grouping.store.codec import is_id, storable
from grouping.store.rows import GroupingRow, JobRow, ScoreTableRow, StudyRow

MAX_PAGE_SIZE = 100
_NO_TOKEN = "The page token is not one that this service gave out."

K = TypeVar("K", JobRow, ScoreTableRow, GroupingRow, StudyRow)
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Order(Generic[K]):
    """Order of a list: by a key, and where that is the same by identifier.

    Attributes:
        name: name of the order, which its page tokens hold.
        kind: class of the rows that are listed.
        key: what the rows are sorted by, never null.
        value: reads the same from a row.
        is_descending: whether the largest key, and identifier, comes first.
    """

    name: str
    kind: type[K]
    key: ColumnElement[Any]
    value: Callable[[K], float | str]
    is_descending: bool = False


def newest_first(
    session: Session,
    query: Select[K, *Ts],
    kind: type[K],
    limit: int,
    after: str | None,
) -> tuple[Sequence[Row[K, *Ts]], str | None]:
    """Read one page of a query with the newest rows first; see `read_page`."""
    key: ColumnElement[Any] = type_coerce(kind.created_s, Double)
    order = Order("newest", kind, key, lambda row: row.created_s, is_descending=True)
    return read_page(session, query, order, limit, after)


def read_page(
    session: Session,
    query: Select[K, *Ts],
    order: Order[K],
    limit: int,
    after: str | None,
) -> tuple[Sequence[Row[K, *Ts]], str | None]:
    """Read one page of a query, and the token of the next page if there is one.

    Args:
        session: a reading transaction.
        query: selects a row of the order's kind first, in no order.
        order: order of the list.
        limit: size of the page; brought to 1..`MAX_PAGE_SIZE`.
        after: the token of this page; None for the first.

    Raises:
        InvalidInputError: if `after` is not a token of a list in this order.
    """
    size = max(1, min(limit, MAX_PAGE_SIZE))
    key, identifier = order.key, order.kind.id
    if after is not None:
        last = tuple_(*read_token(order, after))
        here = tuple_(key, identifier)
        query = query.where(here < last if order.is_descending else here > last)
    by = (key.desc(), identifier.desc()) if order.is_descending else (key, identifier)
    rows = session.execute(query.order_by(*by).limit(size + 1)).all()
    if len(rows) <= size:
        return rows, None
    last_row = rows[size - 1][0]
    return rows[:size], token(order.name, order.value(last_row), last_row.id)


def token(order: str, key: float | str, identifier: str) -> str:
    """Return the opaque token of the page that follows an item."""
    exact = key.hex() if isinstance(key, float) else key
    said = json.dumps([order, isinstance(key, float), exact, identifier])
    return base64.urlsafe_b64encode(said.encode()).decode()


def read_token(order: Order[Any], text: str) -> tuple[float | str, str]:
    """Return key and identifier of a token; inverts `token`.

    Raises:
        InvalidInputError: if the text is not a token of a list in this order.
    """
    try:
        said = json.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode())
        of, is_number, exact, identifier = map(str, said)
        key: float | str = float.fromhex(exact) if is_number == "True" else exact
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidInputError(_NO_TOKEN, pointer="/page_token") from error
    if of != order.name:
        raise InvalidInputError(
            f"The page token is that of a list sorted otherwise ({of[:20]}); begin with the first page.",
            pointer="/page_token",
        )
    is_as_sorted = isinstance(order.key.type, Double) == isinstance(key, float)
    if not is_as_sorted or not is_id(identifier) or (isinstance(key, str) and storable(key) != key):
        raise InvalidInputError(_NO_TOKEN, pointer="/page_token")
    return key, identifier
