"""Headings as people have them: the index column that pandas writes, and columns that are called nothing.

pandas writes the index of a DataFrame as a column without a heading. Whole numbers in it are not read; where
no column is called ``network``, it holds the labels of the networks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from grouping.formats.cells import Cell
from grouping.formats.findings import Findings
from grouping.formats.long_layout import is_known, is_long
from grouping.formats.wide_csv import LEADING_COLUMNS, is_wide

_UNNAMED = re.compile(r"|Unnamed: [0-9]+|__index_level_[0-9]+__")
"""Headings of a column without a name: in CSV, in CSV that pandas has read before, in Parquet."""
_WHOLE = re.compile(r"[0-9]+(\.0)?")


def is_unnamed(heading: str) -> bool:
    """Return whether this stands above a column without a name."""
    return _UNNAMED.fullmatch(heading) is not None


def clean_headings(header: Sequence[str]) -> list[str]:
    """Return the headings as the layouts have them.

    Blanks around them are left out. A column without a name is ``network`` where no column is called so.
    Where only capitals keep them from being those of a layout, those that it knows are in small letters.
    """
    cleaned = [heading.strip() for heading in header]
    small = [heading.lower() for heading in cleaned]
    unnamed = next((i for i, heading in enumerate(cleaned) if is_unnamed(heading)), None)
    if unnamed is not None and "network" not in small:
        cleaned[unnamed] = small[unnamed] = "network"
    if is_wide(cleaned):
        return cleaned
    known = is_known if is_long(small) else LEADING_COLUMNS.__contains__ if is_wide(small) else None
    if known is None:
        return cleaned
    return [
        low if known(low) and low not in cleaned else heading
        for heading, low in zip(cleaned, small, strict=True)
    ]


def without_index(
    header: Sequence[str], rows: Iterable[tuple[int, Sequence[Cell]]], findings: Findings
) -> tuple[list[str], Iterable[tuple[int, Sequence[Cell]]]]:
    """Leave out columns without a heading: an index of whole numbers, or nothing at all.

    Args:
        header: the headings, cleaned.
        rows: place and cells of each row.
        findings: takes a note if there is such a column.

    Returns:
        The other headings and the rows of their cells. Reading a row raises a `TableFormatError` if a column
        without a heading holds anything else.
    """
    unnamed = [i for i, heading in enumerate(header) if is_unnamed(heading)]
    if not unnamed:
        return list(header), rows
    what = "a column without a heading" if len(unnamed) == 1 else f"{len(unnamed)} columns without a heading"
    findings.notes.append(f"Not read: {what}, an index or blank.")
    kept = [i for i in range(len(header)) if i not in unnamed]
    return [header[i] for i in kept], _kept_cells(kept, unnamed, rows, findings)


def _kept_cells(
    kept: Sequence[int],
    unnamed: Sequence[int],
    rows: Iterable[tuple[int, Sequence[Cell]]],
    findings: Findings,
) -> Iterator[tuple[int, Sequence[Cell]]]:
    n_columns = len(kept) + len(unnamed)
    for place, cells in rows:
        if len(cells) != n_columns:
            raise findings.error(f"the line has {len(cells)} cells, the header {n_columns}.", at=place)
        for i in unnamed:
            text = "" if cells[i] is None else str(cells[i]).strip()
            if text and not _WHOLE.fullmatch(text):
                raise findings.error(
                    f"column {i + 1} holds {text[:40]!r} and has no heading; write one.", at=place
                )
        yield place, [cells[i] for i in kept]
