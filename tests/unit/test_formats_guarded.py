"""Reading in a process of its own: the same answers, and an error whatever becomes of the process."""

# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types.

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grouping import guarded_process
from grouping.errors import OverloadedError, TableFormatError
from grouping.formats import TableFormat, read_table, read_table_guarded, write_table
from tests.patience import wait_for
from tests.tables import random_table

WIDE = b"network,size,cost,cost:x,a,b\na,1,1,2,nan,\nb,1,1,3,,0.5\nb,1,1,3,,0.50\n"


@pytest.mark.parametrize("chosen", TableFormat)
def test_the_answer_is_that_of_reading_here(chosen: TableFormat) -> None:
    data = write_table(random_table(0, 3, 2), chosen)
    assert read_table_guarded(data) == read_table(data)


def test_reports_costs_test_losses_and_direction_come_along() -> None:
    here = read_table(WIDE, test=WIDE, values="gains", format=TableFormat.WIDE_CSV)
    there = read_table_guarded(WIDE, test=WIDE, values="gains", format=TableFormat.WIDE_CSV)
    assert there == here
    assert there.report.duplicates
    assert list(there.table.other_costs["x"]) == [2, 3]
    names = ["x", "y"]
    assert read_table_guarded(b"1\t2\n", task_names=names).table.task_names == ("x", "y")


@pytest.mark.parametrize(
    "data",
    [b"hello", b"network,size,cost,a\nx,1,1,y\n", b"[" * 100_000, b"PAR1PAR1", b"\xff\xfe", b"\x1f\x8b\x08"],
)
def test_errors_are_those_of_reading_here(data: bytes) -> None:
    with pytest.raises(TableFormatError) as here:
        read_table(data)
    with pytest.raises(TableFormatError) as there:
        read_table_guarded(data)
    assert str(there.value) == str(here.value)
    assert there.value.line == here.value.line


def bomb() -> bytes:
    """A small Parquet file whose one name, of a megabyte, stands in each of 20,000 rows."""
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), ["x" * 2**20])
    sink = io.BytesIO()
    columns = {"network": names, "task": names, "validation_loss": np.zeros(20_000)}
    pq.write_table(pa.table(columns), sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def test_a_parquet_bomb_ends_in_an_error() -> None:
    data = bomb()
    assert len(data) < 20_000
    with pytest.raises(TableFormatError, match="too much memory"):
        read_table_guarded(data, memory_limit_bytes=2**30)


def test_a_file_that_takes_too_long_ends_in_an_error() -> None:
    data = b"network,task,validation_loss\n" + b"a,a,1\n" * 1_000_000

    def had_its_time() -> bool:
        with pytest.raises((TableFormatError, OverloadedError)) as ended:
            read_table_guarded(data, time_limit_s=0.5)
        return "takes too long" in str(ended.value)

    wait_for(had_its_time, "half a second for the reader alone")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os; os.abort()", "too much memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "too much memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "takes too long"),
        ("raise RuntimeError('a defect')", "stands in the log"),
        ("import sys; sys.stdin.buffer.read(); sys.exit(3)", "stands in the log"),
    ],
)
def test_whatever_becomes_of_the_process_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str, says: str
) -> None:
    monkeypatch.setattr(guarded_process, "command_of", lambda module: (sys.executable, "-c", code))
    with caplog.at_level(logging.ERROR), pytest.raises(TableFormatError, match=says):
        read_table_guarded(b"x" * 2**20)
    assert ("a defect" in caplog.text) == ("a defect" in code)


def test_the_process_knows_no_settings_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUPING_API_TOKEN", "secret")
    code = "import os, json; print(json.dumps({'error': ' '.join(os.environ), 'line': None}))"
    monkeypatch.setattr(guarded_process, "command_of", lambda module: (sys.executable, "-c", code))
    with pytest.raises(TableFormatError) as raised:
        read_table_guarded(b"x")
    assert "ARROW_DEFAULT_MEMORY_POOL" in str(raised.value)
    assert "TOKEN" not in str(raised.value)


def test_the_process_is_limited_and_ends_by_itself_when_its_parent_is_gone() -> None:
    code = (
        "import json, resource as r, sys, grouping.formats.reader_process as p\n"
        "limits = (r.RLIMIT_AS, r.RLIMIT_CPU)\n"
        "p._answer = lambda data: json.dumps([r.getrlimit(limit) for limit in limits]).encode()\n"
        "p.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(2**30), "7"], input=b"", capture_output=True, check=True
    )
    assert json.loads(done.stdout) == [[2**30, 2**30], [7, 7]]


def test_the_process_imports_nothing_heavy() -> None:
    code = (
        "import sys, grouping.formats.reader_process\n"
        "print(*{'torch', 'ray', 'pandas', 'sqlalchemy', 'pulp', 'pyarrow', 'fastapi'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == b""


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_parquet_file_is_a_table_or_a_clear_error(seed: int) -> None:
    """In the other process, since such a file may crash the reader."""
    rng = np.random.default_rng(seed)
    data = bytearray(write_table(random_table(seed), TableFormat.PARQUET))
    for position in rng.integers(4, len(data) - 8, 1 + seed):
        data[position] = rng.integers(256)
    try:
        imported = read_table_guarded(bytes(data), memory_limit_bytes=2**30)
    except TableFormatError:
        return
    assert imported.report.n_networks > 0
