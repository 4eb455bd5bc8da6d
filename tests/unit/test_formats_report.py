"""The import report, in fields and in words."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from grouping.domain.networks import list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.formats import TableFormat, read_table, write_table
from grouping.formats.report import LABELS
from tests.tables import make_table

TEXT = """network,size,cost,a,b,c
half,0.5,0.5,0.3,,
one,1,1,0.2,,
two,1,1,0.1,0.4,
again,1,1,0.10,0.40,
broken,1,1,,nan,0.5
"""


def test_a_report_says_what_was_understood_and_what_is_missing() -> None:
    report = read_table(TEXT.encode()).report
    assert report.sizes == (0.5, 1.0)
    assert (report.largest_group_size, report.n_expected_groups, report.n_missing_groups) == (2, 6, 3)
    assert report.missing_groups == ("b", "c", "a+c")
    assert report.incomplete_networks == ("b+c",)
    assert report.non_finite_cells == ("line 6, column b",)
    assert report.duplicates == ("line 5, network a+b",)
    assert report.uncovered_tasks == ("c",)
    assert report.sentences() == (
        "Read as wide CSV; the values are losses (lower is better).",
        "3 tasks: a, b, c.",
        "4 networks (size 0.5, 1), 1 seed.",
        "No complete network has c: there is no grouping of all tasks.",
        "Missing of the 6 groups of up to 2 tasks at full size: 3 (b, c, a+c).",
        "Networks without a result for some task, which take no part in solving: 1 (b+c).",
        "Cells without a finite number, which count as not measured: 1 (line 6, column b).",
        "Entries that repeat an earlier one with the same numbers, and were merged with it: 1 "
        "(line 5, network a+b).",
    )


def test_a_report_is_plain_data() -> None:
    report = read_table(TEXT.encode()).report
    assert json.loads(json.dumps(asdict(report)))["missing_groups"] == ["b", "c", "a+c"]


def test_of_many_only_twenty_are_named_and_all_are_counted() -> None:
    names = [f"t{i}" for i in range(200)]
    text = "network,size,cost," + ",".join(names) + "\nall,1,1" + ",1" * 200 + "\n"
    text += "".join(f"n{i},1,1" + "," * i + ",nan" + "," * (199 - i) + "\n" for i in range(100))
    report = read_table(text.encode()).report
    assert report.n_expected_groups == 2**200 - 1
    assert report.n_missing_groups == 2**200 - 102
    assert report.missing_groups == tuple(f"t{i}" for i in range(100, 120))
    assert (report.n_non_finite_cells, len(report.non_finite_cells)) == (100, 20)
    assert (report.n_incomplete_networks, len(report.incomplete_networks)) == (100, 20)
    said = " ".join(report.sentences())
    assert "1.6e+60" in said
    assert "t119 and 1.6e+60 more" in said
    assert "t19 and 80 more" in said
    assert len(said) < 3_000


def test_nothing_is_said_to_be_missing_where_nothing_is() -> None:
    names = ["a", "b", "c"]
    networks = list_candidates(names, max_group_size=2, single_sizes=(0.5,))
    losses = np.full((len(networks), 3), 0.5)
    table = make_table(networks, tuple(Task(name) for name in names), losses)
    sentences = read_table(write_table(table, TableFormat.JSON)).report.sentences()
    assert sentences[-1] == "Nothing is missing of the 6 groups of up to 2 tasks at full size."


def test_of_many_sizes_the_smallest_are_named() -> None:
    rows = "".join(f"x,{size},1,1\n" for size in range(2, 32))
    report = read_table(b"network,size,cost,a\n" + rows.encode()).report
    assert (report.n_sizes, report.sizes) == (30, tuple(range(2, 22)))
    assert any("20, 21 and 10 more), 1 seed" in sentence for sentence in report.sentences())


def test_a_table_without_full_size_networks_says_so() -> None:
    report = read_table(b"network,size,cost,a\na,0.5,0.5,1\n").report
    assert report.n_expected_groups == 0
    assert "There is no network of full size (size 1)." in report.sentences()


@pytest.mark.parametrize("chosen", TableFormat)
def test_every_format_has_a_name_in_words(chosen: TableFormat) -> None:
    assert chosen.value in LABELS


def test_long_names_are_cut() -> None:
    names = ["x" * 99 + str(i) for i in range(9)]
    nothing = np.full((1, 9, 1), np.nan)
    table = ScoreTable.from_arrays(
        tuple(Task(name) for name in names),
        list_candidates(names, max_group_size=9)[-1:],
        (0,),
        nothing,
        nothing,
    )
    (name,) = read_table(write_table(table, TableFormat.JSON)).report.incomplete_networks
    assert len(name) == 200


def test_negative_losses_are_doubted_and_large_gains_are_not() -> None:
    text = b"network,size,cost,a,b\na,1,1,-0.5,\nb,1,1,,1.5\n"
    (warning,) = read_table(text).report.warnings
    assert warning == "1 loss is negative: if the values are gains, say so when importing."
    assert read_table(text, values="gains").report.warnings == ()


def test_what_is_found_in_the_file_of_test_losses_is_counted_too() -> None:
    names = [f"t{i}" for i in range(30)]
    header = "network,size,cost," + ",".join(names) + "\n"
    validation, test = header + "x,1,1" + ",1" * 30, header + "x,1,1" + ",nan" * 30
    report = read_table(validation.encode(), test=test.encode()).report
    assert report.n_non_finite_cells == 30
    assert report.non_finite_cells[0] == "test losses, line 2, column t0"
    assert len(report.non_finite_cells) == 20
