"""Files that were made to do harm, or are of no known kind: a clear error, and soon."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path

import pytest

from grouping.errors import InvalidInputError, TableFormatError
from grouping.formats import TableFormat, Values, read_table
from grouping.formats.limits import MAX_BYTES

WIDE = "network,size,cost,{},b\nx,1,1,0.5,\n"
LONG = "network,task,validation_loss\n{0},{0},0.5\n"


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            zipfile.ZipInfo("table.csv"), data
        )  # of no particular time: tests are named after it
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "begins with an empty line"),
        (b"\n\n\n", "begins with an empty line"),
        (b"hello", "begins with 'hello'"),
        (b"<html>", "begins with '<html>'"),
        (b"network|size|cost|a\na|1|1|0,5\n", "separated by commas, semicolons or tabs"),
        (b"x" * 10_000_000, "10,000,000 characters; at most 110,000"),
        (b"network,size,cost" + b",a" * 1_000_000, "characters; at most 110,000"),
        (b"network,size,cost,a\nx,1,1," + b"1" * 10_000_000, "line 2: .*characters"),
        (b"network,size,cost,a\n" + b"x" + b"," * 90_000, "line 2: the line has 90001 cells, the header 4"),
        (b"network,size,cost,a" + b"\n" * 2_000_001, "more than 2,000,000 lines"),
        (b"network,size,cost,a\r" + b"\r\n" * 3_000_000, "more than 2,000,000 lines"),
        (b"0\t" * 1_000_000, "characters; at most"),
        (b"network,size,cost,a\nx,1,1,\0\n", "NUL"),
        (b"network,size,cost,caf\xe9\nx,1,1,1\n", "line 1: .*not UTF-8"),
        ("network,size,cost,café\n".encode() + b"caf\xe9,1,1,1\n", r"line 2: .*not UTF-8 text \(byte 27\)"),
        ("network,size,cost,a\n".encode("utf-16-le"), "NUL bytes"),
        ("network,size,cost,a\n".encode("utf-32-be"), "not a text file|UTF-8"),
        (b'network,size,cost,"a\nx,1,1,1\n', "line 1: .*not a well-formed line"),
        (b'network,size,cost,a\n"x,1,1,1\ny,1,1,1\n', "line 2: .*not a well-formed line"),
        (b'network,size,cost,a\n"x"y,1,1,1\n', "line 2: .*not a well-formed line"),
        (gzip.compress(b"network,size,cost,a\n" * 1_000_000, mtime=0), "compressed with gzip"),
        (bz2.compress(b"a"), "compressed with bzip2"),
        (lzma.compress(b"a"), "compressed with xz"),
        (zipped(b"a"), "ZIP archive or a spreadsheet"),
        (b"PAR1" + b"\0" * 1000, "no sound Parquet file"),
        (b"PAR1PAR1", "no sound Parquet file"),
        (b" " * (MAX_BYTES + 1), "larger than 128 MiB"),
        (b"[" * (MAX_BYTES - 1), "nested too deeply"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_hostile_file_ends_in_a_clear_error(data: bytes, says: str) -> None:
    with pytest.raises(TableFormatError, match=says) as raised:
        read_table(data)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("layout", [WIDE, LONG])
@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "<script>alert(1)</script>", "=1", "{{7*7}}", "%s", "'"]
)
def test_a_name_is_text_whatever_it_looks_like(layout: str, name: str) -> None:
    assert read_table(layout.format(name).encode()).table.task_names[0] == name


@pytest.mark.parametrize("layout", [WIDE, LONG])
@pytest.mark.parametrize(
    "name", ["a\u202eb", "a\u200bb", "a\u2028b", "a\x1bb", "x" * 10_240, "\ufeffa", "a@b@c"]
)
def test_a_name_that_deceives_is_refused(layout: str, name: str) -> None:
    with pytest.raises(TableFormatError) as raised:
        read_table(layout.format(name).encode())
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


def test_the_line_of_an_error_is_an_attribute() -> None:
    with pytest.raises(TableFormatError) as raised:
        read_table(b"network,size,cost,a\n\nx,1,1,y\n")
    assert raised.value.line == 3


def test_a_file_is_named_in_its_errors_and_bytes_are_not(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"network,size,cost,a\n")
    with pytest.raises(TableFormatError, match=r"^mine\.csv: the table has a header but no networks\.$"):
        read_table(path)
    with pytest.raises(TableFormatError, match=r"^The table has a header but no networks\.$"):
        read_table(path.read_bytes())


def test_a_file_that_has_no_size_is_not_read_for_ever() -> None:
    with pytest.raises(TableFormatError, match="larger than 128 MiB"):
        read_table(Path("/dev/zero"))


def test_a_pipe_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"network,size,cost,a\nx,1,1,1\n")
    os.close(writing)
    try:
        assert read_table(Path(f"/dev/fd/{reading}")).table.task_names == ("a",)
    finally:
        os.close(reading)


def test_blank_lines_and_a_byte_order_mark_do_no_harm() -> None:
    text = "\ufeffnetwork,size,cost,a\r\n\r\nx,1,1,1\r\n\r\n"
    assert read_table(text.encode()).table.task_names == ("a",)
    assert read_table(b"\n\nnetwork,size,cost,a\rx,1,1,1\r").table.task_names == ("a",)


def test_a_direction_must_be_one_of_the_two() -> None:
    wrong: Values = "losses?"  # type: ignore[assignment]
    with pytest.raises(InvalidInputError, match="losses or gains; got 'losses\\?'"):
        read_table(b"network,size,cost,a\nx,1,1,1\n", values=wrong)


@pytest.mark.parametrize("chosen", TableFormat)
def test_a_format_that_is_named_but_wrong_is_refused(chosen: TableFormat) -> None:
    with pytest.raises(TableFormatError):
        read_table(b"hello,world\n", format=chosen)
