"""The headerless file of the paper's published code."""

from __future__ import annotations

import pytest

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import InvalidInputError, TableFormatError
from grouping.formats import TableFormat, read_table, write_table
from tests.tables import random_table
from tests.unit.test_formats_published import published

RESULTS = "0.5\t0.25\n0.75\t\n\t0.125\n0.375\t0.0625\n"


def test_the_first_line_holds_half_size_networks_and_each_other_line_one_of_full_size() -> None:
    imported = read_table(RESULTS.encode(), task_names=["depth", "edges"])
    assert imported.report.format == "results_txt"
    assert imported.table.networks == (
        Network.of("depth", size=0.5),
        Network.of("edges", size=0.5),
        Network.of("depth"),
        Network.of("edges"),
        Network.of("depth", "edges"),
    )
    assert imported.table.validation[4].tolist() == [0.375, 0.0625]
    assert write_table(imported.table, TableFormat.RESULTS_TXT).decode() == RESULTS


def test_tasks_are_numbered_unless_named() -> None:
    imported = read_table(RESULTS.encode())
    assert imported.table.task_names == ("task 1", "task 2")
    assert "names no tasks" in imported.report.notes[0]


def test_a_loss_of_99_is_an_absent_one() -> None:
    table = read_table(b"0.5\t99\n99\t0.25\n").table
    assert table.networks == (Network.of("task 1", size=0.5), Network.of("task 2"))


def test_the_published_table_is_the_same_in_either_format() -> None:
    path = published("standley/setting1_val.csv")
    lines = [line.split(",")[3:] for line in path.read_text().splitlines()]
    halves = [next(filter(None, cells)) for cells in lines[1:6]]
    text = "\n".join("\t".join(cells) for cells in (halves, *lines[6:]))
    assert read_table(text.encode(), task_names=lines[0]).table == read_table(path).table


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.5\t0.25\n0.75\n", "line 2: the line has 1 cells, the first line 2; tabs at the ends"),
        ("0.5\t0.25\n\t\n", "line 2: .*no losses"),
        ("0.5\t0.25\n0.5\tx\n", "line 2: .*not a number"),
        ("0.5\t0.25\n0.5\t\n0.6\t\n", "line 3: .*more than once"),
        ("\t\n", "no networks"),
        ("\t".join("1" * 1_001), "1,001 tasks"),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        read_table(text.encode())


def test_names_must_fit() -> None:
    with pytest.raises(TableFormatError, match="2 cells, but 3 tasks were named"):
        read_table(RESULTS.encode(), task_names=["a", "b", "c"])
    with pytest.raises(TableFormatError, match="twice"):
        read_table(RESULTS.encode(), task_names=["a", "a"])
    with pytest.raises(TableFormatError, match="names its tasks itself"):
        read_table(b"network,size,cost,a\na,1,1,1\n", task_names=["a"])


def test_a_table_that_the_format_cannot_say_is_not_written() -> None:
    for network in (Network.of("task 0", cost_snt=0.9), Network.of("task 0", "task 1", size=0.5)):
        table = random_table(0, 2).select([0])
        table = ScoreTable.from_arrays(
            table.tasks,
            (network,),
            (0,),
            table.validation_losses * float("nan"),
            table.test_losses * float("nan"),
        )
        with pytest.raises(InvalidInputError, match="cannot hold network"):
            write_table(table, TableFormat.RESULTS_TXT)
    assert write_table(random_table(0, 2), TableFormat.RESULTS_TXT).count(b"\n") == 4
    with pytest.raises(InvalidInputError, match="a value of 99"):
        write_table(read_table(b"network,size,cost,a\na,1,1,99\n").table, TableFormat.RESULTS_TXT)
