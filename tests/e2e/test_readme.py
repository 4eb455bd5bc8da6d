"""What the README and the pages on a score table, on HTTP and on the client show works as written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grouping.client import Client
from grouping.domain.jobs.job import JobState
from grouping.formats import read_table
from tests.frames import fields
from tests.services import service

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial" / "solve-a-score-table.md").read_text(encoding="utf-8")
HTTP = (ROOT / "docs" / "how-to" / "use-the-http-api.md").read_text(encoding="utf-8")
CLIENT = (ROOT / "docs" / "how-to" / "use-the-python-client.md").read_text(encoding="utf-8")
PAGES = [README, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))]


def blocks(page: str, language: str) -> list[str]:
    """Code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


def write_table(page: str, folder: Path) -> None:
    """The score table that a page shows, as ``table.csv``."""
    lines = [line[4:] for line in page.splitlines() if line.startswith("    ")]
    first = lines.index("network,size,cost,depth,edges")
    (folder / "table.csv").write_text("\n".join(lines[first : first + 4]) + "\n")


@pytest.mark.slow
def test_the_curl_examples_submit_a_job_follow_it_and_read_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fields().to_csv("mines.csv", index=False)
    script = "".join(blocks(HTTP, "sh curl"))
    assert script.count("curl ") == 13
    write_table(TUTORIAL, tmp_path)
    with service(tmp_path) as running:
        (client_code,) = blocks(CLIENT, "python client")
        client_code = client_code.replace("http://127.0.0.1:8000", running.url)
        exec(compile(client_code, "use-the-python-client.md", "exec"), {})
        (data_code,) = blocks(CLIENT, "python data client")
        told: dict[str, Any] = {}
        data_code = data_code.replace("http://127.0.0.1:8000", running.url)
        exec(compile(data_code, "use-the-python-client.md", "exec"), told)
        with Client(running.url) as client:
            client.job(told["job"].id).cancel()
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


@pytest.mark.parametrize("page", [README, TUTORIAL], ids=["README", "tutorial"])
def test_the_score_table_of_a_page_is_solved_as_shown(
    tmp_path: Path, page: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(page, "python")
    exec(compile(code, "page", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("optimal 0.1876 ")
    assert "serves depth" in printed


@pytest.mark.parametrize(
    ("page", "names"),
    [(README, ["solve", "curve"]), (TUTORIAL, ["solve", "solve", "solve", "curve", "table"])],
    ids=["README", "tutorial"],
)
def test_the_commands_on_the_score_table_of_a_page_work_as_shown(
    tmp_path: Path, page: str, names: list[str]
) -> None:
    write_table(page, tmp_path)
    lines = [line.strip() for line in page.splitlines() if line.startswith("    grouping ")]
    commands = [line.partition("#")[0].split()[1:] for line in lines if " table.csv" in line]
    assert [command[0] for command in commands] == names
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


def test_the_picture_is_the_one_that_its_command_draws(tmp_path: Path) -> None:
    (line,) = re.findall(r"`grouping (curve \S+) --svg (\S+)`", README)
    arguments, picture = line
    drawn = tmp_path / "drawn.svg"
    command = [sys.executable, "-m", "grouping.cli", *arguments.split(), "--svg", str(drawn)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert drawn.read_text(encoding="utf-8") == (ROOT / picture).read_text(encoding="utf-8")


def test_every_command_that_a_page_names_exists() -> None:
    import typer.main

    from grouping.cli import app

    known = set(typer.main.get_group(app).commands)
    named = {
        name for page in PAGES for name in re.findall(r"(?:`|^ {4}|^)grouping ([a-z][a-z-]*)", page, re.M)
    }
    assert {"solve", "serve", "run", "study"} <= named
    assert named <= known


def test_every_make_target_and_file_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"(?:`|^ {4})make ([a-z]+)", README, re.MULTILINE)
    assert {"run", "test", "docs"} <= set(targets)
    for target in targets:
        assert f"\n{target}:" in makefile, target
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        path, _, heading = link.partition("#")
        assert (ROOT / path).exists(), link
        if heading:
            found = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {one.lower().replace(" ", "-") for one in found}, link


def test_the_two_lines_of_the_installation_are_the_ones_that_a_missing_extra_names() -> None:
    from grouping.extras import SMALL_TORCH

    for page in (README, (ROOT / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")):
        first, second = page.index(SMALL_TORCH), page.index('pip install "mtl-grouping[service]"')
        assert first < second
