"""`grouping study`: what it writes, prints and keeps, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from grouping.cli import main
from grouping.store import open_store
from grouping.study.records import report_from_json
from grouping.trainers import discover_trainers
from grouping.trainers.registered import TRAINERS_VARIABLE

SHORT = ["breast-cancer", "--seeds", "1", "--epochs", "1", "--sizes", "1", "--shares", "1", "--hidden", "8"]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of the command, carried out in this process."""
    monkeypatch.setattr("sys.argv", ["grouping", "study", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_study_is_printed_written_and_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out, url = tmp_path / "out", f"sqlite:///{tmp_path}/studies.db"
    options = ["--database-url", url, "--name", "short", "--schedule", "sequential:last_share=0.9"]
    assert run(monkeypatch, *SHORT, *options, "--epochs", "5", "-o", str(out)) == 0
    printed = capsys.readouterr().out
    assert "Which tasks help which in pairs?" in printed
    assert "With one seed the noise is unknown" in printed
    report = report_from_json(json.loads((out / "report.json").read_text()))
    assert report.recipe["schedule"] == {
        "name": "sequential",
        "parameters": {"order": [], "last_share": 0.9},
    }
    markdown = (out / "report.md").read_text()
    assert all(finding.sentence in markdown for finding in report.findings)
    for picture in ("size", "data", "transfer"):
        assert f"({picture}.svg)" in markdown
        ElementTree.parse(out / f"{picture}.svg")
    store = open_store(url)
    (info,) = store.list_studies()
    assert (info.name, info.problem, info.n_seeds) == ("short", "breast-cancer", 1)
    assert report_from_json(store.get_study(info.id).report) == report
    store.close()
    assert info.id in printed


def test_a_dry_run_says_what_would_be_trained_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    assert run(monkeypatch, *SHORT, "--database-url", url, "--dry-run", "--json") == 0
    price = json.loads(capsys.readouterr().out)
    assert run(monkeypatch, *SHORT, "--no-keep", "--json") == 0
    report = report_from_json(json.loads(capsys.readouterr().out))
    assert (price["n_trainings"], price["n_epochs"]) == (report.n_trainings, report.n_epochs)
    assert run(monkeypatch, *SHORT, "--database-url", url, "--dry-run") == 0
    assert f"{report.n_trainings} trainings of {report.n_epochs} epochs in all" in capsys.readouterr().out
    assert not (tmp_path / "studies.db").exists()


def test_json_is_all_that_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *SHORT, "--no-keep", "--json", "--recipe", '{"batch_size": 200}') == 0
    report = report_from_json(json.loads(capsys.readouterr().out))
    assert (report.seeds, report.recipe["epochs"], report.recipe["batch_size"]) == ((0,), 1, 200)


def test_code_of_ones_own_trains_a_study_under_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = "def My_Own(tasks, seed): return {'validation': dict.fromkeys(tasks, 0.25 + seed / 100)}\n"
    (tmp_path / "own.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(TRAINERS_VARIABLE, "")
    monkeypatch.setattr("sys.path", list(sys.path))
    options = ["--seeds", "1", "--sizes", "1", "--shares", "1", "--no-keep", "--json"]
    try:
        # Two processes: those that train find it, too.
        assert (
            run(monkeypatch, "breast-cancer", *options, "--trainer", "own.py:My_Own", "--processes", "2") == 0
        )
    finally:
        monkeypatch.undo()
        discover_trainers.cache_clear()
    report = report_from_json(json.loads(capsys.readouterr().out))
    assert report.trainer.name == "my_own"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing"),
        ([*SHORT, "--recipe", "[]"], "JSON object"),
        ([*SHORT, "--recipe", "{"], "no JSON"),
        ([*SHORT, "--recipe", '{"depth": 3}'], "recipe/depth"),
        ([*SHORT, "--recipe", '{"schedule": 3}'], "recipe/schedule"),
        ([*SHORT, "--trainer", "ridge"], "A recipe is for the trainer built-in"),
        (["breast-cancer", "--trainer", "nothing"], "no trainer named 'nothing'"),
        ([*SHORT, "--trainer", "built-in:depth=3"], "does not know depth"),
        ([*SHORT, "--sizes", "large"], "--sizes takes numbers"),
        ([*SHORT, "--shares", "2"], "at most 1"),
        ([*SHORT, "--schedule", "nothing"], "nothing"),
        ([*SHORT, "--schedule", "sequential"], "raise the number of epochs to at least"),
    ],
)
def test_bad_input_ends_in_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(monkeypatch, *arguments, "--no-keep") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
