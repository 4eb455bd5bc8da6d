"""Delimited text files: lines and cells. Lines are counted and measured before any is split."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from grouping.domain.tasks import MAX_TASKS
from grouping.formats.cells import unguard_text
from grouping.formats.findings import Findings
from grouping.formats.limits import MAX_LINE_CHARACTERS, MAX_LINES

_BLANK = ' ,;\t|"'
Record = tuple[int, list[str]]
"""A line's number, counted from 1, and its cells."""


def split_lines(text: str, findings: Findings) -> list[str]:
    """Split text into lines without their ends, which may be those of any system.

    Raises:
        TableFormatError: if there are too many, or one is too long.
    """
    count = text.count("\n") + text.count("\r")
    if count > 2 * MAX_LINES:  # an end may have two characters
        raise findings.error(f"the file has more than {MAX_LINES:,} lines.")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MAX_LINES:
        raise findings.error(f"the file has more than {MAX_LINES:,} lines.")
    for number, line in enumerate(lines, start=1):
        check_length(line, number, findings)
    return lines


def is_blank(line: str) -> bool:
    """Return whether a line has blank cells only, as spreadsheets add them."""
    return not line.strip(_BLANK)


def first_lines(text: str, findings: Findings) -> tuple[str, ...]:
    """Return the first two lines that are not empty, without splitting the others; the first may be empty.

    Raises:
        TableFormatError: if the first is too long.
    """
    found = re.compile(r"[\r\n]*([^\r\n]*)[\r\n]*([^\r\n]*)").match(text)
    lines = (found[1], found[2][: MAX_LINE_CHARACTERS + 1]) if found else ("", "")
    check_length(lines[0], 1, findings)
    return lines


def check_length(line: str, number: int, findings: Findings) -> None:
    """Refuse a line that is too long to be one of a score table.

    Raises:
        TableFormatError: with the limit.
    """
    if len(line) > MAX_LINE_CHARACTERS:
        raise findings.error(
            f"the line has {len(line):,} characters; at most {MAX_LINE_CHARACTERS:,} are read. "
            f"A score table has at most {MAX_TASKS:,} task columns.",
            at=number,
        )


def split_cells(line: str, delimiter: str, number: int, findings: Findings) -> list[str]:
    """Split a line into cells: quotes as in CSV, closed on the same line; the formula guard is undone.

    Raises:
        TableFormatError: if quotes are not closed or misplaced.
    """
    try:
        quoted = '"' in line
        cells = (
            next(csv.reader([line], delimiter=delimiter, strict=True)) if quoted else line.split(delimiter)
        )
    except csv.Error as error:
        raise findings.error(f"this is not a well-formed line: {error}.", at=number) from error
    return [unguard_text(cell) for cell in cells] if "'" in line else cells


def records(lines: Sequence[str], delimiter: str, findings: Findings, *, first: int = 0) -> Iterator[Record]:
    """Yield numbers and cells of the lines that are not empty, from line `first` on, counted from 0."""
    for number, line in enumerate(lines, start=1):
        if line and number > first:
            yield number, split_cells(line, delimiter, number, findings)


def write_lines(rows: Iterable[Sequence[str]], delimiter: str) -> str:
    """Return rows of cells as text, quoted where necessary."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()
