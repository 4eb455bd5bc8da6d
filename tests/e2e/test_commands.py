"""The command line against a real service: results, exit statuses, refusals, and processes that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grouping.bundle import load
from grouping.client import Client
from grouping.domain.jobs.job import JobState
from tests.frames import fields
from tests.patience import wait_for
from tests.services import (
    Service,
    descendants,
    find_descendant,
    kill_descendant,
    service,
)

pytestmark = pytest.mark.slow

SMALL = ["digits", "--task", "digit", "--task", "loop", "--seeds", "1", "--confirm", "0", "--epochs", "2"]


def grouping(*arguments: str, server: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    environment = dict(os.environ)
    if server is not None:
        environment["GROUPING_SERVER"] = server
    return subprocess.run(
        [sys.executable, "-m", "grouping.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.fixture(scope="module")
def forty_tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which a problem of forty tasks is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "forty.py").write_text(
        textwrap.dedent(
            """
            from grouping.domain.tasks import Task
            from grouping.problems.problem import Problem

            def load(seed):
                raise FileNotFoundError("the images are gone")

            def problem():
                tasks = tuple(Task.regression(f"task {i}") for i in range(40))
                return Problem(name="forty", title="Forty", description="Many.", tasks=tasks, loader=load)
            """
        )
    )
    info = folder / "forty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: forty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mtl_grouping.problems]\nforty = forty:problem\n")
    return {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, forty_tasks: dict[str, str]) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service"), environment=forty_tasks) as found:
        yield found


def test_a_table_becomes_a_verdict(running: Service, tmp_path: Path) -> None:
    file = tmp_path / "mines.csv"
    fields(2).to_csv(file, index=False)
    said = ["--task-column", "field", "--target", "mine:binary", "--seeds", "1", "--confirm", "1"]
    done = grouping("run", "--data", str(file), *said, "--epochs", "2", "--budget", "2", server=running.url)
    assert done.returncode == 0, done.stderr
    assert "Problem mines:" in done.stderr
    assert "field 1" in done.stdout
    assert "Budget 2:" in done.stdout
    busy = grouping("run", "--data", "mines", *said, "--detach", server=running.url)
    assert busy.returncode == 0, busy.stderr
    with Client(running.url) as client:
        client.job(busy.stdout.strip()).wait()
    assert grouping("data", "delete", "mines", "--server", running.url).returncode == 0
    assert grouping("data", "list", "--server", running.url).stdout.count("mines") == 0


def test_run_prints_progress_and_the_grouping_and_ends_with_the_result(running: Service) -> None:
    done = grouping("run", *SMALL, "--budget", "2", server=running.url)
    assert done.returncode == 0, done.stderr
    counts = [line.split()[1:4:2] for line in done.stdout.splitlines() if line.startswith("search: ")]
    assert counts[-1][0] == counts[-1][1], "the last line tells that the search is complete"
    assert "Budget 2: " in done.stdout


def test_a_service_makes_the_bundle_that_it_is_asked_for(running: Service, tmp_path: Path) -> None:
    done = grouping("run", *SMALL, "--budget", "1", "--json", server=running.url)
    job = json.loads(done.stdout)["job"]
    archive = tmp_path / "b.zip"
    refused = grouping("download", job["id"], "bundle", server=running.url)
    assert (refused.returncode, "--out bundle.zip" in refused.stderr) == (2, True)
    for told in ("trains the networks", ""):  # and then it is kept
        done = grouping("download", job["id"], "bundle", "--out", str(archive), server=running.url)
        assert (done.returncode, told in done.stderr, bool(done.stderr)) == (0, True, bool(told)), done.stderr
    with zipfile.ZipFile(archive) as files:
        files.extractall(tmp_path)
    assert list(load(tmp_path / "bundle").tasks) == job["spec"]["tasks"]


def test_run_prints_json_for_programs(running: Service) -> None:
    done = grouping("run", *SMALL, "--budget", "1", "--json", server=running.url)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["job"]["state"] == "succeeded"
    (recommendation,) = answer["recommendations"]
    assert recommendation["solution"]["status"] == "optimal"


def test_a_failed_job_ends_with_status_1_and_says_why(running: Service) -> None:
    done = grouping("run", "forty", "--task", "task 0", "--task", "task 1", server=running.url)
    assert done.returncode == 1
    assert "could not be loaded: FileNotFoundError: the images are gone" in done.stdout


def test_a_cancelled_job_ends_with_status_3_and_can_be_resumed(running: Service) -> None:
    with Client(running.url) as client:
        job = client.submit(problem="digits", recipe={"epochs": 200})
        wait_for(lambda: job.refresh().state is JobState.RUNNING, "the start of the job")
        assert grouping("cancel", job.id, server=running.url).returncode == 0
        done = grouping("show", job.id, server=running.url)
        assert done.returncode == 3
        assert grouping("resume", job.id, server=running.url).stdout.strip() == "queued"
        job.cancel()
        job.wait()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["unknown"], "There is no problem named 'unknown'. Known: breast-cancer"),
        (["digits", "--strategy", "greedy"], "There is no strategy named 'greedy'"),
        (["digits", "--task", "digit", "--task", "nose"], "nose"),
        (["digits", "--budget", "0"], "greater than 0"),
        (["digits", "--budget", "0.3"], "covers no complete set of tasks"),
        (["forty", "--strategy", "exhaustive"], "choose a strategy that generates its candidates: adaptive"),
        (["digits", "--seeds", "0"], "greater than or equal to 1"),
    ],
)
def test_bad_input_is_refused_with_what_to_do_and_nothing_is_stored(
    running: Service, arguments: list[str], says: str
) -> None:
    with Client(running.url) as client:
        before = len(client.request("GET", "/v1/jobs?page_size=200")["items"])
        done = grouping("run", *arguments, server=running.url)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
        assert len(client.request("GET", "/v1/jobs?page_size=200")["items"]) == before


def test_solve_answers_in_json_and_refuses_a_broken_file(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("network,size,cost,a,b\na,1,1,0.5,\nb,1,1,,0.5\na+b,1,1,0.6,0.4\n")
    done = grouping("solve", str(table), "--budget", "2", "--json")
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0
    assert (answer["status"], answer["loss"], answer["bound"], answer["cost_snt"]) == ("optimal", 0.9, 0.9, 2)
    assert answer["grouping"]["serving"] == {"a": "a", "b": "a+b"}
    assert answer["grouping"]["networks"][1]["helpers"] == ["a"]
    assert grouping("solve", str(table), "--budget", "0.5").returncode == 1
    assert grouping("solve", str(table), "--budget", "-1").returncode == 2
    table.write_text("network,size,cost,a,b\na,1,1,zero,\n")
    broken = grouping("solve", str(table), "--budget", "2")
    assert broken.returncode == 2
    assert "line 2" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_a_service_that_is_not_there_is_said_plainly() -> None:
    done = grouping("run", "digits", server="http://127.0.0.1:9")
    assert done.returncode == 4
    assert "grouping serve" in done.stderr


def test_the_service_refuses_to_listen_beyond_loopback_without_a_token(tmp_path: Path) -> None:
    done = grouping("serve", "--host", "0.0.0.0", "--home", str(tmp_path))
    assert done.returncode == 2
    assert "GROUPING_API_TOKEN" in done.stderr


def test_a_job_survives_the_death_of_api_dispatcher_and_ray_worker(running: Service) -> None:
    request: dict[str, Any] = {
        "problem": "digits",
        "strategy": {"name": "exhaustive"},
        "tasks": ["digit", "loop", "edges"],
        "budgets_snt": [1, 2],
        "n_confirmation_seeds": 2,
        "recipe": {"epochs": 12},
    }
    with Client(running.url) as client:
        undisturbed = client.submit(**request).wait()
        job = client.submit(**request)

        def wait_for_scores(n: int) -> None:
            wait_for(lambda: sum(row.succeeded for row in job.progress().rows) >= n, f"{n} scores")

        server = running.process.pid
        wait_for_scores(2)
        kill_descendant(server, "ray::TrainingActor")
        wait_for_scores(6)
        kill_descendant(server, "grouping.cli api")
        wait_for(lambda: find_descendant(server, "grouping.cli api") is not None, "a new API")
        wait_for(lambda: _answers(client), "the API's answer")
        wait_for_scores(8)
        kill_descendant(server, "grouping.cli dispatcher")
        job.wait()
        assert job.state is undisturbed.state is JobState.SUCCEEDED
        cells = job.scores()
        assert len(cells) == 15
        assert cells["validation.by_seed.2"].notna().all()
        assert cells.equals(undisturbed.scores()), "cell by cell"
        ours, theirs = job.recommendations(), undisturbed.recommendations()
        assert ours == theirs


def _answers(client: Client) -> bool:
    try:
        client.request("GET", "/v1/jobs")
    except Exception:  # noqa: BLE001  whatever it is, it does not answer yet
        return False
    return True


def test_a_killed_service_leaves_no_process_behind(tmp_path: Path) -> None:
    impatient = {"RAY_gcs_rpc_server_reconnect_timeout_s": "15"}  # a minute, unless it is told otherwise
    with service(tmp_path, environment=impatient) as running:
        wait_for(lambda: find_descendant(running.process.pid, "raylet/raylet") is not None, "Ray")
        below = descendants(running.process.pid)
        os.kill(running.process.pid, signal.SIGKILL)
        wait_for(lambda: not any(_is_alive(pid) for pid in below), "the end of every process", 75.0)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
