"""Multi-hot files: a row per network with 1 for each task in it, beside a file of values in the same rows.

    groups.csv        gains.csv
    depth,edges       depth,edges
    1,0               0.12,0
    1,1               0.10,0.31

The two are read as one table in the wide layout, which has the values of the tasks of each network and no
others. The headings of the values name the tasks; those of the groups may be in another order, or missing.
Columns ``network``, ``size``, ``cost`` and further costs may stand beside the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest

from grouping.formats.assembly import COST_PREFIX
from grouping.formats.cells import NOT_FINITE_TEXT, Cell
from grouping.formats.delimited import is_blank, records
from grouping.formats.dialects import DELIMITERS, Dialect, with_decimal_points
from grouping.formats.findings import Findings
from grouping.formats.headings import clean_headings, without_index
from grouping.formats.source import PARQUET_MAGIC, TableSource
from grouping.formats.wide_csv import LEADING_COLUMNS

IN_GROUP = frozenset({"1", "1.0", "true"})
OUT_OF_GROUP = frozenset({"0", "0.0", "false", ""})

Row = tuple[int, Sequence[Cell]]


def joined(values: TableSource, groups: TableSource) -> tuple[list[str], Iterator[Row]]:
    """Join values and groups to the headings and rows of a wide table.

    Args:
        values: a row per network and a column per task.
        groups: the same rows with 1 for a task in the network and 0 for another.

    Returns:
        The headings, and place (in the file of values) and cells of each row. Reading the rows raises a
        `TableFormatError` if the two do not belong together.

    Raises:
        TableFormatError: if the tasks of the two differ.
    """
    header, rows = _headed(values, with_headings=True)
    stated = [name for name in header if name in LEADING_COLUMNS or name.startswith(COST_PREFIX)]
    tasks = [name for name in header if name not in stated]
    named, members = _headed(groups, with_headings=False)
    if named and set(named) - {"network"} != set(tasks):
        raise groups.findings.error(
            f"the groups are of {_listed(named)} and the values of {_listed(tasks)}; "
            "name the same tasks in both."
        )
    order = [named.index(task) for task in tasks] if named else list(range(len(tasks)))
    added = [name for name in LEADING_COLUMNS if name not in stated]
    values.findings.notes.append("The groups are those of the multi-hot file; other cells are not read.")
    if unsaid := [name for name in ("size", "cost") if name in added]:
        values.findings.notes.append(f"Every network has the {' and the '.join(unsaid)} 1.")
    whole = [*added, *header]
    width = len(named) or len(tasks)
    return whole, _rows(header, set(stated), rows, members, order, width, added, values, groups)


def _headed(source: TableSource, *, with_headings: bool) -> tuple[list[str], Iterable[Row]]:
    """Return headings and rows of a text; no headings where its first line is one of a network."""
    findings = source.findings
    if source.data.startswith(PARQUET_MAGIC):
        raise findings.error("groups and values beside each other are read as text: write both as CSV.")
    lines = source.lines()
    while lines and is_blank(lines[-1]):
        lines.pop()
    dialect = Dialect.of(lines, findings)
    heading = lines[dialect.heading_line] if dialect.heading_line < len(lines) else ""
    delimiter = dialect.delimiter if dialect.delimiter in heading else max(DELIMITERS, key=heading.count)
    body = records(lines, delimiter, findings, first=dialect.heading_line)
    first = next(body, (1, []))
    if not any(map(_text, first[1])):
        raise findings.error("the file is empty.")
    if not with_headings and all(_text(cell) in IN_GROUP | OUT_OF_GROUP for cell in first[1]):
        return [], chain([first], body)
    if all(_is_number(cell) for cell in first[1]):
        raise findings.error("the first line has numbers; name the tasks there.", at=first[0])
    cleaned = clean_headings(first[1])
    stated = [name for name in LEADING_COLUMNS if name not in cleaned]
    cleaned = [name.lower() if name.lower() in stated else name for name in cleaned]
    header, rows = without_index(cleaned, body, findings)
    return header, with_decimal_points(header, rows, delimiter, findings)


def _rows(
    header: Sequence[str],
    stated: set[str],
    rows: Iterable[Row],
    members: Iterable[Row],
    order: Sequence[int],
    width: int,
    added: Sequence[str],
    values: TableSource,
    groups: TableSource,
) -> Iterator[Row]:
    lead = ["" if name == "network" else "1" for name in added]
    for of_values, of_groups in zip_longest(rows, members):
        if of_values is None or of_groups is None:
            longer = values if of_groups is None else groups
            raise longer.findings.error(
                "this file has more rows than the other one; both have a row for each network, in one order.",
                at=(of_values or of_groups)[0],
            )
        place, cells = of_values
        _check_width(cells, len(header), place, values.findings)
        _check_width(of_groups[1], width, of_groups[0], groups.findings)
        is_in = iter([_is_in(of_groups[1][i], of_groups[0], groups.findings) for i in order])
        kept: list[Cell] = list(lead)
        for name, cell in zip(header, cells, strict=True):
            if name in stated:
                kept.append(cell)
            elif next(is_in):
                kept.append(cell if _text(cell) else NOT_FINITE_TEXT)
            else:
                kept.append("")
        yield place, kept


def _is_in(cell: Cell, place: int, findings: Findings) -> bool:
    text = _text(cell)
    if text not in IN_GROUP | OUT_OF_GROUP:
        raise findings.error(
            f"{text[:40]!r} is neither 1, for a task in the network, nor 0, for another.", at=place
        )
    return text in IN_GROUP


def _check_width(cells: Sequence[Cell], width: int, place: int, findings: Findings) -> None:
    if len(cells) != width:
        raise findings.error(f"the line has {len(cells)} cells, and {width} are needed.", at=place)


def _is_number(cell: Cell) -> bool:
    try:
        float(_text(cell) or "nan")
    except ValueError:
        return False
    return True


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).strip().lower()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)[:200] or "no task"
