# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types, and re-exports what is defined in its C extension.

from __future__ import annotations

import io
import pickle
import zipfile
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grouping.data_sets.columns import ColumnKind, TargetKind, describe
from grouping.data_sets.guarded import read_packed_guarded
from grouping.data_sets.packed import pack, unpack
from grouping.data_sets.reading import read_frame
from grouping.errors import DataSetError
from tests.frames import shop


def as_bytes(frame: pd.DataFrame, suffix: str) -> bytes:
    if suffix == ".parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
        return bytes(sink.getvalue())
    if suffix in (".arrow", ".feather"):
        stream = io.BytesIO()
        frame.to_feather(stream)
        return stream.getvalue()
    return frame.to_csv(index=False, sep="\t" if suffix == ".tsv" else ",").encode()


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".arrow", ".feather"])
def test_every_format_gives_the_same_table(suffix: str) -> None:
    frame = read_frame(as_bytes(shop(), suffix), f"shop{suffix}")
    assert pack(frame) == pack(read_frame(as_bytes(shop(), ".csv"), "shop.csv"))
    assert pack(unpack(pack(frame))) == pack(frame)


def test_columns_are_described_by_kind_missing_values_and_what_they_could_be() -> None:
    columns = {column.name: column for column in describe(read_frame(as_bytes(shop(), ".csv"), "shop.csv"))}
    kinds = {name: column.kind for name, column in columns.items()}
    assert kinds == {
        "user": ColumnKind.CATEGORY,
        "day": ColumnKind.DATE,
        "age": ColumnKind.NUMBER,
        "city": ColumnKind.CATEGORY,
        "member": ColumnKind.BOOLEAN,
        "price": ColumnKind.NUMBER,
        "clicked": ColumnKind.CATEGORY,
    }
    assert (columns["price"].n_missing, columns["clicked"].n_missing) == (20, 20)
    assert columns["city"].n_distinct == 3
    assert [columns[name].as_target for name in ("price", "clicked", "city", "member", "day")] == [
        TargetKind.REGRESSION,
        TargetKind.BINARY,
        TargetKind.MULTICLASS,
        TargetKind.BINARY,
        None,
    ]
    assert columns["day"].examples[0] == "2024-01-01"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a;b\n1,5;x\n2,25;y\n", [1.5, 2.25]),
        ("a;b\n1.5;x\n2.25;y\n", [1.5, 2.25]),
        ("a|b\n1.5|x\n2.25|y\n", [1.5, 2.25]),
        ("a\tb\n1,5\tx\n2,25\ty\n", [1.5, 2.25]),
        ("\ufeffa,b\r\n1.5,x\r\n2.25,y\r\n", [1.5, 2.25]),
        ('a,b\n1.5,"x, y"\n2.25,"y; z"\n', [1.5, 2.25]),
    ],
)
def test_delimiter_and_decimal_mark_are_found(text: str, values: list[float]) -> None:
    frame = read_frame(text.encode(), "table.csv")
    assert list(frame.columns) == ["a", "b"]
    assert frame["a"].tolist() == values


def test_unicode_text_of_spreadsheets_is_read() -> None:
    frame = read_frame("a\tb\n1,5\tx\n2,25\ty\n".encode("utf-16"), "table.csv")
    assert (frame["a"].tolist(), list(frame["b"])) == ([1.5, 2.25], ["x", "y"])


def test_arrays_become_columns() -> None:
    stream = io.BytesIO()
    np.savez(stream, y=np.array([0, 1, 0]), x=np.arange(6.0).reshape(3, 2))
    frame = read_frame(stream.getvalue(), "arrays.npz")
    assert list(frame.columns) == ["y", "x 1", "x 2"]
    assert frame["x 2"].tolist() == [1, 3, 5]


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("something was unpickled",))


def pickled() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=True, x=np.array([Attack(), None], dtype=object))
    return stream.getvalue()


def zipped_pickle() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.npy", pickle.dumps(1))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "table.csv", "no table with a line of headings"),
        (b"a,b\n", "table.csv", "no rows"),
        (b"a,a\n1,2\n", "table.parquet", "no sound parquet file"),
        (b"\xff\xfe\x00", "table.csv", "no text in UTF-8"),
        (b"a\n1\n", "table.xlsx", r"ends in \.csv, \.tsv, \.parquet"),
        (b"a\n1\n", "table.npz", "no sound NPZ"),
        (pickled(), "table.npz", "no sound NPZ"),
        (zipped_pickle(), "table.npz", "is no array"),
        (",".join(f"c{n}" for n in range(2_001)).encode() + b"\n" + b"1," * 2_000 + b"1\n", "t.csv", "2,001"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, name: str, says: str) -> None:
    with pytest.raises(DataSetError, match=says):
        read_frame(content, name)
    with pytest.raises(DataSetError, match=says):
        read_packed_guarded(content, name)


def test_lists_in_a_column_are_refused_by_its_name() -> None:
    data = as_bytes(pd.DataFrame({"a": [[1], [2, 3]], "b": [1, 2]}), ".parquet")
    with pytest.raises(DataSetError, match="'a' holds values that are no numbers"):
        read_frame(data, "t.parquet")


def test_types_of_other_programs_become_those_that_are_stored() -> None:
    table = pa.table(
        {
            "category": pa.array(["x", "y", "x"]).dictionary_encode(),
            "decimal": pa.array([Decimal("1.25"), None, Decimal("2")]),
            "zoned": pa.array([0, 1, None], pa.timestamp("ms", "Europe/Berlin")),
            "small": pa.array([1, 2, 3], pa.uint8()),
            "truth": pa.array([True, None, False]),
            "infinite": pa.array([1.0, float("inf"), 2.0]),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    frame = read_frame(bytes(sink.getvalue()), "t.parquet")
    kinds = {column.name: (column.kind.value, column.n_missing) for column in describe(frame)}
    assert kinds == {
        "category": ("category", 0),
        "decimal": ("number", 1),
        "zoned": ("date", 1),
        "small": ("number", 0),
        "truth": ("boolean", 1),
        "infinite": ("number", 1),
    }


def test_the_guarded_reader_gives_the_same_table_within_its_memory() -> None:
    data = as_bytes(shop(), ".csv")
    assert read_packed_guarded(data, "shop.csv") == pack(read_frame(data, "shop.csv"))
    with pytest.raises(DataSetError, match="too much memory"):
        read_packed_guarded(b"a,b\n" + b"1,2\n" * 6_000_000, "t.csv", memory_limit_bytes=600 * 2**20)


@pytest.mark.parametrize(
    ("cells", "kind", "n_missing"),
    [
        (["1.5", "-", "2", "?", "-3e2"], ColumnKind.NUMBER, 2),
        (["1,5", "--", "2", "unknown", "-3"], ColumnKind.NUMBER, 2),
        (["+", "-", "+", "-", "+"], ColumnKind.CATEGORY, 0),
        (["1", "-", "low", "1", "low", "-"], ColumnKind.CATEGORY, 0),
    ],
)
def test_marks_of_missing_numbers_are_missing_values(
    cells: list[str], kind: ColumnKind, n_missing: int
) -> None:
    table = "a;b\n" + "".join(f"{cell};1,5\n" if "1,5" in cells else f"{cell};1\n" for cell in cells)
    (column, _) = describe(read_frame(table.encode(), "t.csv"))
    assert (column.kind, column.n_missing) == (kind, n_missing)
