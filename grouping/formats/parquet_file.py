"""Parquet format: the long layout in typed columns, with the attributes of tasks in the metadata.

Any Parquet file with the columns of the long or of the wide layout is read, whichever program wrote it;
metadata of other programs are ignored. Declared sizes are checked before anything is unpacked, and then it is
unpacked in small batches; since declared sizes may be false, untrusted files belong to `read_table_guarded`.
"""

# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types, and re-exports what is defined in its C extension.

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import MAX_TASKS, Task
from grouping.errors import InvalidInputError
from grouping.formats.assembly import RawTable
from grouping.formats.cells import Cell
from grouping.formats.findings import Findings
from grouping.formats.headings import clean_headings, is_unnamed
from grouping.formats.layouts import read_layout
from grouping.formats.limits import MAX_LINES, MAX_OTHER_COSTS, MAX_UNPACKED_BYTES
from grouping.formats.long_layout import is_known, is_long, long_columns
from grouping.formats.long_layout_reader import warn_of_ignored
from grouping.formats.named_sizes import with_numbers
from grouping.formats.report import Values
from grouping.formats.strict_json import parse_json
from grouping.formats.task_attributes import tasks_from_json, tasks_to_json

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import ParquetFile

METADATA_KEY = b"mtl_grouping_tasks"
MAX_METADATA_BYTES = 2**20
MAX_CONTAINER = 100_000
MAX_COLUMNS = 3 + MAX_OTHER_COSTS + MAX_TASKS
BATCH_ROWS = 10_000


def rows_to_parquet(columns: Mapping[str, type], rows: Sequence[Mapping[str, object]]) -> bytes:
    """Write rows of these columns, each of ``str``, ``float``, ``int`` or ``bool``; None is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    frame = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(frame, sink, compression="zstd")
    return bytes(sink.getvalue())


def write_parquet(table: ScoreTable, values: Values, metrics: ScoreTable | None = None) -> bytes:
    """Return a Parquet file of everything the table holds; exact to the last digit."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = long_columns(table, values, metrics)
    kinds = {"network": pa.string(), "task": pa.string(), "seed": pa.int64()}
    frame = pa.table(
        {name: pa.array(cells, kinds.get(name, pa.float64())) for name, cells in columns.items()},
        metadata={METADATA_KEY: json.dumps(tasks_to_json(table.tasks)).encode()},
    )
    sink = pa.BufferOutputStream()
    pq.write_table(frame, sink, compression="zstd")
    return bytes(sink.getvalue())


def read_parquet(
    data: bytes, values: Values, findings: Findings, sizes: Mapping[str, float] | None = None
) -> RawTable:
    """Read a Parquet file in the long or the wide layout.

    Raises:
        TableFormatError: if it is no Parquet file, too large, or not such a table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    findings.unit = "row"
    try:
        with pq.ParquetFile(
            pa.BufferReader(data),
            thrift_string_size_limit=MAX_METADATA_BYTES,
            thrift_container_size_limit=MAX_CONTAINER,
        ) as file:
            _check_size(file, findings)
            tasks = _read_tasks(file.schema_arrow.metadata or {}, findings)
            columns = _choose_columns(file.schema_arrow, findings)
            rows = with_numbers(list(columns), _rows(file, list(columns.values())), sizes)
            return read_layout(list(columns), rows, values, findings, tasks=tasks)
    except MemoryError:  # Arrow's is one of its own exceptions too
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise findings.error(f"the file is no sound Parquet file: {reason}") from error


def _check_size(file: ParquetFile, findings: Findings) -> None:
    """Refuse a file whose declared size is too large."""
    metadata = file.metadata
    unpacked = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    for number, limit, what in (
        (metadata.num_columns, MAX_COLUMNS, "columns"),
        (metadata.num_rows, MAX_LINES, "rows"),
        (unpacked, MAX_UNPACKED_BYTES, "bytes when unpacked"),
    ):
        if not 0 <= number <= limit:
            raise findings.error(f"the file has {number:,} {what}; at most {limit:,} are read.")


def _read_tasks(metadata: dict[bytes, bytes], findings: Findings) -> tuple[Task, ...]:
    try:
        return tasks_from_json(parse_json(metadata.get(METADATA_KEY, b"[]").decode()), "/tasks")
    except (InvalidInputError, UnicodeDecodeError) as error:
        raise findings.error(f"the metadata {METADATA_KEY.decode()} is broken: {error}") from error


def _choose_columns(schema: Schema, findings: Findings) -> dict[str, str]:
    """Return the names of the columns to read by their headings; they hold text or numbers."""
    from pyarrow import types

    names = list(schema.names)
    if len(set(names)) != len(names):
        raise findings.error("a column is named twice.")
    index = _index_columns(schema)
    headings = [f"__index_level_{i}__" if name in index else name for i, name in enumerate(names)]
    columns = dict(zip(clean_headings(headings), names, strict=True))
    if is_long(list(columns)):
        ignored = [heading for heading in columns if not (is_known(heading) or is_unnamed(heading))]
        warn_of_ignored(ignored, findings)
        columns = {heading: name for heading, name in columns.items() if heading not in ignored}
    for name in columns.values():
        kind = schema.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        if not any(
            fits(kind)
            for fits in (
                types.is_string,
                types.is_large_string,
                types.is_integer,
                types.is_floating,
                types.is_decimal,
                types.is_null,
            )
        ):
            raise findings.error(f"the column {name[:80]!r} is of type {kind}; it must be text or number.")
    return columns


def _index_columns(schema: Schema) -> set[str]:
    """Return the columns that pandas took from an index, but for those of the layouts."""
    try:
        told = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError, RecursionError):
        return set()  # the metadata of other programs may be anything
    listed = told if isinstance(told, list) else []
    return {name for name in listed if isinstance(name, str) and not is_known(name)}


def _rows(file: ParquetFile, names: list[str]) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Yield rows, counted from 1."""
    place = 0
    for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
        for cells in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
            place += 1
            yield place, cells
