"""Identifiers by their beginning, as people type them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from grouping.errors import AmbiguousIdError, NotFoundError
from grouping.store.codec import is_id
from grouping.store.database import Database
from grouping.store.rows import (
    ID_LENGTH,
    FinishRow,
    GroupingRow,
    JobRow,
    ScoreTableRow,
    StudyRow,
    TokenRow,
    TrialRow,
)

SHORTEST = 4
"""Characters of an identifier that are needed at least."""
N_CANDIDATES = 5

_BEGINNING = re.compile(rf"[0-9a-f]{{{SHORTEST},{ID_LENGTH - 1}}}")
_TOO_SHORT = re.compile(rf"[0-9a-f]{{1,{SHORTEST - 1}}}")
_ROWS: Mapping[str, Any] = {
    "job": JobRow,
    "score table": ScoreTableRow,
    "grouping": GroupingRow,
    "study": StudyRow,
    "token": TokenRow,
    "trial": TrialRow,
    "finish": FinishRow,
}


class IdentifierMethods:
    """Methods of the store that find whole identifiers."""

    _database: Database

    def whole_id(self, kind: str, text: str) -> str:
        """Return the identifier that begins so; the text itself where none does, or it is a whole one.

        Args:
            kind: ``job``, ``score table``, ``grouping``, ``study``, ``token``, ``trial`` or ``finish``.
            text: an identifier or its first `SHORTEST` characters or more.

        Raises:
            AmbiguousIdError: if several begin so.
            NotFoundError: if it could be a beginning, and is too short.
        """
        if _TOO_SHORT.fullmatch(text):
            raise NotFoundError(kind, text, f"its first {SHORTEST} characters are needed at least")
        if is_id(text) or not _BEGINNING.fullmatch(text):
            return text
        row = _ROWS[kind]
        label = row.id if row in (GroupingRow, TrialRow, FinishRow) else row.name
        begins = (row.id >= text) & (row.id < f"{text}g")  # "g" is the first letter that no identifier has
        with self._database.reading() as session:
            found = session.execute(select(row.id, label).where(begins).order_by(row.id.desc())).all()
        if len(found) > 1:
            listed = {found_id: "" if name == found_id else name for found_id, name in found[:N_CANDIDATES]}
            raise AmbiguousIdError(kind, text, listed, len(found))
        return found[0][0] if found else text
