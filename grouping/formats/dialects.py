"""Dialects of delimited text: which character stands between the cells, and which before the decimals.

Spreadsheets write a table by the rules of their country: where a comma stands before the decimals, semicolons
stand between the cells. The delimiter is found from the headings, or said by a line ``sep=;`` above them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from grouping.domain.tables.formats import TableFormat
from grouping.errors import TableFormatError
from grouping.formats.cells import Cell
from grouping.formats.delimited import split_cells
from grouping.formats.findings import Findings
from grouping.formats.headings import clean_headings
from grouping.formats.long_layout import is_long
from grouping.formats.wide_csv import is_wide

DELIMITERS = (",", "\t", ";")

_SAID = re.compile(r'"?sep=(?P<delimiter>[,;\t|])"?[,;\t|]*', re.IGNORECASE)
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?")
_BETWEEN = {"\t": "tabs", ";": "semicolons", "|": "bars"}
_NAMES = ("network", "task")
"""Headings of columns that hold names."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the lines of a text are to be split.

    Attributes:
        delimiter: character between the cells.
        heading_line: place of the headings among the lines, counted from 0.
        format: layout and delimiter as a format; None if the headings belong to no table with headings.
    """

    delimiter: str
    heading_line: int
    format: TableFormat | None

    @classmethod
    def of(cls, lines: Sequence[str], findings: Findings, said: TableFormat | None = None) -> Dialect:
        """Find the dialect from the first lines.

        Args:
            lines: the first lines; those that are empty are skipped.
            findings: makes the errors.
            said: the format that the caller names; tab-separated text is then split at tabs only.

        Raises:
            TableFormatError: if quotes of the headings are not closed or misplaced.
        """
        filled = list(islice((n for n, line in enumerate(lines) if line), 2))
        first = filled[0] if filled else 0
        named = _SAID.fullmatch(lines[first]) if lines else None
        tried = _tried(said)
        if named is not None:
            first = filled[1] if len(filled) > 1 else len(lines)
            tried = (named["delimiter"],)
        headings = lines[first] if first < len(lines) else ""
        misplaced: dict[str, TableFormatError] = {}
        for delimiter in tried:
            try:
                header = clean_headings(split_cells(headings, delimiter, first + 1, findings))
            except TableFormatError as error:
                misplaced[delimiter] = error  # perhaps quotes around cells of another delimiter
                continue
            form = _format_of(header, delimiter)
            if form is not None:
                return cls(delimiter, first, form)
        if (likely := max(tried, key=headings.count)) in misplaced:
            raise misplaced[likely]
        return cls(tried[0], first, None)


def _tried(said: TableFormat | None) -> tuple[str, ...]:
    if said is None:
        return DELIMITERS
    return ("\t",) if said in (TableFormat.WIDE_TSV, TableFormat.LONG_TSV) else (",", ";")


def _format_of(header: Sequence[str], delimiter: str) -> TableFormat | None:
    is_tab = delimiter == "\t"
    if is_long(header):
        return TableFormat.LONG_TSV if is_tab else TableFormat.LONG_CSV
    if is_wide(header):
        return TableFormat.WIDE_TSV if is_tab else TableFormat.WIDE_CSV
    return None


def with_decimal_points(
    header: Sequence[str], rows: Iterable[tuple[int, Sequence[Cell]]], delimiter: str, findings: Findings
) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Yield rows with a point before the decimals in place of a comma, in numbers and in sizes behind ``@``.

    Where commas stand between the cells, rows stay as they are.

    Args:
        header: the headings.
        rows: place and cells of each row.
        delimiter: what stands between the cells.
        findings: takes a note that the file has decimal commas.

    Raises:
        TableFormatError: if some numbers have a decimal comma and others a point: what is ``1,234`` then?
    """
    if delimiter == ",":
        yield from rows
        return
    numbers = [i for i, heading in enumerate(header) if heading not in _NAMES]
    network = header.index("network") if "network" in header else None
    first: dict[str, int] = {}
    for place, cells in rows:
        changed = list(cells)
        for i in numbers:
            cell = changed[i] if i < len(changed) else None
            text = cell.strip() if isinstance(cell, str) else ""
            sign = "comma" if _COMMA.fullmatch(text) else "point" if _POINT.fullmatch(text) else ""
            if sign:
                first.setdefault(sign, place)
            if sign == "comma":
                changed[i] = text.replace(",", ".")
            if len(first) == 2:
                raise findings.error(
                    f"a {sign} stands before the decimals of {text[:40]}, and the other sign in line "
                    f"{min(first.values())}. Write all numbers in one way, without separators of thousands.",
                    at=place,
                )
        if network is not None and network < len(changed):
            stem, separator, size = str(changed[network]).partition("@")
            changed[network] = stem + separator + (size.replace(",", ".") if _COMMA.fullmatch(size) else size)
        yield place, changed
    if "comma" in first:
        findings.notes.append(f"Cells stand between {_BETWEEN[delimiter]}, and decimals after a comma.")
