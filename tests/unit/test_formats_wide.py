"""The wide layout beyond the plain CSV: further costs, tabs, unmeasured members, repeats, formulas."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError, TableFormatError
from grouping.formats import TableFormat, read_table, write_table
from tests.tables import make_table, random_table

HEADER = "network,size,cost,a,b\n"


def test_columns_before_the_tasks_hold_further_costs() -> None:
    text = "network,size,cost,cost:latency_ms,cost:memory,a,b\na,1,1,7.5,100,0.5,\nb,1,1,8,200,,0.5\n"
    imported = read_table(text.encode())
    assert imported.table.task_names == ("a", "b")
    assert {name: list(costs) for name, costs in imported.table.other_costs.items()} == {
        "latency_ms": [7.5, 8],
        "memory": [100, 200],
    }
    assert imported.report.other_costs == ("latency_ms", "memory")
    assert "Further costs: latency_ms, memory." in imported.report.sentences()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("network,size,cost,cost:x,cost:x,a\na,1,1,1,1,1\n", "cost column is named twice"),
        ("network,size,cost,cost:x,a\na,1,1,,1\n", "line 2: the column cost:x is blank"),
        ("network,size,cost,cost:x,a\na,1,1,-1,1\n", "not negative"),
        ("network,size,cost,cost:,a\na,1,1,1,1\n", "needs a name"),
        ("network,size,cost," + ",".join(f"cost:{i}" for i in range(21)) + ",a\n", "21 further costs"),
    ],
)
def test_broken_costs_are_refused(text: str, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        read_table(text.encode())


def test_tabs_separate_as_well_as_commas() -> None:
    text = "network\tsize\tcost\ta, or so\tb\nx\t1\t1\t0.5\t\n"
    imported = read_table(text.encode())
    assert imported.report.format == "wide_tsv"
    assert imported.table.networks == (Network.of("a, or so"),)


def test_a_member_without_a_result_is_written_so_that_it_stays_a_member() -> None:
    table = make_table((Network.of("a", "b"),), (Task("a"), Task("b")), np.array([[0.5, np.nan]]))
    data = write_table(table, TableFormat.WIDE_CSV)
    assert data == b"network,size,cost,a,b\na+b,1.0,1.0,0.5,nan\n"
    imported = read_table(data)
    assert imported.table.networks == table.networks
    assert imported.report.incomplete_networks == ("a+b",)
    assert imported.report.non_finite_cells == ("line 2, column b",)


def test_the_size_in_a_label_carries_six_digits() -> None:
    network = Network.of("a", size=1 / 3)
    table = make_table((network,), (Task("a"),), np.array([[0.5]]))
    assert read_table(write_table(table, TableFormat.WIDE_CSV)).table.networks == (network,)


def test_a_row_that_repeats_an_earlier_one_is_merged_and_reported() -> None:
    imported = read_table((HEADER + "a,1,1,0.1,\nb,1,1,,0.2\nagain,1.0,1,0.10,\n").encode())
    assert len(imported.table.networks) == 2
    assert imported.report.n_duplicates == 1
    assert imported.report.duplicates == ("line 4, network a",)


@pytest.mark.parametrize("row", ["a,1,1,0.2,", "a,1,2,0.1,"])
def test_a_row_that_contradicts_an_earlier_one_is_refused(row: str) -> None:
    with pytest.raises(TableFormatError, match=r"line 3: network a stands .* more than once.* in line 2"):
        read_table((HEADER + f"a,1,1,0.1,\n{row}\n").encode())


def test_test_losses_come_from_a_second_file() -> None:
    validation, test = HEADER + "a,1,1,0.1,\n", HEADER + "a,1,1,nan,\n"
    imported = read_table(validation.encode(), test=test.encode())
    assert imported.report.non_finite_cells == ("test losses, line 2, column a",)
    assert np.isnan(imported.table.test[0, 0])
    assert imported.table.validation[0, 0] == 0.1
    with pytest.raises(TableFormatError, match="same tasks and networks"):
        read_table(validation.encode(), test=(HEADER + "a,1,2,0.1,\n").encode())
    with pytest.raises(TableFormatError, match="give no second file"):
        read_table(write_table(imported.table, TableFormat.JSON), test=test.encode())


def test_means_over_the_seeds_are_written() -> None:
    table = random_table(1, 2, 3)
    again = read_table(write_table(table, TableFormat.WIDE_CSV)).table
    assert again.seeds == (0,)
    assert np.array_equal(again.validation, table.validation, equal_nan=True)


def test_no_text_cell_is_a_formula_and_numbers_stay_raw() -> None:
    names = ["=SUM(A1:A9)", "-2", "'=x", "plain"]
    networks = tuple(Network.of(name) for name in names)
    table = make_table(networks, tuple(Task(name) for name in names), np.full((4, 4), -0.25))
    for table_format, numbers in (
        (TableFormat.WIDE_CSV, {"-0.25"}),
        (TableFormat.LONG_CSV, {"-0.25", "-0.275"}),
    ):
        data = write_table(table, table_format)
        cells = [cell for row in csv.reader(io.StringIO(data.decode())) for cell in row]
        assert {cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t"}} == numbers
        again = read_table(data).table
        assert again.task_names == table.task_names
        assert again.networks == table.networks


def test_a_task_named_like_a_cost_column_is_not_written_wide() -> None:
    table = make_table((Network.of("cost:x"),), (Task("cost:x"),), np.array([[1.0]]))
    with pytest.raises(InvalidInputError, match="write a long table"):
        write_table(table, TableFormat.WIDE_CSV)
    assert read_table(write_table(table, TableFormat.LONG_CSV)).table.task_names == ("cost:x",)


def test_gains_are_exact_where_one_minus_the_gain_is() -> None:
    text = HEADER + "a+b,1.0,1.0,0.25,-0.5\n"
    table = read_table(text.encode(), values="gains").table
    assert table.validation.tolist() == [[0.75, 1.5]]
    assert write_table(table, TableFormat.WIDE_CSV, values="gains").decode() == text


def test_a_split_is_chosen_for_wide_files_only() -> None:
    table = random_table(0, 2)
    test = read_table(write_table(table, TableFormat.WIDE_CSV, split="test")).table
    assert np.array_equal(test.validation, table.test, equal_nan=True)
    for table_format in (TableFormat.LONG_CSV, TableFormat.JSON, TableFormat.PARQUET):
        with pytest.raises(InvalidInputError, match="both splits"):
            write_table(table, table_format, split="test")


def test_a_table_has_no_more_results_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grouping.formats.assembly.MAX_RESULTS", 1)
    with pytest.raises(TableFormatError, match=r"line 3: the table has 2 results .* at most 1"):
        read_table((HEADER + "a,1,1,1,\nb,1,1,,1\n").encode())
