"""The complete example of one's own data and model, installed as a user would, and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grouping.domain.networks import count_candidates
from grouping.formats import read_table

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_data_and_model"
PAGE = (ROOT / "docs" / "tutorial" / "own-data-and-model.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which Python finds the example, installed from a copy of it."""
    folder = tmp_path_factory.mktemp("example")
    site, copy = folder / "site", folder / "copy"
    copy.mkdir()
    for path in EXAMPLE.rglob("*"):
        if path.suffix in {".py", ".toml", ".csv"} and "build" not in path.parts:
            target = copy / path.relative_to(EXAMPLE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    install = ["install", "--no-deps", "--no-build-isolation", "--target", str(site), str(copy)]
    subprocess.run([sys.executable, "-m", "pip", *install], capture_output=True, check=True)
    return {**os.environ, "PYTHONPATH": str(site)}


def run(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_script_ends_with_the_recommendation_that_the_page_shows(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    printed = run([str(EXAMPLE / "search.py")], tmp_path, environment)
    table = read_table(tmp_path / "pumps-table.json").table
    assert table.task_names == ("flow", "pressure", "wear", "fault")
    n_candidates = count_candidates(4, 4, 1)
    assert f"It trains {len(table.networks)} of {n_candidates} networks" in PAGE
    assert len(table.networks) < n_candidates
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)
    networks = [line for line in shown.splitlines() if "serves" in line]
    assert len(networks) == 2
    assert all(line in printed.partition("Budget 2 SNT")[2] for line in networks)
    assert "fresh seeds" in printed
    for budget in (1, 2):
        assert (tmp_path / f"pumps-{budget}-snt.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_problem_and_the_encoder_are_listed(tmp_path: Path, environment: dict[str, str]) -> None:
    assert "pumps" in run(["-m", "grouping.cli", "problems"], tmp_path, environment)
    assert "residual" in run(["-m", "grouping.cli", "recipes"], tmp_path, environment)


def test_the_table_is_the_one_that_its_script_writes(tmp_path: Path) -> None:
    copy = tmp_path / "make_table.py"
    copy.write_bytes((EXAMPLE / "make_table.py").read_bytes())
    (tmp_path / "pump_station").mkdir()
    subprocess.run([sys.executable, str(copy)], check=True)
    made = (tmp_path / "pump_station" / "pumps.csv").read_text()
    assert made == (EXAMPLE / "pump_station" / "pumps.csv").read_text()
