"""Parquet: files of other programs, and files that are broken or too large."""

# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types.

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.errors import TableFormatError
from grouping.formats import TableFormat, from_frame, read_table, to_frame, write_table
from grouping.formats.parquet_file import METADATA_KEY
from tests.tables import random_table


def as_parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


LONG = pd.DataFrame(
    {"network": ["a", "a+b", "a+b"], "task": ["a", "a", "b"], "validation_loss": [1.0, 2.0, 3.0]}
)


def test_a_file_of_another_program_is_read() -> None:
    imported = read_table(as_parquet(LONG))
    assert imported.table.networks == (Network.of("a"), Network.of("a", "b"))
    assert imported.table.validation[1].tolist() == [2, 3]
    assert imported.report.format == "parquet"


def test_a_wide_file_is_read() -> None:
    frame = pd.DataFrame({"network": ["x"], "size": [1.0], "cost": [1.0], "a": [0.5], "b": [None]})
    assert read_table(as_parquet(frame)).table.networks == (Network.of("a"),)


def test_what_is_none_of_the_layout_is_left_unread_and_reported() -> None:
    frame = LONG.assign(when=pd.Timestamp("2020-01-01"), note="x")
    imported = read_table(as_parquet(frame))
    assert imported.report.warnings == ("Columns that were not read: 'when', 'note'.",)


def test_pandas_reads_what_is_written() -> None:
    table = random_table(0, 3, 2)
    frame = pd.read_parquet(io.BytesIO(write_table(table, TableFormat.PARQUET)))
    frame.attrs = to_frame(table).attrs
    assert from_frame(frame).table == table


def with_metadata(tasks: object) -> bytes:
    table = pa.Table.from_pandas(LONG, preserve_index=False)
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(tasks).encode()}), sink)
    return sink.getvalue()


def test_tasks_of_the_metadata_come_first() -> None:
    table = read_table(with_metadata([{"name": "b", "weight": 3}])).table
    assert table.tasks == (Task("b", weight=3), Task("a"))


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([{"name": "a"}, {"name": "a"}], "names a task twice"),
        ([{"name": f"t{i}"} for i in range(1_001)], "1,002 tasks; at most 1,000"),
        ({}, "must be an array"),
        ([[[]]], "must be an object"),
    ],
)
def test_broken_metadata_are_refused(tasks: object, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        read_table(with_metadata(tasks))


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (LONG.assign(validation_loss=[True, False, True]), "is of type bool; it must be text or number"),
        (LONG.assign(task=LONG["task"].map(lambda name: [name])), "is of type list"),
        (LONG.assign(network=[1, 2, 3]), "Row 1: task 'a' is not in the network '1'"),
        (LONG.drop(columns="task"), "needs the columns network, size, cost"),
        (LONG.iloc[:0], "no networks"),
        (LONG.assign(seed=[0.5, 1, 2]), "Row 1: .*whole number"),
        (pd.DataFrame({f"c{i}": [1] for i in range(1_100)}), "1,100 columns; at most 1,023"),
    ],
)
def test_other_content_is_refused(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        read_table(as_parquet(frame))


def test_null_is_not_measured_and_nan_is_not_finite() -> None:
    columns = {"network": ["a", "b"], "task": ["a", "b"], "validation_loss": [None, float("nan")]}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    report = read_table(sink.getvalue()).report
    assert report.n_incomplete_networks == 2
    assert report.non_finite_cells == ("row 2, network b, task b, seed 0",)


def test_a_file_that_declares_too_much_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"validation_loss": np.zeros(2_000_001)}), sink)
    assert len(sink.getvalue()) < 300_000
    with pytest.raises(TableFormatError, match="2,000,001 rows; at most 2,000,000"):
        read_table(sink.getvalue())
    sink = io.BytesIO()
    pq.write_table(pa.table({"network": ["x" * 2**24, "y"]}), sink, compression="zstd", use_dictionary=False)
    assert len(sink.getvalue()) < 300_000
    monkeypatch.setattr("grouping.formats.parquet_file.MAX_UNPACKED_BYTES", 2**24)
    with pytest.raises(TableFormatError, match="bytes when unpacked; at most 16,777,216"):
        read_table(sink.getvalue())


@pytest.mark.parametrize("cut", [4, 8, 100, -100, -8, -1])
def test_a_file_that_is_cut_off_is_refused(cut: int) -> None:
    data = write_table(random_table(0), TableFormat.PARQUET)
    with pytest.raises(TableFormatError, match="no sound Parquet file"):
        read_table(data[:cut])
