"""What trainings tell, over HTTP and on the command line."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.client import Client
from grouping.domain.networks import Network
from grouping.domain.trainings.progress import Progress
from grouping.errors import InvalidInputError
from grouping.store import Store, TrialReport
from grouping.wire.jobs import TrialLogOut, TrialProgressOut
from grouping_api.web import trial_pages
from grouping_api.web.trial_pages import short_name
from tests.integration.conftest import Api, Scenes, outcome_of, server
from tests.integration.test_api_web import page

LONG = [f"a task with a name of a length, {number}" for number in range(27)]

POINTS = (Progress(1, {"validation.depth": 0.5}), Progress(2, {"validation.depth": 0.25, "rate": 0.1}))


def told(scenes: Scenes) -> tuple[str, str]:
    """A job with a trial that told something, and that trial."""
    job = scenes.running()
    claim = scenes.claims[job.id]
    trial = scenes.store.trials(job.id)[0]
    scenes.store.start_trial(claim, trial.id)
    scenes.store.report_progress(claim, {trial.id: TrialReport(POINTS, "epoch 1\nepoch 2 [red]\n")})
    return job.id, trial.id


def test_curves_and_log_of_a_training_are_read_while_it_runs(api: Api, scenes: Scenes) -> None:
    job_id, trial_id = told(scenes)
    address = f"/v1/jobs/{job_id}/trials/{trial_id[:-1]}"
    progress = TrialProgressOut.model_validate_json(api.get(f"{address}/progress").content)
    assert [(point.step, point.values) for point in progress.items] == [
        (point.step, point.values) for point in POINTS
    ]
    log = TrialLogOut.model_validate_json(api.get(f"{address}/log").content)
    assert (log.text, log.dropped) == ("epoch 1\nepoch 2 [red]\n", 0)


@pytest.mark.parametrize("what", ["log", "progress"])
def test_a_training_of_another_job_is_not_found(api: Api, scenes: Scenes, what: str) -> None:
    job_id, trial_id = told(scenes)
    other = scenes.running()
    for path in (f"{other.id}/trials/{trial_id}", f"{job_id}/trials/{'0' * 32}", f"{job_id}/trials/x"):
        assert api.get(f"/v1/jobs/{path}/{what}").status_code == 404


def test_what_a_training_keeps_is_told_with_it(api: Api, scenes: Scenes) -> None:
    job_id, trial_id = told(scenes)
    trial = scenes.store.trials(job_id)[0]
    outcome = replace(outcome_of(trial), artefact="s3://kept")
    scenes.store.record_outcome(scenes.claims[job_id], trial_id, outcome)
    items = api.get(f"/v1/jobs/{job_id}/trials").json()["items"]
    assert [item["artefact"] for item in items][:2] == ["s3://kept", None]


def test_the_page_of_a_training_shows_its_curves_and_its_log_escaped(api: Api, scenes: Scenes) -> None:
    job_id, trial_id = told(scenes)
    claim = scenes.claims[job_id]
    scenes.store.report_progress(claim, {trial_id: TrialReport(log="<script>alert(1)</script>\n")})
    shown = page(api, f"/jobs/{job_id}/trials/{trial_id[:-1]}")
    assert "validation.depth" in shown
    assert "<polyline" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    listed = page(api, f"/jobs/{job_id}/trials")
    assert f"/jobs/{job_id}/trials/{trial_id}" in listed
    other = scenes.store.trials(job_id)[1].id
    assert "printed nothing" in page(api, f"/jobs/{job_id}/trials/{other}")
    page(api, f"/jobs/{job_id}/trials/{'0' * 32}", 404)


def test_trainings_are_listed_page_by_page(api: Api, scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    job = scenes.running()
    ids = [trial.id for trial in scenes.store.trials(job.id)]
    monkeypatch.setattr(trial_pages, "TRIALS_PER_PAGE", 15)
    listed = []
    for number, said in enumerate(("1 to 15", "16 to 30", f"31 to {len(ids)}"), 1):
        text = page(api, f"/jobs/{job.id}/trials?page={number}")
        assert f"{said} of {len(ids)} trainings" in text
        assert (f'href="?page={number + 1}"' in text) == (number < 3)
        listed += re.findall(rf"/jobs/{job.id}/trials/(\w+)", text)
    assert sorted(listed) == sorted(ids)


def test_a_training_that_failed_shows_its_last_lines_and_comes_first_in_the_list(
    api: Api, scenes: Scenes
) -> None:
    job = scenes.running()
    last = scenes.store.trials(job.id)[-1]
    failed = replace(outcome_of(last, is_failed=True), error="exit status 3\n<last line>")
    scenes.store.start_trial(scenes.claims[job.id], last.id)
    scenes.store.record_outcome(scenes.claims[job.id], last.id, failed)
    assert "exit status 3\n&lt;last line&gt;" in page(api, f"/jobs/{job.id}/trials/{last.id}")
    listed = page(api, f"/jobs/{job.id}/trials")
    assert listed.index(last.id) == min(listed.index(trial.id) for trial in scenes.store.trials(job.id))


@pytest.mark.parametrize(
    ("network", "shown"),
    [
        (Network.of("a", "b"), "a+b"),
        (Network.of(*LONG), "All 27 tasks"),
        (Network.of(*LONG[1:4], size=0.5), f"{LONG[1]} and 2 other tasks, size 0.5"),
        (Network.of("x" * 100), "x" * 100),
    ],
)
def test_a_network_with_a_long_name_is_told_by_the_number_of_its_tasks(network: Network, shown: str) -> None:
    assert short_name(network, LONG if len(network.group) > 2 else sorted(network.group)) == shown


@pytest.mark.slow
class TestCommandLine:
    @pytest.fixture
    def address(self, store: Store, sqlite_url: str, tmp_path: Path) -> Iterator[str]:
        with server(sqlite_url, tmp_path / "api.log") as (found, _):
            yield found

    def test_logs_lists_trainings_and_shows_one_by_the_beginning_of_its_identifier(
        self, address: str, scenes: Scenes
    ) -> None:
        job_id, trial_id = told(scenes)
        at = ["--server", address]
        listed = CliRunner().invoke(app, ["logs", job_id, *at], env={"COLUMNS": "200"})
        assert trial_id in listed.stdout
        assert "running" in listed.stdout
        shown = CliRunner().invoke(app, ["logs", job_id, trial_id[:20], *at])
        assert shown.stdout == "epoch 1\nepoch 2 [red]\n"
        as_json = CliRunner().invoke(app, ["logs", job_id, trial_id, "--json", *at])
        assert json.loads(as_json.stdout) == {"text": "epoch 1\nepoch 2 [red]\n", "dropped": 0}
        claim = scenes.claims[job_id]

        def end() -> None:
            scenes.store.report_progress(claim, {trial_id: TrialReport(log="epoch 3\n")})
            scenes.store.record_outcome(claim, trial_id, outcome_of(scenes.store.trials(job_id)[0]))

        timer = threading.Timer(1.5, end)
        timer.start()
        followed = CliRunner().invoke(app, ["logs", job_id, trial_id, "--follow", *at])
        timer.join()
        assert followed.stdout == "epoch 1\nepoch 2 [red]\nepoch 3\n"
        refused = CliRunner().invoke(app, ["logs", job_id, "--follow", *at])
        assert "name it" in str(refused.exception)
        refused = CliRunner().invoke(app, ["logs", job_id, "", *at])
        assert isinstance(refused.exception, InvalidInputError)
        with Client(address) as client:
            points = client.job(job_id).trial_progress(trial_id)
        assert [(point.step, point.values) for point in points] == [
            (point.step, point.values) for point in POINTS
        ]
