"""What the README shows works as written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grouping.client import Client
from grouping.domain.jobs import JobState
from grouping.formats import read_table
from tests.services import service

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Code blocks of the README in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def write_table(folder: Path) -> None:
    """The score table that the README shows, as ``table.csv``."""
    lines = [line[4:] for line in README.splitlines() if line.startswith("    ")]
    first = lines.index("network,size,cost,depth,edges")
    (folder / "table.csv").write_text("\n".join(lines[first : first + 4]) + "\n")


@pytest.mark.slow
def test_the_curl_examples_submit_a_job_follow_it_and_read_its_results(tmp_path: Path) -> None:
    script = "".join(blocks("sh curl"))
    assert script.count("curl ") == 13
    write_table(tmp_path)
    with service(tmp_path) as running:
        (client_code,) = blocks("python client")
        client_code = client_code.replace("http://127.0.0.1:8000", running.url)
        exec(compile(client_code, "README.md", "exec"), {})
        script = script.replace("http://127.0.0.1:8000", running.url)
        script = script.replace("curl -s", "curl -sS --fail-with-body")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        assert "event: job_succeeded" in done.stdout or '"succeeded"' in done.stdout
        job_id = json.loads((tmp_path / "job.json").read_text())["id"]
        with Client(running.url) as client:
            job = client.job(job_id)
            assert job.state is JobState.SUCCEEDED
            assert job.grouping(1.5).status == "optimal"
            assert json.dumps(job.recommendations()[0].sentence)[1:-1] in done.stdout
            table = client.table(json.loads((tmp_path / "table.json").read_text())["id"])
            (kept,) = table.groupings()
            assert (table.data.name, kept.status) == ("two tasks", "optimal")
            assert kept.networks == ["depth@0.5", "depth+edges"]
            assert all(sentence in done.stdout for sentence in table.report)
            assert table.pairwise_grouping(1.0).status == "optimal"
            assert [point.status for point in table.curve([0.5, 1.0]).points] == [
                "infeasible",
                "optimal",
            ]
        exported = read_table(tmp_path / "table.parquet")
        assert exported.table.task_names == ("depth", "edges")


def test_the_score_table_of_the_readme_is_solved_as_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(tmp_path)
    (code,) = blocks("python")
    exec(compile(code.replace('"table.csv"', repr(str(tmp_path / "table.csv"))), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("optimal 0.1876 0.0")
    assert "serves depth" in printed


def test_the_commands_on_the_score_table_of_the_readme_work_as_shown(tmp_path: Path) -> None:
    write_table(tmp_path)
    lines = [line.strip() for line in README.splitlines() if line.startswith("    .venv/bin/grouping ")]
    commands = [line.partition("#")[0].split()[1:] for line in lines if " table.csv" in line]
    assert [command[0] for command in commands] == ["solve", "solve", "solve", "curve", "table"]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "grouping.cli", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert (tmp_path / "curve.svg").read_text(encoding="utf-8").startswith("<svg")


def test_every_command_the_readme_names_exists() -> None:
    import typer.main

    from grouping.cli import app

    known = set(typer.main.get_group(app).commands)
    named = set(re.findall(r"`grouping ([a-z]+)", README)) | set(re.findall(r"bin/grouping ([a-z]+)", README))
    assert named
    assert named <= known


def test_every_make_target_and_file_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z]+)", README):
        assert f"\n{target}:" in makefile, target
    for path in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / path).exists(), path
