"""What another trainer has kept of the recommended networks: listed over HTTP, shown on the page, copied."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import select
from starlette.testclient import TestClient

from grouping.artefacts.kept import KeptNetworks
from grouping.cli.output.recommendations import show_artefacts
from grouping.client import Client
from grouping.domain.jobs.job import Job
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.errors import BundleError, InvalidInputError
from grouping.store import Store
from grouping.store.rows import JobRow, TrialRow
from grouping.trainers.external import ExternalParameters
from grouping.use_cases.artefacts import CONTENTS
from grouping.use_cases.finish import finish, recommended
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.integration.conftest import Api
from tests.integration.test_finish import SPEC, carried_out, command, home, store

pytestmark = pytest.mark.usefixtures("one_thread")
__all__ = ["home", "store"]


@pytest.fixture(scope="module")
def job(store: Store, home: Path) -> Job:
    """A job as a trainer elsewhere leaves it, which keeps a folder of each confirming training."""
    done = carried_out(store, SPEC)
    with store._database.writing() as session:
        row = session.get_one(JobRow, done.id)
        row.spec = {**row.spec, "trainer": "external", "trainer_parameters": asdict(ExternalParameters("v1"))}
        for trial in session.scalars(select(TrialRow).where(TrialRow.job_id == done.id)):
            if trial.state == TrialState.SUCCEEDED and trial.purpose == Purpose.CONFIRMATION:
                folder = home / "runs" / trial.id
                (folder / "checkpoints").mkdir(parents=True)
                (folder / "checkpoints" / "last.pt").write_bytes(trial.id.encode())
                (folder / "config.yaml").write_text("lr: 1\n")
                trial.artefact = str(folder)
    return store.get_job(done.id)


@pytest.fixture
def api(store: Store, home: Path) -> Api:
    return Api(
        create_app(Settings(database_url=f"sqlite:///{home / 'grouping.db'}", kept=str(home / "kept")), store)
    )


def test_they_are_listed_by_network_over_http_and_on_the_page(api: Api, store: Store, job: Job) -> None:
    client = Client("http://127.0.0.1:1")
    client._http = TestClient(api.app, base_url=api.base_url)  # type: ignore[assignment]
    listed = client.job(job.id).artefacts()
    grouping = recommended(store, job.id).grouping
    assert [one.network for one in listed] == [n.name(job.spec.tasks) for n in grouping.networks]
    assert sorted(task for one in listed for task in one.serves) == sorted(job.spec.tasks)
    page = api.get(f"/jobs/{job.id}").text
    for one in listed:
        assert [training.seed for training in one.trainings] == list(job.spec.confirmation_seeds)
        for training in one.trainings:
            assert Path(training.artefact).is_dir()
            assert training.artefact in page
            assert f"/jobs/{job.id}/trials/{training.trial}" in page
    assert "Make bundle" not in page
    console = Console(file=io.StringIO(), width=80)
    show_artefacts(console, client.job(job.id), client.job(job.id).recommendations())
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(f"{one.network} in {one.trainings[0].artefact} and 2 more" in printed for one in listed)
    refused = api.post(f"/v1/jobs/{job.id}/finishes")
    assert (refused.status_code, "networks of the built-in trainer" in refused.text) == (409, True)
    assert api.get(f"/v1/jobs/{job.id}/artefacts?budget_snt=0.1").status_code == 422


def test_they_are_copied_with_who_serves_what(home: Path, store: Store, job: Job, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=f"grouping export {job.id} --budget 2 --out FOLDER copies"):
        finish(store, recommended(store, job.id), KeptNetworks(str(tmp_path / "kept")))
    out = tmp_path / "out"
    done = command(home, "export", job.id, "--budget", "2", "--out", str(out))
    assert done.exit_code == 0, done.output
    told = json.loads((out / CONTENTS).read_text())
    assert sorted(task for one in told["networks"] for task in one["serves"]) == sorted(job.spec.tasks)
    trials = {trial.artefact: trial for trial in store.trials(job.id)}
    for one in told["networks"]:
        chosen = trials[one["artefact"]]
        assert (out / one["folder"] / "checkpoints" / "last.pt").read_text() == chosen.id
        assert (out / one["folder"] / "config.yaml").exists()

        def loss(trial: object, serves: tuple[str, ...] = tuple(one["serves"])) -> float:
            return sum(s.validation_loss for s in trial.scores if s.task in serves)  # type: ignore[attr-defined]

        rivals = [t for t in trials.values() if t.artefact and t.network.key == chosen.network.key]
        assert loss(chosen) == min(map(loss, rivals))
    again = command(home, "export", job.id, "--out", str(out))
    assert isinstance(again.exception, BundleError)
    assert "not empty" in str(again.exception)


def test_what_cannot_be_copied_is_named(home: Path, store: Store, job: Job, tmp_path: Path) -> None:
    (home / "runs").rename(home / "away")
    try:
        done = command(home, "export", job.id, "--out", str(tmp_path / "out"))
    finally:
        (home / "away").rename(home / "runs")
    assert isinstance(done.exception, BundleError)
    assert str(home / "runs") in str(done.exception)
    assert "cannot be copied" in str(done.exception)
