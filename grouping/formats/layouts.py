"""Rows with headings, not from text: long or wide layout, as the headings tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grouping.domain.tasks import Task
from grouping.formats.assembly import RawTable
from grouping.formats.cells import Cell
from grouping.formats.findings import Findings
from grouping.formats.headings import clean_headings, without_index
from grouping.formats.long_layout import is_long
from grouping.formats.long_layout_reader import read_long
from grouping.formats.report import Values
from grouping.formats.wide_csv import read_wide


def read_layout(
    header: Sequence[str],
    rows: Iterable[tuple[int, Sequence[Cell]]],
    values: Values,
    findings: Findings,
    *,
    tasks: Sequence[Task] = (),
) -> RawTable:
    """Read rows in the layout that their headings tell.

    Args:
        header: the headings.
        rows: place and cells of each row.
        values: whether the cells are losses or gains.
        findings: collects what is found.
        tasks: attributes of tasks, where known.

    Raises:
        TableFormatError: if it is no score table.
    """
    header, rows = without_index(clean_headings(header), rows, findings)
    if is_long(header):
        return read_long(header, rows, values, findings, tasks=tasks)
    return read_wide(header, rows, findings)
