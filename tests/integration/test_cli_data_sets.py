"""``grouping data`` and ``grouping run --data`` on a folder of this machine, without a service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frames import fields

ROWS = Path(__file__).parents[2].parent / "shared" / "data" / "rows"


def grouping(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grouping.cli", *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "mines.csv"
    fields().to_csv(file, index=False)
    return file


def test_a_table_is_added_listed_shown_and_deleted(tmp_path: Path, table: Path) -> None:
    tried = grouping(tmp_path, "data", "add", str(table), "--dry-run")
    assert "240 rows" in tried.stdout
    assert tried.stdout.endswith("Nothing was stored: this is a dry run.\n")
    assert json.loads(grouping(tmp_path, "data", "list", "--json").stdout) == []
    added = grouping(tmp_path, "data", "add", str(table))
    assert added.returncode == 0, added.stderr
    assert "240 rows" in added.stdout
    (listed,) = json.loads(grouping(tmp_path, "data", "list", "--json").stdout)
    assert listed["version"] in added.stdout
    shown = json.loads(grouping(tmp_path, "data", "show", "mines", "--json").stdout)
    assert (shown["data_set"]["digest"], shown["problems"]) == (listed["digest"], [])
    assert grouping(tmp_path, "data", "delete", "mines").returncode == 0
    gone = grouping(tmp_path, "data", "show", "mines")
    assert (gone.returncode, gone.stdout) == (2, "")
    assert "no data set named 'mines'" in gone.stderr


def test_several_tables_are_stored_as_one(tmp_path: Path, table: Path) -> None:
    other = tmp_path / "hills.csv"
    fields(1).drop(columns="b").assign(slope=range(60)).to_csv(other, index=False)
    add = ("data", "add", str(table), str(other))
    assert "name the column that says which one" in grouping(tmp_path, *add).stderr
    added = grouping(tmp_path, *add, "--task-column", "place", "--name", "both")
    assert added.returncode == 0, added.stderr
    assert "both:" in added.stdout
    assert "300 rows, from mines.csv and hills.csv" in added.stdout
    alone = grouping(tmp_path, "data", "add", str(table), "--task-column", "place")
    assert "takes two files or more" in alone.stderr


def test_a_search_on_a_file_is_priced_with_its_findings(tmp_path: Path, table: Path) -> None:
    said = ("--task-column", "field", "--target", "mine:binary", "--budget", "2", "--dry-run")
    done = grouping(tmp_path, "run", "--data", str(table), *said)
    assert done.returncode == 0, done.stderr
    assert "4 tasks (field 1, field 2, field 3, field 4) from 3 inputs" in done.stderr
    assert "Look at: Fewer than 50 training labels" in done.stdout
    assert "no network of mines:" in done.stdout
    again = grouping(tmp_path, "run", "--data", "mines", *said)
    assert again.stdout == done.stdout
    assert "mines:" in grouping(tmp_path, "problems").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--dry-run"], "Name a problem"),
        (["digits", "--data", "x.csv", "--target", "y"], "one of the two"),
        (["digits", "--target", "y"], "need --data"),
        (["--data", "x.csv", "--dry-run"], "--target COLUMN:regression"),
        (["--data", "x.csv", "--target", "y", "--dry-run"], "x.csv cannot be read: No such file"),
        (["--data", "none", "--target", "y", "--dry-run"], "no data set named 'none'"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = grouping(tmp_path, "run", *arguments)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("file", "arguments", "n_tasks"),
    [
        ("landmine.csv", ["--task-column", "field", "--target", "mine:binary"], 29),
        ("school.csv", ["--task-column", "School", "--target", "ExamScore:regression"], 139),
        (
            "parkinsons.csv",
            ["--target", "motor_UPDRS", "--target", "total_UPDRS", "--split", "group=subject#"],
            2,
        ),
    ],
)
def test_the_classic_tables_become_problems(
    tmp_path: Path, file: str, arguments: list[str], n_tasks: int
) -> None:
    if not (ROWS / file).exists():
        pytest.skip(f"{file} is not in {ROWS}")
    said = ("--strategy", "all-together", "--budget", "1", "--confirm", "0", "--dry-run", "--json")
    done = grouping(tmp_path, "run", "--data", str(ROWS / file), *arguments, *said)
    assert done.returncode == 0, done.stderr
    assert f"{n_tasks} task" in done.stderr
