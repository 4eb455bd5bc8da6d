"""Headings as people have them: the index column that pandas writes, and columns that are called nothing.

pandas writes the index of a DataFrame as a column without a heading. Whole numbers in it are not read; where
no column is called ``network``, it holds the labels of the networks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from grouping.formats.cells import Cell
from grouping.formats.findings import Findings

_UNNAMED = re.compile(r"|Unnamed: [0-9]+|__index_level_[0-9]+__")
"""Headings of a column without a name: in CSV, in CSV that pandas has read before, in Parquet."""
_WHOLE = re.compile(r"[0-9]+(\.0)?")


def is_unnamed(heading: str) -> bool:
    """Return whether this stands above a column without a name."""
    return _UNNAMED.fullmatch(heading) is not None


def clean_headings(header: Sequence[str]) -> list[str]:
    """Return the headings, with ``network`` for a column without a name where no column is called so."""
    unnamed = next((i for i, heading in enumerate(header) if is_unnamed(heading)), None)
    if unnamed is None or "network" in header:
        return list(header)
    return [*header[:unnamed], "network", *header[unnamed + 1 :]]


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
