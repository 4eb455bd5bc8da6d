"""The command that shows an affinity matrix, against an API process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grouping.cli import app, main
from grouping.client import Client, ServiceError
from grouping.domain.affinities.methods import METHODS
from grouping.errors import InvalidInputError
from grouping.store import Store
from tests.integration.conftest import NAMES, Scenes, server
from tests.integration.test_api_overlap import masked
from tests.integration.test_api_pairs import NEW_TRAININGS, part_trained

pytestmark = pytest.mark.slow


@pytest.fixture
def address(store: Store, sqlite_url: str, tmp_path: Path) -> Iterator[str]:
    with server(sqlite_url, tmp_path / "api.log") as (found, _):
        yield found


def test_an_overlap_is_shown_on_the_terminal_and_given_to_the_python_client(
    address: str, scenes: Scenes
) -> None:
    job, plain = masked(scenes), scenes.running()
    wanted = ["affinity", job.id, "--method", "overlap", "--server", address]
    shown = CliRunner().invoke(app, wanted)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0] == "depth and normals overlap most (0.61); depth and edges least (0.11)."
    assert lines[1].split() == ["source", *NAMES]
    assert lines[3].split() == ["normals", "0.61", "±", "0.01", "0.16", "±", "0.01", "0.26", "±", "0.01"]
    assert METHODS["overlap"].meaning in lines[-1]
    answer = json.loads(CliRunner().invoke(app, [*wanted, "--json"]).stdout)
    with Client(address) as client:
        frame = client.job(job.id).affinity("overlap")
        with pytest.raises(ServiceError, match="needs the sharing sparse") as caught:
            client.job(plain.id).affinity("overlap")
    assert caught.value.status == 409
    assert frame.loc["depth", "normals"] == answer["values"][0][1] == pytest.approx(0.61)
    assert {
        name: frame.attrs[name] for name in ("standard_errors", "n_networks", "at_random", "meaning")
    } == {name: answer[name] for name in ("standard_errors", "n_networks", "at_random", "meaning")}


def test_a_pair_that_was_not_measured_is_a_dash_and_warnings_stand_below(
    address: str, scenes: Scenes
) -> None:
    job = scenes.running()
    scenes.train(job, 1)
    shown = CliRunner().invoke(app, ["affinity", job.id, "--server", address])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[0] == "No network with two tasks has been trained."
    assert shown.stdout.splitlines()[2].split() == ["depth", "-", "-", "-"]
    assert "--measure-missing" not in shown.stdout, "the job is not over"


def test_estimates_are_marked_and_the_command_that_measures_the_rest_is_the_one_to_type(
    address: str, scenes: Scenes
) -> None:
    running, job = part_trained(scenes, is_over=False), part_trained(scenes)
    runner = CliRunner()
    shown = runner.invoke(app, ["affinity", job.id, "--server", address])
    assert shown.exit_code == 0, shown.output
    assert "Of 6 effects 1 measured and 5 estimated." in shown.stdout.splitlines()[0]
    row = shown.stdout.splitlines()[3].split()
    assert row[0] == "loop"
    assert row[1][0] in "+-", "measured"
    assert any(cell.startswith("~") for cell in row), "estimated"
    assert "Not measured at full size: 2 single tasks (loop, edges)" in shown.stdout
    assert f"takes {NEW_TRAININGS} trainings" in shown.stdout
    (command,) = re.findall(r"Do it: grouping (.*)", shown.stdout)
    done = runner.invoke(app, [*command.split(), "--detach", "--server", address])
    assert done.exit_code == 0, done.output
    assert scenes.store.get_job(done.stdout.strip()).spec.reuse_jobs == (job.id,)
    with Client(address) as client:
        found = client.job(job.id)
        assert found.affinity().attrs["missing"]["n_trainings"] == NEW_TRAININGS
        assert found.affinity().attrs["statuses"][1][0] == "measured"
        made = found.measure_pairs(idempotency_key="once")
        assert found.measure_pairs(idempotency_key="once").id == made.id
        with pytest.raises(InvalidInputError, match="no group of two tasks"):
            client.job(part_trained(scenes, max_group_size=1).id).measure_pairs()
        with pytest.raises(InvalidInputError, match="when this job is over"):
            client.job(running.id).measure_pairs()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--detach"], "--detach goes with --measure-missing"),
        (["--measure-missing", "--method", "estimate"], "--measure-missing takes no --method"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    options: list[str], reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["grouping", "affinity", "0" * 26, *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err
