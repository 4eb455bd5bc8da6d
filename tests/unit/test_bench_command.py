"""`grouping bench replay`: what it reads, what it prints and writes, what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from grouping.cli import main
from grouping.formats import TableFormat, write_table
from grouping.solver import solve
from tests.tables import random_table

SHORT = ["--budgets", "1,2", "--seeds", "2"]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of the command, carried out in this process."""
    monkeypatch.setattr("sys.argv", ["grouping", "bench", "replay", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def wide(folder: Path, name: str, seed: int, **options: str) -> tuple[str, str]:
    table = random_table(seed, n_tasks=3)
    paths = []
    for split in ("validation", "test"):
        path = folder / f"{name}_{split}.csv"
        path.write_bytes(write_table(table, TableFormat.WIDE_CSV, split=split, **options))  # type: ignore[arg-type]
        paths.append(str(path))
    return paths[0], paths[1]


def test_a_shipped_table_is_replayed_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "breast-cancer", *SHORT, "--strategy", "esa", "--strategy", "tag") == 0
    shown = capsys.readouterr().out
    assert "breast-cancer: 36 networks, 5 tasks; a search for each of 2 inference budgets (1 to 2)" in shown
    assert "tag cannot be replayed on this table" in shown
    assert "within 1.0 % at" in shown


def test_json_csv_and_picture_hold_what_the_table_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    validation, test = wide(tmp_path, "mine", 1)
    files = ["--csv", str(tmp_path / "out.csv"), "--svg", str(tmp_path / "out.svg"), "--log", "--json"]
    strategies = ["--strategy", "exhaustive", "--strategy", "hoa"]
    assert run(monkeypatch, validation, "--test", test, *SHORT, *strategies, *files) == 0
    found = json.loads(capsys.readouterr().out)
    (table,) = found["tables"]
    assert table["name"] == "mine_validation"
    least = [solve(random_table(1, n_tasks=3), budget).loss for budget in (1.0, 2.0)]
    assert table["least_validation_losses"] == pytest.approx(least)
    exhaustive, hoa = table["strategies"]
    assert exhaustive["final_validation_losses"] == pytest.approx(least)
    assert exhaustive["mean_charge"] == 7 + 3 * 0.5
    assert hoa["charges"] == exhaustive["charges"]
    assert exhaustive["validation_regret"]["mean"][0] is None
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 2 * 2 * len(exhaustive["charges"])
    last = [row for row in rows if row["strategy"] == "exhaustive" and row["budget_snt"] == "2"][-1]
    assert float(last["validation_loss"]) == pytest.approx(least[1])
    assert float(last["test_regret"]) == pytest.approx(0.0, abs=1e-9)
    assert ElementTree.parse(tmp_path / "out.svg").getroot().tag.endswith("svg")


def test_gains_are_read_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    validation, test = wide(tmp_path, "gains", 2, values="gains")
    arguments = [validation, "--test", test, "--gains", *SHORT, "--strategy", "exhaustive", "--json"]
    assert run(monkeypatch, *arguments) == 0
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    (one,) = table["strategies"]
    gains = [1 - loss / 3 for loss in one["final_test_losses"]]
    assert one["mean_test_gain"] == pytest.approx(gains)


def test_parameters_reach_the_strategy_they_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in ('{"hoa": {"wrong": 1}}', '{"wrong": 1}'):
        status = run(monkeypatch, "digits", *SHORT, "--strategy", "hoa", "--parameters", given)
        assert status == 2
        assert "The strategy hoa does not know wrong" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.csv"], "There is no file nothing.csv, and no table of that name comes with the project"),
        (["digits", "--test", "x.csv"], "--test is given once for each file: 0 of the tables are files"),
        (["digits", "--budgets", "one"], "--budgets takes numbers"),
        (["digits", "--budgets", "0.1"], "No grouping of this table fits an inference budget of 0.1"),
        (["digits", "--free", "triples"], "free can be singles, pairs, together"),
        (["digits", "--strategy", "guess"], "There is no strategy named 'guess'"),
        (["digits", "--parameters", "{"], "--parameters is no JSON"),
        (["digits", "--parameters", "[]"], "--parameters is a JSON object"),
        (["digits", "--parameters", '{"a": 1}'], "--parameters names the strategies that they are for"),
        (["digits", "breast-cancer", "--svg", "x.svg"], "--svg draws one table"),
        (["digits", "--max-charge", "-1"], "must be positive"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_file_that_is_no_score_table_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "poem.csv"
    path.write_text("roses,are\nred,violets\n", encoding="utf-8")
    assert run(monkeypatch, str(path)) == 2
    assert "poem.csv" in capsys.readouterr().err
