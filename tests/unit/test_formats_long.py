"""The long layout as text: what may be left out, what it refuses, seeds and diverged results."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import TableFormatError
from grouping.formats import ImportedTable, TableFormat, Values, read_table, write_table
from tests.tables import random_table

HEADER = "network,task,seed,validation_loss,test_loss\n"


def read(text: str, values: Values = "losses") -> ImportedTable:
    return read_table(text.encode(), values=values)


def test_size_cost_seed_and_test_loss_may_be_left_out() -> None:
    table = read("validation_loss,task,network\n0.1,a,a@0.5\n0.2,a,a+b\n0.3,b,a+b\n").table
    assert table.networks == (Network.of("a", size=0.5), Network.of("a", "b"))
    assert table.task_names == ("a", "b")
    assert table.seeds == (0,)
    assert table.validation.tolist()[1] == [0.2, 0.3]
    assert np.isnan(table.test).all()


def test_columns_say_size_cost_and_further_costs() -> None:
    text = "network,size,cost,cost:latency_ms,task,seed,validation_loss\n"
    text += "a@0.333333,0.3333333333333333,0.3,7,a,4,0.1\n"
    text += "a@0.333333,0.3333333333333333,0.3,7,a,2,0.2\n"
    text += "b,,,9,b,4,1\n"
    table = read(text).table
    assert table.networks == (Network.of("a", size=1 / 3, cost_snt=0.3), Network.of("b"))
    assert table.seeds == (4, 2)
    assert list(table.other_costs["latency_ms"]) == [7, 9]
    assert table.validation_losses[0, 0].tolist() == [0.1, 0.2]


def test_a_blank_loss_is_not_measured() -> None:
    imported = read(HEADER + "a+b,a,0,0.5,\na+b,b,0,,0.7\n")
    assert np.isnan(imported.table.validation[0, 1])
    assert imported.table.test[0, 1] == 0.7
    assert imported.report.n_non_finite_cells == 0
    assert imported.report.incomplete_networks == ("a+b",)


def test_a_result_that_diverged_takes_those_of_the_other_seeds_along() -> None:
    """Else the mean over the seeds that went well would flatter the network."""
    imported = read(HEADER + "a,a,0,0.5,0.6\na,a,1,inf,0.7\nb,b,0,0.5,\nb,b,1,0.6,\n")
    assert imported.table.is_complete.tolist() == [False, True]
    assert np.isnan(imported.table.validation_losses[0]).all()
    assert imported.table.test_losses[0, 0].tolist() == [0.6, 0.7]
    assert imported.report.non_finite_cells == ("line 3, network a, task a, seed 1",)
    assert imported.report.uncovered_tasks == ("a",)
    assert imported.report.warnings[0].endswith("no finite number with another seed: 1.")


def test_a_result_that_stands_there_twice_is_merged_and_reported() -> None:
    imported = read(HEADER + "a,a,0,0.5,\nb,b,0,0.5,\na,a,0,0.50,\n")
    assert imported.report.duplicates == ("line 4, network a, task a, seed 0",)
    assert imported.table.validation[0, 0] == 0.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER, "no networks"),
        (HEADER + "a,a,0,0.5,\na,a,0,0.6,\n", "line 3: .*task a, seed 0 has other results than in line 2"),
        (HEADER + "a,a,0,0.5,\na,a,0,0.5,1\n", "line 3: .*other results than in line 2"),
        (HEADER + "a,b,0,0.5,\n", "line 2: task 'b' is not in the network 'a'"),
        (HEADER + "net7,depth,0,0.5,\n", "names the tasks of the group"),
        (HEADER + "a,,0,0.5,\n", "column task is blank"),
        (HEADER + ",a,0,0.5,\n", "column network is blank"),
        (HEADER + "a,a,,0.5,\n", "column seed is blank"),
        (HEADER + "a,a,0.5,0.5,\n", "whole number"),
        (HEADER + "a,a,1e30,0.5,\n", "whole number"),
        (HEADER + "a,a,0,x,\n", "line 2: .*not a number"),
        (HEADER + 'a,a,0,"0,5",\n', "write a point"),
        (HEADER + "a@x,a,0,0.5,\n", "is no size"),
        (HEADER + "a,a,0,0.5\n", "has 4 cells, the header 5"),
        (HEADER + "".join(f"a,a,{seed},1,\n" for seed in range(65)), "65 seeds; at most 64"),
        (HEADER + "".join(f"{t},{t},0,1,\n" for t in range(1_001)), "1,001 tasks; at most 1,000"),
        ("network,task,task,validation_loss\na,a,a,1\n", "header twice"),
        ("network,task,cost,validation_loss\na+b,a,1,1\na+b,b,2,1\n", "line 3: .*another cost"),
        ("network,size,task,validation_loss\na@0.5,1,a,1\n", "has the size 1"),
        ("network,task,validation_gain\na,a,1\n", "contradicts that the values are losses"),
    ],
)
def test_a_broken_table_is_refused_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        read(text)


def test_headings_and_the_stated_direction_must_agree() -> None:
    text = "network,task,validation_gain,test_gain\na,a,0.25,0.5\n"
    table = read(text, "gains").table
    assert (table.validation[0, 0], table.test[0, 0]) == (0.75, 0.5)
    with pytest.raises(TableFormatError, match="contradicts that the values are gains"):
        read("network,task,validation_loss\na,a,1\n", "gains")


def test_columns_that_are_not_read_are_reported() -> None:
    imported = read("network,task,validation_loss,epoch,test_los\na,a,0.5,3,0.4\n")
    assert imported.report.warnings == ("Columns that were not read: 'epoch', 'test_los'.",)


def test_tasks_and_networks_without_any_result_survive() -> None:
    nothing = np.full((1, 3, 0), np.nan)
    table = ScoreTable.from_arrays(
        (Task("x"), Task("a"), Task("b")), (Network.of("b", "a"),), (), nothing, nothing
    )
    data = write_table(table, TableFormat.LONG_CSV)
    assert data.decode().splitlines()[1:3] == [",,,x,,,", ",,,a,,,"]
    imported = read_table(data)
    assert imported.table == table
    assert imported.report.uncovered_tasks == ("x", "a", "b")


def test_a_task_that_is_only_named_in_a_group_is_a_task() -> None:
    assert read(HEADER + "b+c+a,a,0,1,\n").table.task_names == ("a", "b", "c")


def test_more_results_than_are_read_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grouping.formats.assembly.MAX_RESULTS", 7)
    rows = [f"a+b@{i + 1},a,{s},1,\n" for i in range(2) for s in range(2)]  # 2 networks, 2 tasks, 2 seeds
    with pytest.raises(TableFormatError, match=r"8 results .* at most 7"):
        read(HEADER + "".join(rows))


def test_seeds_keep_their_order() -> None:
    table = random_table(0, 2, 3)
    shuffled = ScoreTable.from_arrays(
        table.tasks, table.networks, (7, -3, 5), table.validation_losses, table.test_losses
    )
    assert read_table(write_table(shuffled, TableFormat.LONG_TSV)).table == shuffled
