"""Score tables in files and bytes: read any format, write any format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import InvalidInputError
from grouping.formats.assembly import ImportedTable, RawTable, assemble
from grouping.formats.cells import Cell
from grouping.formats.delimited import is_blank, records
from grouping.formats.dialects import Dialect, with_decimal_points
from grouping.formats.headings import clean_headings, without_index
from grouping.formats.json_document import read_json, write_json
from grouping.formats.long_layout import write_long
from grouping.formats.long_layout_reader import read_long
from grouping.formats.multi_hot import joined
from grouping.formats.named_sizes import with_numbers
from grouping.formats.parquet_file import read_parquet, write_parquet
from grouping.formats.report import LABELS, TableFormat, Values
from grouping.formats.results_txt import read_results, write_results
from grouping.formats.source import TableSource
from grouping.formats.wide_csv import Split, read_wide, write_wide

_WRITTEN_DELIMITERS = {
    TableFormat.WIDE_CSV: ",",
    TableFormat.WIDE_TSV: "\t",
    TableFormat.LONG_CSV: ",",
    TableFormat.LONG_TSV: "\t",
}
_WIDE = (TableFormat.WIDE_CSV, TableFormat.WIDE_TSV)
_ONE_SPLIT = (*_WIDE, TableFormat.RESULTS_TXT)
"""Formats that hold validation or test losses, not both."""


def read_table(
    source: bytes | str | Path,
    *,
    format: TableFormat | None = None,  # noqa: A002
    values: Values = "losses",
    test: bytes | str | Path | None = None,
    task_names: Sequence[str] | None = None,
    sizes: Mapping[str, float] | None = None,
    groups: bytes | str | Path | None = None,
) -> ImportedTable:
    """Read a score table, with a report on what was read.

    Use `read_table_guarded` for untrusted files: this function parses in the calling process.

    Args:
        source: the content of a file as bytes, or its path; so `test` and `groups`.
        format: format of the source; detected from the content unless given.
        values: ``losses`` (lower is better) are taken as they are; ``gains`` (higher is better) become
            losses as ``1 - gain``.
        test: test losses (or gains) of the same networks and tasks, in the same format; for the wide layout
            and results.txt only, since the other formats have a place for them.
        task_names: names of the tasks of a results.txt, in the order of its columns; only for this format.
        sizes: numbers of the sizes that the source may name, by name; not for JSON, which has numbers.
        groups: a multi-hot file beside a source that has values only: the same rows, 1 for each task in the
            network and 0 for another.

    Raises:
        TableFormatError: if the source cannot be read or is no score table; says where and what to do.
    """
    if values not in get_args(Values):
        raise InvalidInputError(f"The values are {' or '.join(get_args(Values))}; got {values!r}.")
    opened = TableSource.open(source)
    findings = opened.findings
    chosen = _layout_of(opened, format, has_groups=groups is not None)
    raw = _parse(opened, chosen, values, task_names, sizes, groups)
    if test is not None:
        if chosen not in _ONE_SPLIT:
            raise findings.error(f"{LABELS[chosen]} has a place for test losses; give no second file.")
        second = TableSource.open(test)
        other = _parse(second, chosen, values, task_names, sizes, groups)
        if (other.tasks, other.networks) != (raw.tasks, raw.networks):
            raise second.findings.error(
                "the test losses must be of the same tasks and networks, in the same order, as the "
                "validation losses."
            )
        raw = replace(raw, test=other.validation)
        findings.include(second.findings)
    return assemble(raw, chosen.value, values, findings)


def _layout_of(source: TableSource, said: TableFormat | None, *, has_groups: bool) -> TableFormat:
    if not has_groups:
        return source.detect_format() if said is None else said
    if said not in (None, *_WIDE):
        raise source.findings.error(f"{LABELS[said]} names its groups itself; give no file of groups.")
    return said or TableFormat.WIDE_CSV


def _parse(
    source: TableSource,
    chosen: TableFormat,
    values: Values,
    task_names: Sequence[str] | None,
    sizes: Mapping[str, float] | None,
    groups: bytes | str | Path | None,
) -> RawTable:
    findings = source.findings
    if task_names is not None and chosen is not TableFormat.RESULTS_TXT:
        raise findings.error(f"{LABELS[chosen]} names its tasks itself; give no names.")
    if groups is not None:
        headings, joint = joined(source, TableSource.open(groups))
        return read_wide(headings, with_numbers(headings, joint, sizes), findings)
    match chosen:
        case TableFormat.JSON:
            return read_json(source.text(), values, findings)
        case TableFormat.PARQUET:
            return read_parquet(source.data, values, findings, sizes)
        case TableFormat.RESULTS_TXT:
            return read_results(source.lines(), task_names, findings)
    header, rows = _headed_rows(source, chosen)
    numbered = with_numbers(header, rows, sizes)
    if chosen in _ONE_SPLIT:
        return read_wide(header, numbered, findings)
    return read_long(header, numbered, values, findings)


def _headed_rows(
    source: TableSource, chosen: TableFormat
) -> tuple[Sequence[str], Iterable[tuple[int, Sequence[Cell]]]]:
    """Return the headings and the rows of a text, whatever its dialect."""
    findings, lines = source.findings, source.lines()
    dialect = Dialect.of(lines, findings, chosen)
    lines = ["" if is_blank(line) else line for line in lines]
    body = records(lines, dialect.delimiter, findings, first=dialect.heading_line)
    _, headings = next(body, (1, []))
    header, rows = without_index(clean_headings(headings), body, findings)
    return header, with_decimal_points(header, rows, dialect.delimiter, findings)


def write_table(
    table: ScoreTable,
    format: TableFormat,  # noqa: A002
    *,
    values: Values = "losses",
    split: Split = "validation",
    metrics: ScoreTable | None = None,
) -> bytes:
    """Write a score table.

    Args:
        table: the table.
        format: JSON and Parquet keep everything; long CSV all but the attributes of the tasks; the wide
            layout and results.txt the means over the seeds of one kind of loss.
        values: ``gains`` writes ``1 - loss``, which is rounded: only losses are exact. Not for JSON.
        split: which losses a wide file or a results.txt is to hold; the other formats hold both.
        metrics: values of the metrics of the same trainings in place of losses, each in the unit and the
            direction of its metric; the long layout and Parquet have them beside the losses.

    Raises:
        InvalidInputError: if the format cannot hold the table, or has no choice of split or values.
    """
    if split != "validation" and format not in _ONE_SPLIT:
        raise InvalidInputError(f"{LABELS[format]} holds both splits; leave the split out.")
    match format:
        case TableFormat.JSON:
            if values != "losses":
                raise InvalidInputError("A JSON score table holds losses only.")
            return write_json(table).encode()
        case TableFormat.PARQUET:
            return write_parquet(table, values, metrics)
        case TableFormat.RESULTS_TXT:
            return write_results(table, split=split, values=values).encode()
    delimiter = _WRITTEN_DELIMITERS[format]
    if format in _ONE_SPLIT:
        return write_wide(table, split=split, values=values, delimiter=delimiter).encode()
    return write_long(table, values=values, delimiter=delimiter, metrics=metrics).encode()


def read_wide_csv(
    path: Path | str, test_path: Path | str | None = None, *, values: Values = "losses"
) -> ScoreTable:
    """Read a score table from a wide CSV file: `read_table` without its report.

    Args:
        path: validation losses (or gains).
        test_path: test losses of the same networks and tasks, if known.
        values: ``losses`` or ``gains``.

    Raises:
        TableFormatError: if a file cannot be read or is not such a table; says where and what to do.
    """
    test = None if test_path is None else Path(test_path)
    return read_table(Path(path), format=TableFormat.WIDE_CSV, values=values, test=test).table


def write_wide_csv(table: ScoreTable, *, split: Split = "validation") -> str:
    """Return the wide CSV of a table: `write_table` as text."""
    return write_table(table, TableFormat.WIDE_CSV, split=split).decode()
