"""A job is priced on the command line without a service, as a service would price it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from grouping.cli import app
from grouping.problems.registry import get_problem
from grouping.wire.estimates import EstimateOut
from tests.frames import fields
from tests.integration.conftest import Api, Scenes
from tests.recipes import by
from tests.unit.test_base_install import COMMAND
from tests.unit.test_base_install import run as run_base

TASKS = ("digit", "loop", "edges")
ASKED = ["digits", *(word for task in TASKS for word in ("--task", task)), "--seeds", "2"]
REQUEST: dict[str, Any] = {"problem": "digits", "tasks": list(TASKS), "n_seeds": 2}


def dry_run(*options: str, home: Path) -> Result:
    arguments = ["run", *ASKED, *options, "--dry-run", "--home", str(home)]
    return CliRunner().invoke(app, arguments, env={"GROUPING_SERVER": None, "GROUPING_DATABASE_URL": None})


def told(*options: str, home: Path) -> EstimateOut:
    done = dry_run(*options, "--json", home=home)
    assert done.exit_code == 0, done.output
    return EstimateOut.model_validate_json(done.stdout)


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ([], {}),
        (
            ["--max-trainings", "9", "--confirm", "1"],
            {"training_budget": {"trainings": 9}, "n_confirmation_seeds": 1},
        ),
        (["--strategy", "hoa", "--epochs", "4"], {"strategy": {"name": "hoa"}, "recipe": {"epochs": 4}}),
    ],
)
def test_it_tells_what_the_service_on_the_same_database_tells(
    api: Api, scenes: Scenes, tmp_path: Path, options: list[str], more: dict[str, Any]
) -> None:
    known = scenes.finished(TASKS, trainer_parameters=by(get_problem("digits").recipe))
    answer = api.post("/v1/jobs/estimate", json={**REQUEST, **more, "reuse_jobs": [known.id]})
    here = told(*options, "--reuse", known.id, home=tmp_path)
    assert here == EstimateOut.model_validate_json(answer.content)
    assert here.basis.jobs == 1
    assert here.reuse is not None


def test_times_are_those_of_the_database_and_without_one_it_says_so(scenes: Scenes, tmp_path: Path) -> None:
    scenes.finished(TASKS, trainer_parameters=by(get_problem("digits").recipe))
    timed = dry_run(home=tmp_path)
    assert (timed.exit_code, timed.stderr) == (0, "")
    assert "finished trainings in 1 job." in timed.stdout
    elsewhere = dry_run(home=tmp_path / "nowhere")
    assert elsewhere.exit_code == 0
    assert "There is no database in" in elsewhere.stderr
    assert "There is no basis for a time yet" in elsewhere.stdout
    assert not (tmp_path / "nowhere").exists(), "a price leaves nothing behind"


def test_what_a_service_would_refuse_is_refused_with_the_same_words(api: Api, tmp_path: Path) -> None:
    for options, more in (
        (["--weight", "digit=-1"], {"weights": {"digit": -1.0}}),
        (["--strategy", "none"], {"strategy": {"name": "none"}}),
        (["--budget", "0.1"], {"budgets_snt": [0.1]}),
        (["--reuse", "0" * 32], {"reuse_jobs": ["0" * 32]}),
    ):
        done = dry_run(*options, home=tmp_path)
        refused = api.post("/v1/jobs/estimate", json={**REQUEST, **more}).json()
        assert str(done.exception) == refused["detail"]
        assert getattr(done.exception, "pointer", None) == refused["errors"][0]["pointer"]


def test_the_base_prices_a_job_and_needs_an_extra_only_to_read_a_database(
    sqlite_url: str, tmp_path: Path
) -> None:
    empty = run_base(COMMAND, "run", *ASKED, "--dry-run", "--home", str(tmp_path / "nowhere"))
    assert (empty.returncode, "adaptive takes" in empty.stdout) == (0, True), empty.stderr
    done = run_base(COMMAND, "run", *ASKED, "--dry-run", "--home", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith('pip install "mtl-grouping[api]"')


def test_a_service_that_is_named_is_asked(tmp_path: Path) -> None:
    done = dry_run("--server", "http://127.0.0.1:9", home=tmp_path)
    assert "does not answer" in str(done.exception)


def test_groups_of_many_sizes_share_a_row(tmp_path: Path) -> None:
    fields(12).to_csv(tmp_path / "mines.csv", index=False)
    asked = [
        "--data",
        str(tmp_path / "mines.csv"),
        "--task-column",
        "field",
        "--target",
        "mine",
        "--budget",
        "2",
    ]
    done = CliRunner().invoke(app, ["run", *asked, "--dry-run", "--home", str(tmp_path)])
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("search ")]
    assert [row[1:5] for row in rows] == [["1", "0.5", "100", "%"], ["1", "to", "12", "1"]]
    assert rows[1][-4:] == ["3", "to", "12,285", "-"]  # three seeds of all tasks, or of all 2^12 - 1 groups
