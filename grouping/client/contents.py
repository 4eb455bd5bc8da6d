"""Contents of files that a client sends."""

from __future__ import annotations

from pathlib import Path

from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import TableFormatError
from grouping.formats import TableFormat, write_table


def content_of(source: ScoreTable | Path | bytes | str) -> bytes:
    """Return what is sent of a table, a file, its content, or a text.

    Raises:
        TableFormatError: if the file cannot be read.
    """
    if isinstance(source, ScoreTable):
        return write_table(source, TableFormat.JSON)
    if isinstance(source, str):
        return source.encode()
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise TableFormatError(f"Cannot read {source}: {error.strerror}.") from error
