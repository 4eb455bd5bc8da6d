"""What the reader of score tables doubts, and that every command says it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from grouping.cli import app
from grouping.domain.networks import list_candidates
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError
from grouping.formats import read_table, write_table
from grouping.formats.report import TableFormat, Values
from tests.tables import make_table

HEADER = "network,size,cost,a,b\n"
NAN = HEADER + "x,0.5,0.5,0.25,nan\ny,0.75,0.75,nan,0.25\nz,1,1,0.5,0.5\n"


def findings(text: str, values: Values = "losses") -> str:
    return " ".join(read_table(text.encode(), values=values).report.findings())


@pytest.mark.parametrize("number", ["0", "0.0", "-1", "99", "-999", "9999"])
def test_a_number_that_stands_for_an_absent_task_is_found_and_named(number: str) -> None:
    text = f"x,0.5,0.5,0.25,{number}\ny,0.75,0.75,{number},0.25\nz,1,1,0.5,0.5\n"
    said = findings(HEADER + text)
    assert f"2 values are exactly {float(number):g} (b in a+b@0.5, a in a+b@0.75)" in said
    assert "leave the cell blank" in said
    assert "negative" not in said
    assert "exactly" not in findings(HEADER + text.replace(number, ""))


@pytest.mark.parametrize("number", ["-100", "-2", "1", "1e9"])
def test_any_number_that_is_repeated_far_from_all_others_is_doubted(number: str) -> None:
    text = f"w,0.25,0.25,{number},0.3\nx,0.5,0.5,0.25,{number}\ny,0.75,0.75,{number},0.25\nz,1,1,0.5,0.5\n"
    said = findings(HEADER + text)
    assert f"3 values are exactly {float(number):g} (a in a+b@0.25, b in a+b@0.5" in said
    assert "exactly" not in findings(HEADER + text.replace(number, "0.51"))
    assert "exactly" not in findings(HEADER + text.replace(f"y,0.75,0.75,{number}", "y,0.75,0.75,0.26"))


def test_a_loss_of_0_is_doubted_beside_blank_cells_if_the_others_of_its_task_are_close() -> None:
    text = "x,0.5,0.5,0.25,0\ny,0.75,0.75,,0.25\nz,1,1,0.5,0.3\n"
    assert "1 value is exactly 0 (b in a+b@0.5)" in findings(HEADER + text)
    assert "exactly" not in findings(HEADER + text.replace("0.25\nz", "0.01\nz"))


@pytest.mark.parametrize(
    "rows",
    [
        "a,1,1,0,\nb,1,1,,0.25\nab,1,1,0.5,0.5\n",  # absence is written blank, so the loss is 0
        "ab,1,1,0,0\ncd,2,2,0.5,0.5\n",  # a network of nothing else
        "ab,1,1,99,80\ncd,2,2,70,60\n",  # among numbers of its kind
        "ab,1,1,-1,-2\ncd,2,2,-3,0.5\n",
    ],
)
def test_a_number_that_is_not_out_of_place_is_not_doubted(rows: str) -> None:
    assert "exactly" not in findings(HEADER + rows)


def test_a_gain_of_0_is_as_good_as_any() -> None:
    assert "exactly" not in findings(HEADER + "x,0.5,0.5,0.25,0\ny,1,1,0.5,0.5\n", "gains")
    assert "exactly 99" in findings(HEADER + "x,0.5,0.5,0.25,99\ny,1,1,0.5,0.5\n", "gains")


def test_nan_in_every_row_that_lacks_a_task_is_doubted_and_one_that_diverged_is_not() -> None:
    assert "a blank cell, not nan" in findings(NAN)
    assert "a blank cell, not nan" not in findings(HEADER + "a,1,1,0.5,\nab,1,1,0.5,nan\n")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("x,1,1,0.25,0\ny,1,1,0,0.25\n", "line 3: .*more than once.* blank cell, not 0"),
        ("a,1,1,0.25,0\n", "line 2: .*has losses for a, b; leave the cell of a task that is not in it blank"),
    ],
)
def test_where_absence_makes_an_error_the_error_says_so(row: str, says: str) -> None:
    with pytest.raises(Exception, match=says):
        read_table((HEADER + row).encode())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("network,size,cost,task_accuracy,b\nx,1,1,0.25,0.5\n", "higher better: task_accuracy; "),
        (HEADER + "a,1,1,0.75,\nb,1,1,,0.875\nab,1,1,0.7,0.96\n", "between 0.7 and 0.96, as accuracies do"),
        (HEADER + "a,1,1,75,\nb,1,1,,87.5\nab,1,1,70,96\n", "between 70 and 96, as accuracies do"),
        (HEADER + "p,1,1,0.25,0.3\nq,2,2,0.3,0.35\nr,3,3,0.35,0.4\n", "higher values in 4 of 4 pairs"),
        (HEADER + "p,1,1,-0.25,0.3\n", "1 loss is negative"),
    ],
)
def test_values_for_which_higher_seems_better_are_doubted(text: str, says: str) -> None:
    assert says in findings(text)
    assert "gains" in findings(text)
    assert findings(text, "gains") == ""


@pytest.mark.parametrize(
    "rows",
    [
        "a,1,1,0.75,\nb,1,1,,0.25\nab,1,1,0.7,0.96\n",
        "p,1,1,0.75,0.8\nq,2,2,0.7,0.75\n",  # larger networks are better as they are read
    ],
)
def test_values_that_may_be_losses_are_not_doubted(rows: str) -> None:
    assert findings(HEADER + rows) == ""


def test_whoever_names_a_metric_is_not_asked_about_it() -> None:
    networks = list_candidates(["accuracy", "b"], max_group_size=2)
    tasks = (Task.regression("accuracy"), Task.regression("b"))
    table = make_table(networks, tasks, np.full((3, 2), 0.5))
    assert read_table(write_table(table, TableFormat.JSON)).report.findings() == ()


def test_a_task_that_makes_up_most_of_the_sum_is_said_with_its_weight() -> None:
    rows = "a,1,1,19,\nb,1,1,,1\n"
    imported = read_table((HEADER + rows).encode())
    assert "Task a makes up 95 % of the sum" in " ".join(imported.report.findings())
    assert imported.report.sentences()[-1] == imported.report.dominance
    assert findings(HEADER + rows.replace("19", "8")) == ""


@pytest.mark.parametrize("cell", ["1.7e308", "-1e101"])
@pytest.mark.parametrize("layout", ["wide", "long", "json"])
def test_a_loss_whose_sum_is_beyond_a_double_is_refused(cell: str, layout: str) -> None:
    text = {
        "wide": HEADER + f"ab,1,1,0.5,{cell}\n",
        "long": f"network,task,validation_loss\na+b,a,0.5\na+b,b,{cell}\n",
        "json": '{"format": "mtl-grouping score table", "version": 1, '
        '"tasks": [{"name": "a"}, {"name": "b"}], "seeds": [0], '
        '"networks": [{"size": 1, "cost_snt": 1, "validation_losses": '
        f'{{"a": [0.5], "b": [{cell}]}}}}]}}',
    }[layout]
    for values in ("losses", "gains") if layout == "wide" else ("losses",):
        with pytest.raises(Exception, match=r"etwork a\+b, task b: .* too large; at most 1e\+100 is read"):
            read_table(text.encode(), values=values)


def test_a_quotient_beyond_a_double_is_refused(tmp_path: Path) -> None:
    text = HEADER + "a,1,1,1e-300,\nb,1,1,,1\nab,1,1,1e100,1\n"
    with pytest.raises(InvalidInputError, match=r"below 1e-100 for a\. Train"):
        raise run("curve", tmp_path, text, "--objective", "relative").exception or AssertionError


def run(command: str, folder: Path, text: str, *options: str) -> Result:
    path = folder / "table.csv"
    path.write_text(text)
    return CliRunner().invoke(app, [command, str(path), *options])


@pytest.mark.parametrize("options", [("--budget", "1"), ("--budget", "1", "--explain"), ()])
def test_solve_says_what_it_found_beside_the_answer(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run("solve", tmp_path, NAN, *options)
    assert "Look at: Networks without a result for some task" in done.stderr
    assert "Look at" not in done.stdout
    answer = json.loads(run("solve", tmp_path, NAN, *options, "--json").stdout)
    for found in answer if isinstance(answer, list) else [answer]:
        assert found["findings"] == list(read_table(NAN.encode()).report.findings())


def test_curve_and_conversion_say_it_too_and_the_description_says_it_once(tmp_path: Path) -> None:
    said = read_table(NAN.encode()).report.findings()
    curve = run("curve", tmp_path, NAN, "--json")
    assert json.loads(curve.stdout)["findings"] == list(said)
    for done in (curve, run("table", tmp_path, NAN, "--to", "json")):
        assert done.stderr.splitlines() == [f"Look at: {finding}" for finding in said]
    as_data = json.loads(run("table", tmp_path, NAN, "--json").stdout)
    assert (as_data["findings"], as_data["n_networks"]) == (list(said), 3)
    described = run("table", tmp_path, NAN)
    assert described.stderr == ""
    assert set(said) < set(described.stdout.splitlines())


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--output", "t.json"), "Say with --to"), (("--json", "--to", "json"), "--json is the description")],
)
def test_table_is_asked_for_one_thing(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    assert says in str(run("table", tmp_path, NAN, *options).exception)


def test_weights_and_the_objective_settle_which_task_makes_up_most(tmp_path: Path) -> None:
    text = HEADER + "a,1,1,19,\nb,1,1,,1\nab,1,1,18,2\n"
    assert "Task a makes up 9" in run("solve", tmp_path, text, "--budget", "1").stderr
    for options in (("--weight", "b=8"), ("--objective", "relative")):
        assert run("solve", tmp_path, text, "--budget", "1", *options).stderr == ""
    assert "Task b makes up 9" in run("solve", tmp_path, text, "--budget", "1", "--weight", "b=999").stderr
