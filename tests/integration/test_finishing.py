"""Bundles that a service makes: asked for over HTTP, made by a real process of a dispatcher, killed."""

from __future__ import annotations

import os
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from grouping.artefacts.finishing import Finish, FinishState, FinishWanted
from grouping.artefacts.kept import KeptNetworks
from grouping.bundle import load
from grouping.client import Client, ServiceError
from grouping.domain.jobs.job import Job
from grouping.errors import BundleError
from grouping.store import Store, open_store
from grouping.store.rows import JobRow
from grouping_api.main import create_app
from grouping_api.settings import Settings
from grouping_workers.dispatch.finisher import Finisher
from tests.integration.conftest import Api
from tests.integration.test_finish import SPEC, carried_out
from tests.patience import wait_for
from tests.services import submit

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> str:
    """A database of this file's own."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(sqlite_template, folder / "grouping.db")
    return f"sqlite:///{folder / 'grouping.db'}"


@pytest.fixture(scope="module")
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def job(store: Store) -> Job:
    """A job on images of digits that has succeeded."""
    return carried_out(store, SPEC)


@pytest.fixture
def kept(tmp_path: Path) -> str:
    return str(tmp_path / "kept")


@pytest.fixture
def api(store: Store, url: str, kept: str) -> Api:
    return Api(create_app(Settings(database_url=url, kept=kept), store))


@contextmanager
def finisher(store: Store, url: str, kept: str, *, limit_s: float = 600.0) -> Iterator[Finisher]:
    """The part of a dispatcher that makes bundles; its leases are short."""
    found = Finisher(store, url, "one", kept, lease_s=1.5, limit_s=limit_s)
    yield found
    found.stop()


def step_until(found: Finisher, is_so: Callable[[], bool], what: str) -> None:
    def step() -> bool:
        found.step()
        return is_so()

    wait_for(step, what, 300.0)


def process_of(found: Finisher) -> int:
    assert found._process is not None
    assert found._process.process_id is not None
    return found._process.process_id


def state(store: Store, finish: Finish) -> FinishState:
    return store.get_finish(finish.job_id, finish.id).state


def told(store: Store, finish: Finish) -> list[str]:
    mine = (event for event in store.events(finish.job_id) if event.data.get("finish") == finish.id)
    return [event.kind.removeprefix("finish_") for event in mine]


def client_of(api: Api) -> Client:
    client = Client("http://127.0.0.1:1")
    client._http = TestClient(api.app, base_url=api.base_url)  # type: ignore[assignment]
    return client


def test_a_bundle_is_asked_for_over_http_made_after_a_kill_and_downloaded(
    api: Api, store: Store, url: str, job: Job, kept: str, tmp_path: Path
) -> None:
    page = api.get(f"/jobs/{job.id}").text
    assert f'data-post="/v1/jobs/{job.id}/finishes?budget_snt=2"' in page
    assert "data-open" not in page
    remote = client_of(api).job(job.id)
    asked = remote.finish(budget_snt=2, licence="CC0")
    assert remote.finish(licence="CC0").id == asked.id, "the only budget of the job, and the same again"
    page = api.get(f"/jobs/{job.id}").text
    assert "waits for a dispatcher" in page
    assert "data-open data-page" in page, "it follows what goes on"
    assert f"/v1/jobs/{job.id}/finishes/{asked.id}/cancel" in page
    finish = store.get_finish(job.id, asked.id)
    with finisher(store, url, kept) as making:
        step_until(making, lambda: state(store, finish) is FinishState.RUNNING, "its start")
        os.kill(process_of(making), signal.SIGKILL)
        step_until(making, lambda: state(store, finish).is_final, "its end")
    assert told(store, finish) == ["asked", "started", "lost", "started", "succeeded"]
    ended = remote.wait_for_bundle(asked, timeout_s=60)
    assert (ended.done, ended.total) in ((6, 6), (0, 0)), "of the last attempt, which finds what is kept"
    assert remote.finishes() == [ended]
    out = remote.download_bundle(tmp_path / "b.zip")
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path)
    bundle = load(tmp_path / "bundle")
    assert (bundle.manifest.is_exact, bundle.manifest.licence) == (True, "CC0")
    assert len(bundle.predict(np.zeros((2, 64)))) == 2
    page = api.get(f"/jobs/{job.id}").text
    assert f'href="/v1/jobs/{job.id}/bundle?budget_snt=2"' in page
    assert "data-open" not in page
    assert "Bundle kept" in page


def test_cancelling_ends_the_process_and_stopping_gives_it_back(
    api: Api, store: Store, url: str, job: Job, kept: str
) -> None:
    finish, _ = store.request_finish(job.id, FinishWanted(2.0, n_seeds=1))
    with finisher(store, url, kept) as making:
        step_until(making, lambda: state(store, finish) is FinishState.RUNNING, "its start")
    assert state(store, finish) is FinishState.QUEUED, "given back"
    with finisher(store, url, kept) as making:
        step_until(making, lambda: state(store, finish) is FinishState.RUNNING, "its start")
        cancelled = api.post(f"/v1/jobs/{job.id}/finishes/{finish.id[:20]}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
        step_until(making, lambda: making._process is None, "the end of its process")
    assert told(store, finish) == ["asked", "started", "started", "cancelled"]
    assert KeptNetworks(kept).list() == ()
    remote = client_of(api).job(job.id)
    with pytest.raises(BundleError, match="was cancelled"):
        remote.wait_for_bundle(remote.finishes()[0])


def test_what_takes_too_long_or_cannot_be_made_has_failed_and_says_why(
    api: Api, store: Store, url: str, job: Job, kept: str
) -> None:
    finish, _ = store.request_finish(job.id, FinishWanted(2.0, n_seeds=1))
    with finisher(store, url, kept, limit_s=0.0) as making:
        step_until(making, lambda: state(store, finish).is_final, "its end")
    assert told(store, finish) == ["asked", "started", "failed"]
    page = api.get(f"/jobs/{job.id}").text
    assert "could not be made: It took longer than 0 s." in page
    assert "Make bundle" in page, "it may be tried again"
    other = carried_out(store, SPEC)
    with store._database.writing() as session:  # as where the data are other ones by now
        session.execute(update(JobRow).where(JobRow.id == other.id).values(data_digest="0" * 64))
    finish, _ = store.request_finish(other.id, FinishWanted(2.0))
    with finisher(store, url, kept) as making:
        step_until(making, lambda: state(store, finish).is_final, "its end")
    remote = client_of(api).job(other.id)
    with pytest.raises(BundleError, match="not those that the job was trained on"):
        remote.wait_for_bundle(remote.finishes()[0])


def test_what_cannot_be_asked_for_is_refused_in_words(api: Api, store: Store, url: str, job: Job) -> None:
    def refused(query: str, status: int, said: str, job_id: str = job.id, of: Api = api) -> None:
        answer = of.post(f"/v1/jobs/{job_id}/finishes{query}")
        assert (answer.status_code, said in answer.text) == (status, True), answer.text

    refused("?budget_snt=0.1", 422, "0.1")
    refused("?budget_snt=nan", 422, "budget")
    refused("?seeds=0", 422, "seeds")
    refused("?rows=test", 422, "rows")
    refused("", 404, "f" * 32, "f" * 32)
    without = Api(create_app(Settings(database_url=url, kept=None), store))
    refused("", 409, "start it with --kept", of=without)
    waiting = submit(store, SPEC)
    refused("", 409, "wait for its end", waiting.id)
    store.request_cancel(waiting.id)
    first = api.post(f"/v1/jobs/{job.id}/finishes?seeds=2")
    assert first.headers["location"] == f"/v1/jobs/{job.id}/finishes/{first.json()['id']}"
    assert api.get(first.headers["location"]).json() == first.json()
    refused("?seeds=3", 409, "being made already, in another way")
    with pytest.raises(ServiceError, match="being made already"):
        client_of(api).job(job.id).finish(again=True)
    assert api.get(f"/v1/jobs/{job.id}/finishes/{'f' * 32}").status_code == 404
    remote = client_of(api).job(job.id)
    assert remote.cancel_finish(remote.finishes()[0]).state is FinishState.CANCELLED
    assert "POST /v1/jobs" in api.get(f"/v1/jobs/{job.id}/bundle").json()["detail"]
