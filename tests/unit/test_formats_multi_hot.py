"""A multi-hot file beside a file of values: the groups of the one, the numbers of the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.domain.tables.formats import TableFormat
from grouping.errors import TableFormatError
from grouping.formats import read_table, write_table
from grouping.formats.guarded import read_table_guarded

VALUES = b"depth,edges,normals\n0.1,0,-1\n0.2,0.3,0\n0,0.35,0.4\n"
GROUPS = b"depth,edges,normals\n1,0,0\n1,1,0\n0,1,1\n"
QUOTED = b'"depth";"edges";"normals"\n"1";"0";"0"\n"1";"1";"0"\n"0";"1";"1"\n'
WIDE = b"network,size,cost,depth,edges,normals\n,1,1,0.1,,\n,1,1,0.2,0.3,\n,1,1,,0.35,0.4\n"


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        (VALUES, GROUPS),
        (VALUES, GROUPS.partition(b"\n")[2]),
        (VALUES, b"normals,depth,edges\n0,1,0\n0,1,1\n1,0,1\n"),
        (VALUES, GROUPS.replace(b"1", b"1.0").replace(b"0,", b"0.0,").replace(b"1.0.0", b"1.0")),
        (VALUES, GROUPS.replace(b"1", b"True").replace(b"0", b"False")),
        (VALUES, GROUPS.replace(b",", b"\t")),
        (VALUES.replace(b",", b";").replace(b".", b","), GROUPS.replace(b",", b";")),
        (b",depth,edges,normals\n0,0.1,0,-1\n1,0.2,0.3,0\n2,0,0.35,0.4\n", GROUPS),
        (VALUES, b",depth,edges,normals\n0,1,0,0\n1,1,1,0\n2,0,1,1\n"),
        (VALUES.replace(b"\n", b"\r\n"), GROUPS + b"\n\n"),
        (VALUES + b",,\n", QUOTED),
        (VALUES.decode().replace(",", "\t").encode("utf-16"), GROUPS),
    ],
    ids=[
        "as-is",
        "no-headings",
        "order",
        "floats",
        "truth",
        "tabs",
        "semicolons",
        "index",
        "index-2",
        "ends",
        "quotes",
        "utf-16",
    ],
)
def test_the_two_files_are_read_as_the_wide_table_of_both(values: bytes, groups: bytes) -> None:
    expected = read_table(WIDE).table
    read = read_table(values, groups=groups)
    assert read.table == expected
    assert "groups are those of the multi-hot file" in " ".join(read.report.sentences())
    assert "Every network has the size and the cost 1." in read.report.notes
    assert read_table_guarded(values, groups=groups).table == expected


def test_sizes_costs_gains_and_test_values_are_read_as_in_a_wide_table() -> None:
    values = b"cost,Size,edges,depth,cost:ms\n1,1,0,0.1,5\n2,0.5,0.3,0.2,7\n"
    test = values.replace(b"0.3", b"0.25")
    read = read_table(values, groups=b"depth,edges\n1,0\n1,1\n", values="gains", test=test)
    wide = b"network,size,cost,cost:ms,edges,depth\n,1,1,5,,0.1\n,0.5,2,7,0.3,0.2\n"
    assert read.table == read_table(wide, values="gains", test=wide.replace(b"0.3", b"0.25")).table
    assert not any("Every network" in note for note in read.report.notes)


def test_a_task_of_the_group_without_a_value_makes_the_network_incomplete() -> None:
    read = read_table(VALUES.replace(b"0.3,0\n", b",0\n"), groups=GROUPS)
    assert read.report.incomplete_networks == ("depth+edges",)


@pytest.mark.parametrize(
    ("values", "groups", "says", "line"),
    [
        (VALUES, GROUPS + b"1,1,1\n", "more rows than the other", 5),
        (VALUES + b"1,1,1\n", GROUPS, "more rows than the other", 5),
        (VALUES, GROUPS.replace(b"0,1,1", b"0,2,1"), "'2' is neither 1", 4),
        (VALUES, GROUPS.replace(b"normals", b"keypoints"), "name the same tasks", None),
        (VALUES, GROUPS.replace(b"0,1,1", b"0,1"), "2 cells, and 3 are needed", 4),
        (VALUES.replace(b"0,0.35,0.4", b"0.35,0.4"), GROUPS, "2 cells, and 3 are needed", 4),
        (VALUES, b"", "empty", None),
        (b"", GROUPS, "empty", None),
        (b"0.1,0,-1\n0.2,0.3,0\n", b"1,0,0\n1,1,0\n", "name the tasks", 1),
    ],
)
def test_what_does_not_belong_together_is_refused_with_its_place(
    values: bytes, groups: bytes, says: str, line: int | None
) -> None:
    for read in (read_table, read_table_guarded):
        with pytest.raises(TableFormatError) as caught:
            read(values, groups=groups)
        assert says in str(caught.value)
        if line is not None:
            assert caught.value.line == line


def test_the_file_at_fault_is_named(tmp_path: Path) -> None:
    values, groups = tmp_path / "gains.csv", tmp_path / "groups.csv"
    values.write_bytes(VALUES)
    groups.write_bytes(GROUPS.replace(b"0,1,1", b"0,x,1"))
    with pytest.raises(TableFormatError, match=r"groups\.csv.*'x' is neither"):
        read_table(values, groups=groups)


def test_parquet_beside_groups_is_refused_as_such() -> None:
    with pytest.raises(TableFormatError, match="read as text: write both as CSV"):
        read_table(write_table(read_table(WIDE).table, TableFormat.PARQUET), groups=GROUPS)


def test_a_format_that_names_its_groups_takes_no_file_of_them() -> None:
    with pytest.raises(TableFormatError, match="names its groups itself"):
        read_table(WIDE, format=TableFormat.LONG_CSV, groups=GROUPS)


@pytest.mark.parametrize("command", [["solve", "--budget", "2"], ["curve"], ["table"]])
def test_commands_that_read_tables_take_the_file_of_groups(tmp_path: Path, command: list[str]) -> None:
    values, groups = tmp_path / "gains.csv", tmp_path / "groups.csv"
    values.write_bytes(VALUES)
    groups.write_bytes(GROUPS)
    done = CliRunner().invoke(app, [*command, str(values), "--groups", str(groups)])
    assert done.exit_code == 0, done.output
    refused = CliRunner().invoke(app, [*command, str(values)])
    assert refused.exit_code != 0
