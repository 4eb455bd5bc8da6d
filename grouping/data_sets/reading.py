"""Reading of tables: CSV, TSV, Parquet, Arrow (Feather) and NPZ. Nothing is unpickled."""

# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types, and re-exports what is defined in its C extension.

from __future__ import annotations

import codecs
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from grouping.data_sets.columns import ColumnKind, describe, is_number, named_twice, normalised
from grouping.data_sets.definitions import MAX_COLUMN_NAME, MAX_COLUMNS
from grouping.data_sets.packed import frame_of
from grouping.errors import DataSetError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".tsv", ".parquet", ".arrow", ".feather", ".npz")
MAX_ROWS = 20_000_000
MISSING_MARKS = ("-", "--", "?", ".", "none", "None", "unknown")
"""Texts that stand for a missing number, beside those that pandas knows; among texts they are texts."""
_DELIMITERS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
_SNIFFED_LINES = 50


def is_table_file(name: str) -> bool:
    """Tell whether a name is that of a file of a table, by its suffix."""
    return PurePath(name).suffix.lower() in SUFFIXES


def read_frame(data: bytes, file_name: str) -> pd.DataFrame:
    """Read a table, with its columns in the types that are stored.

    Args:
        data: content of the file.
        file_name: its name; the suffix says the format.

    Raises:
        DataSetError: if it is no table, or holds what cannot be stored.
    """
    suffix = PurePath(file_name).suffix.lower()
    if suffix in (".csv", ".tsv"):
        frame = _read_text(data, "\t" if suffix == ".tsv" else None)
    elif suffix in (".parquet", ".arrow", ".feather"):
        frame = _read_arrow(data, suffix)
    elif suffix == ".npz":
        frame = _read_npz(data)
    else:
        raise DataSetError(f"{file_name!r} is no file of a table: its name ends in {', '.join(SUFFIXES)}.")
    return _checked(frame)


def one_below_another(frames: Mapping[str, pd.DataFrame], column: str) -> pd.DataFrame:
    """Put tables one below another; a column that a table does not have is missing in its rows.

    Args:
        frames: tables as `read_frame` gives them, by name.
        column: name of a further column, which says the name of the table.

    Raises:
        DataSetError: if a table has that column, or one holds numbers and another texts in the same column.
    """
    import pandas as pd

    kinds: dict[str, tuple[str, ColumnKind]] = {}
    for name, frame in frames.items():
        for found in describe(frame):
            if found.name == column:
                raise DataSetError(
                    f"The table {name!r} has a column {column!r} already: choose another name."
                )
            if found.kind is ColumnKind.EMPTY:
                continue
            kind = ColumnKind.CATEGORY if found.kind is ColumnKind.TEXT else found.kind
            first, other = kinds.setdefault(found.name, (name, kind))
            if other is not kind:
                raise DataSetError(
                    f"The column {found.name!r} is {other} in {first!r} and {kind} in {name!r}: name it "
                    "otherwise in one of them."
                )
    # What is empty in a table has no type of its own there.
    filled = [
        frame.dropna(axis="columns", how="all").assign(**{column: name}) for name, frame in frames.items()
    ]
    whole = pd.concat(filled, ignore_index=True)
    return _checked(whole[[column, *(name for name in whole.columns if name != column)]])


def _read_text(data: bytes, delimiter: str | None) -> pd.DataFrame:
    import pandas as pd

    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataSetError("The file is no text in UTF-8: save it as CSV in UTF-8.") from error
    head = text.splitlines()[:_SNIFFED_LINES] if len(text) < 2**16 else text[: 2**16].splitlines()[:-1]
    chosen = delimiter or _delimiter_of(head[:_SNIFFED_LINES])
    decimal = "," if chosen != "," and _has_decimal_comma(head[1:], chosen) else "."

    def read(marks: Mapping[str, tuple[str, ...]] | None = None) -> pd.DataFrame:
        stream = io.StringIO(text)
        return pd.read_csv(stream, sep=chosen, decimal=decimal, skipinitialspace=True, na_values=marks)

    try:
        frame = read()
        marks = {name: MISSING_MARKS for name in frame.columns if _has_marks_alone(frame[name], decimal)}
        return read(marks) if marks else frame
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise DataSetError(f"The file is no table with a line of headings: {error}") from error


def _has_marks_alone(column: pd.Series[Any], decimal: str) -> bool:
    """Tell whether a column would hold numbers but for marks of missing values."""
    if is_number(column):
        return False
    texts = column.dropna().astype("str").str.strip()
    others = texts[~texts.isin(MISSING_MARKS)]
    if not 0 < len(others) < len(texts):
        return False
    return bool(others.str.fullmatch(rf"[-+]?\d*{re.escape(decimal)}?\d+([eE][-+]?\d+)?").all())


def _delimiter_of(lines: list[str]) -> str:
    """Return the delimiter that stands equally often in most lines."""

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines if line]
        first = counts[0] if counts else 0
        return (sum(count == first for count in counts) if first else 0, first)

    return max(_DELIMITERS, key=agreement)


def _has_decimal_comma(lines: list[str], delimiter: str) -> bool:
    cells = [cell.strip().strip('"') for line in lines for cell in line.split(delimiter)]
    return any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)


def _read_arrow(data: bytes, suffix: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    source = pa.BufferReader(data)
    try:
        read = pa.parquet.read_table if suffix == ".parquet" else pa.feather.read_table
        table = read(source)
        _check_width(table.num_columns, table.num_rows)
        _check_names(table.column_names)
        return frame_of(table)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataSetError(f"The file is no sound {suffix[1:]} file: {reason}") from error


def _read_npz(data: bytes) -> pd.DataFrame:
    """Make a column of every array of one dimension, and one of each column of a wider one."""
    import pandas as pd

    columns = {}
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            for name in arrays.files:
                array = arrays[name]
                if not isinstance(array, np.ndarray) or array.ndim not in (1, 2):
                    raise DataSetError(f"{name!r} is no array of the shape [rows] or [rows, columns].")
                wide = array[:, None] if array.ndim == 1 else array
                _check_width(wide.shape[1], len(wide))
                for n in range(wide.shape[1]):
                    columns[name if array.ndim == 1 else f"{name} {n + 1}"] = wide[:, n]
    except (ValueError, zipfile.BadZipFile, OSError, KeyError) as error:
        raise DataSetError(f"The file is no sound NPZ file of plain arrays: {error}") from error
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataSetError(f"The arrays have different numbers of rows: {lengths}.")
    return pd.DataFrame(columns)


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    _check_width(frame.shape[1], len(frame))
    names = [str(name).strip() for name in frame.columns]
    _check_names(names)
    columns = {}
    for name, (_, series) in zip(names, frame.items(), strict=True):
        try:
            columns[name] = normalised(series.reset_index(drop=True))
        except (TypeError, ValueError, OverflowError) as error:
            raise DataSetError(
                f"The column {name!r} holds values that are no numbers, texts, times or truth values "
                f"({error}): convert it or leave it out of the file."
            ) from error
    return pd.DataFrame(columns)


def _check_width(n_columns: int, n_rows: int) -> None:
    for number, limit, what in ((n_columns, MAX_COLUMNS, "columns"), (n_rows, MAX_ROWS, "rows")):
        if number > limit:
            raise DataSetError(f"The table has {number:,} {what}; at most {limit:,} are read.")
    if not n_columns or not n_rows:
        raise DataSetError("The table has no rows.")


def _check_names(names: list[str]) -> None:
    if twice := named_twice(names):
        raise DataSetError(f"A column is named twice: {', '.join(map(repr, twice[:5]))}.")
    for name in names:
        if not name or len(name) > MAX_COLUMN_NAME or not name.isprintable():
            raise DataSetError(
                f"A column is named {name[:50]!r}: names are printable, of at most {MAX_COLUMN_NAME} "
                "characters."
            )
