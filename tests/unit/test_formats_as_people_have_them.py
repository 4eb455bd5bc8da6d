"""Files as spreadsheets, pandas and people write them: dialects, indexes, the order of columns, decimals."""

# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types.

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import TableFormatError
from grouping.formats import TableFormat, from_frame, read_table

PLAIN = "network,size,cost,cost:ms,a,b\na@0.5,0.5,0.5,3.5,0.25,\na+b,1.0,1.0,7,1e-3,0.125\n"
LONG = "network,size,cost,task,seed,validation_loss\na@0.5,0.5,0.5,a,0,0.25\na@0.5,0.5,0.5,a,1,-1.5e-3\n"
INDEX_NOTE = "Not read: a column without a heading, an index or blank."


def table_of(text: str) -> ScoreTable:
    return read_table(text.encode()).table


def quoted(text: str, delimiter: str) -> str:
    lines = [delimiter.join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()]
    return "\n".join([*lines, delimiter * 3, ""])


def semicolons(text: str, decimal: str = ".") -> str:
    return text.replace(",", ";").replace(".", decimal)


@pytest.mark.parametrize("text", [PLAIN, LONG])
@pytest.mark.parametrize("start", ["", "sep=;\n", "\ufeff\r\n", '"SEP=;"\r\n\r\n'])
@pytest.mark.parametrize("decimal", [".", ","])
def test_semicolons_and_decimal_commas_are_read_like_commas_and_points(
    text: str, start: str, decimal: str
) -> None:
    assert table_of(start + semicolons(text, decimal)) == table_of(text)


@pytest.mark.parametrize("delimiter", [",", "\t", "|"])
def test_a_line_above_the_headings_may_say_the_delimiter(delimiter: str) -> None:
    assert table_of(f"sep={delimiter}\n" + PLAIN.replace(",", delimiter)) == table_of(PLAIN)


def test_the_format_may_be_named_whatever_stands_between_the_cells() -> None:
    said = read_table(semicolons(PLAIN, ",").encode(), format=TableFormat.WIDE_CSV)
    assert said.table == table_of(PLAIN)
    assert said.report.sentences()[1] == "Cells stand between semicolons, and decimals after a comma."
    with pytest.raises(TableFormatError, match="needs the columns"):
        read_table(PLAIN.encode(), format=TableFormat.WIDE_TSV)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("network;size;cost;a\nx;0,5;1;1.5\n", r"line 2: .*point .* decimals of 1\.5.*comma|separators"),
        (
            "network;size;cost;a\nx;1;1;1.5\ny;2;2;1,234\n",
            "line 3: a comma .* the other sign in line 2",
        ),
        ("network;size;cost;a\nx;1;1;1.234,5\n", "'1.234,5', which .* without separators of thousands"),
        ("network;size;cost;a\nx;1;1;1\u202f234,5\n", "without separators of thousands"),
        ('network,size,cost,a\nx,1,1,"1,234.5"\n', "without separators of thousands"),
        ("network,size,cost,a\nx,1,1,1 234\n", "without separators of thousands"),
        ('network,size,cost,a\nx,1,1,"1,5"\n', "write a point, not a comma"),
        ("network,size,cost,a\nx,1,1,17 %\n", "without the percent sign"),
        ("network,size,cost,a\nx,1,1,--\n", "leave the cell blank"),
        ("network;cost;a\nx;1;1\n", "tabs; size cannot be found"),
        ("a,b\n0.1,0.2\n", "values alone with a file of groups"),
        ("sep=;\nnetwork;size;cost;a\nx;1;1;?\n", "line 3: column 'a' holds"),
        ("sep=;\n", "This is no score table"),
    ],
)
def test_decimals_that_could_be_read_in_two_ways_are_refused(text: str, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        read_table(text.encode())


@pytest.mark.parametrize("text", [PLAIN, LONG])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_may_be_quoted_and_rows_of_blank_cells_are_not_read(text: str, delimiter: str) -> None:
    assert table_of(quoted(text, delimiter)) == table_of(text)


@pytest.mark.parametrize("text", [PLAIN, LONG])
def test_tabs_with_decimal_commas_in_utf_16_are_read_as_spreadsheets_write_them(text: str) -> None:
    written = text.replace(",", "\t").replace(".", ",").encode("utf-16")
    imported = read_table(written)
    assert imported.table == table_of(text)
    assert imported.report.notes == ("Cells stand between tabs, and decimals after a comma.",)


def test_text_in_utf_16_that_breaks_off_is_refused() -> None:
    with pytest.raises(TableFormatError, match="not UTF-16 text"):
        read_table(PLAIN.encode("utf-16")[:-1])


@pytest.mark.parametrize("text", [PLAIN, LONG])
def test_headings_may_have_capitals_and_cells_blanks_around_them(text: str) -> None:
    headings, rows = text.split("\n", 1)
    titled = [name if len(name) == 1 else name.title() for name in headings.split(",")]
    written = ", ".join(titled) + "\n" + rows.replace(",", ", ")
    assert table_of(written.replace("Cost:Ms", "cost:ms")) == table_of(text)


def test_an_index_with_a_heading_is_doubted() -> None:
    text = "run,network,size,cost,a\n0,x,1,1,0.21\n1,y,0.7,1,0.22\n2,z,0.5,1,0.23\n"
    doubt = "The values of run are 0, 1, 2 and so on: if it is an index and no task, leave the column out."
    assert doubt in read_table(text.encode()).report.findings()
    assert doubt not in read_table(text.replace("1,y", "7,y").encode()).report.findings()


def test_columns_stand_in_any_order() -> None:
    mixed = "b,cost,a,cost:ms,size,network\n,0.5,0.25,3.5,0.5,a@0.5\n0.125,1.0,1e-3,7,1.0,a+b\n"
    assert read_table(mixed.encode()).report.tasks == ("b", "a")
    ordered = "a,cost,b,cost:ms,size,network\n0.25,0.5,,3.5,0.5,a@0.5\n1e-3,1.0,0.125,7,1.0,a+b\n"
    assert table_of(ordered) == table_of(PLAIN)


def test_a_task_may_be_called_like_a_column_that_came_before() -> None:
    table = table_of("network,size,cost,size,cost\nx,1,1,0.5,0.25\n")
    assert (table.task_names, table.validation.tolist()) == (("size", "cost"), [[0.5, 0.25]])


@pytest.mark.parametrize("text", [PLAIN, LONG])
@pytest.mark.parametrize("again", [False, True])
def test_the_index_that_pandas_writes_is_not_read(text: str, again: bool) -> None:
    frame = pd.read_csv(io.StringIO(text)).iloc[::-1]
    written = frame.to_csv()
    if again:
        written = pd.read_csv(io.StringIO(written)).to_csv()
    imported = read_table(written.encode())
    assert imported.table == from_frame(frame).table
    assert imported.report.notes == (INDEX_NOTE.replace("a column", "2 columns") if again else INDEX_NOTE,)
    assert not any("were not read" in warning for warning in imported.report.warnings)


def test_blank_columns_at_the_end_are_not_read_and_numbers_without_a_heading_are_refused() -> None:
    assert table_of("network,size,cost,a,\nx,1,1,0.5,\n").task_names == ("a",)
    with pytest.raises(TableFormatError, match=r"line 2: column 5 holds '0\.75' and has no heading"):
        table_of("network,size,cost,a,\nx,1,1,0.5,0.75\n")


@pytest.mark.parametrize("name", [None, "network", "run"])
def test_an_index_may_hold_the_networks(name: str | None) -> None:
    frame = pd.read_csv(io.StringIO(PLAIN)).set_index("network").rename_axis(name)
    file = io.BytesIO()
    frame.to_parquet(file)
    assert read_table(file.getvalue()).table == from_frame(frame).table == table_of(PLAIN)
    if name != "run":  # in a CSV file nothing tells an index from a column
        assert table_of(frame.to_csv()) == table_of(PLAIN)


def test_an_index_of_categories_may_hold_the_networks() -> None:
    frame = pd.read_csv(io.StringIO(PLAIN)).set_index("network").rename_axis(None)
    frame.index = frame.index.astype("category")
    assert from_frame(frame).table == table_of(PLAIN)


def test_a_path_may_be_text(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(PLAIN)
    assert read_table(str(tmp_path / "table.csv")).table == table_of(PLAIN)
    with pytest.raises(TableFormatError, match="Cannot read"):
        read_table("network,size,cost,a\0")


def test_the_levels_of_an_index_are_columns_and_other_levels_are_not_read() -> None:
    long = pd.read_csv(io.StringIO(LONG)).assign(day=[3, 4])
    frame = long.set_index(["network", "day", "task", "seed"])
    assert from_frame(frame).table == table_of(LONG)


@pytest.mark.parametrize("index", [None, "run"])
def test_parquet_with_an_index_of_numbers_and_decimal_columns_is_read(index: str | None) -> None:
    frame = pd.read_csv(io.StringIO(PLAIN)).rename_axis(index).iloc[::-1]
    cells = [Decimal("0.001"), Decimal("0.250")]
    held = pa.Table.from_pandas(frame, preserve_index=True)
    held = held.set_column(held.schema.get_field_index("a"), "a", pa.array(cells, pa.decimal128(12, 3)))
    file = io.BytesIO()
    pq.write_table(held, file)
    imported = read_table(file.getvalue())
    assert imported.table == from_frame(frame).table
    assert imported.report.notes == (INDEX_NOTE,)
