"""Webhooks, told to a process of their own: signed, again after failures, never elsewhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from grouping.cli import app
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.webhooks import MAX_ATTEMPTS, AllowedWebhooks, Signer
from grouping.errors import StoreUnavailableError
from grouping.store import Delivery, Store
from grouping_workers.dispatch.notifier import Notifier
from tests.integration.conftest import Api, Scenes, server
from tests.patience import wait_for
from tests.services import dispatcher, free_port

SECRET = "a secret of the two of us"
TELL_AND_WAIT = (
    "import sys\n"
    "from grouping.store import open_store\n"
    "from grouping_workers.dispatch.notifier import notifier_of\n"
    "notifier_of(open_store(sys.argv[1])).step()\n"
)
RECEIVER = Path(__file__).parents[1] / "receiver.py"


@dataclass
class Receiver:
    """A receiver of webhooks that runs."""

    url: str
    log: Path

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What has come."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@contextmanager
def receiver(folder: Path, *answers: int | str) -> Iterator[Receiver]:
    """A receiver that answers so."""
    log = folder / f"requests-{len([*folder.iterdir()])}"
    started = subprocess.Popen(
        [sys.executable, RECEIVER, log, ",".join(map(str, answers))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    try:
        yield Receiver(f"http://127.0.0.1:{int(started.stdout.readline())}", log)
    finally:
        started.kill()
        started.communicate()


def cancelled(store: Store, scenes: Scenes, *addresses: str) -> Job:
    """A job that has ended and names these addresses."""
    job = scenes.submitted(notify=addresses)
    store.request_cancel(job.id)
    return job


def notifier(store: Store, *allowed: str) -> Notifier:
    return Notifier(store, AllowedWebhooks(allowed), Signer(SECRET))


def make_due(store: Store) -> None:
    """Let no attempt wait for its time."""
    with store._database.writing() as session:
        session.execute(text("UPDATE deliveries SET due_s = 0"))


def told(store: Store, job: Job) -> list[tuple[str, int, object]]:
    return [
        (event.kind, event.data["attempts"], event.data.get("status") or event.data["reason"])
        for event in store.events(job.id)
        if event.kind.startswith("webhook")
    ]


def signature_of(request: dict[str, Any]) -> str:
    """The signature that a receiver computes by itself."""
    headers = {name.lower(): value for name, value in request["headers"].items()}
    signed = ".".join((headers["webhook-id"], headers["webhook-timestamp"], request["body"]))
    digest = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def test_an_address_is_told_of_the_end_of_a_job_with_a_signature(
    store: Store, scenes: Scenes, tmp_path: Path
) -> None:
    with receiver(tmp_path, 204) as there:
        job = scenes.finished(notify=(f"{there.url}/a?b=c",), name="näme")
        work = notifier(store, there.url)
        assert work.step()
        assert not work.step()
        (request,) = there.requests
    assert request["path"] == "/a?b=c"
    assert request["headers"]["webhook-signature"] == signature_of(request)
    body = json.loads(request["body"])
    ended = store.get_job(job.id)
    assert body["type"] == "job.ended"
    assert body["data"] == {
        "id": job.id,
        "name": "näme",
        "state": "succeeded",
        "stop_reason": "search_complete",
        "error": None,
        "is_degraded": False,
    }
    assert ended.finished_s is not None
    assert told(store, job) == [("webhook_delivered", 1, 204)]


def test_what_fails_is_tried_again_and_redirects_are_not_followed(
    store: Store, scenes: Scenes, tmp_path: Path
) -> None:
    with receiver(tmp_path, 500, 302, 404, 200) as there:
        job = cancelled(store, scenes, f"{there.url}/hook")
        work = notifier(store, there.url)
        for _ in range(4):
            assert work.step()
            assert not work.step(), "the next attempt waits"
            make_due(store)
        assert not work.step()
        assert [one["path"] for one in there.requests] == ["/hook"] * 4
        assert len({one["headers"]["webhook-id"] for one in there.requests}) == 1
    assert told(store, job) == [("webhook_delivered", 4, 200)]


@pytest.mark.parametrize(
    ("nobody", "says"),
    [("", "ConnectError"), ("http://a..b/hook", "Unicode"), (f"http://{'a' * 70}.example/hook", "Unicode")],
)
def test_an_address_that_is_never_there_is_given_up_with_the_reason(
    store: Store, scenes: Scenes, api: Api, nobody: str, says: str
) -> None:
    nobody = nobody or f"http://127.0.0.1:{free_port()}/hook"
    job = cancelled(store, scenes, nobody)
    work = notifier(store, nobody)
    for _ in range(MAX_ATTEMPTS):
        assert work.step()
        make_due(store)
    assert not work.step()
    ((kind, attempts, reason),) = told(store, job)
    assert (kind, attempts) == ("webhook_given_up", MAX_ATTEMPTS)
    assert says in str(reason)
    page = api.get(f"/jobs/{job.id}", headers={"Accept": "text/html"}).text
    assert "Webhook could not be told of the end" in page


def test_an_address_that_is_no_longer_allowed_is_not_asked(
    store: Store, scenes: Scenes, tmp_path: Path
) -> None:
    with receiver(tmp_path, 200) as there:
        job = cancelled(store, scenes, f"{there.url}/hook")
        assert notifier(store, f"{there.url}/other").step()
        assert there.requests == []
    ((kind, attempts, reason),) = told(store, job)
    assert (kind, attempts) == ("webhook_given_up", 1)
    assert "may not be sent" in str(reason)


def test_what_was_told_and_not_recorded_is_told_again_as_the_same(
    store: Store, scenes: Scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(delivery: Delivery, status: int) -> None:
        raise StoreUnavailableError("gone")

    with receiver(tmp_path, 200) as there:
        job = cancelled(store, scenes, f"{there.url}/hook")
        work = notifier(store, there.url)
        with monkeypatch.context() as patched:
            patched.setattr(store, "record_delivered", away)
            with pytest.raises(StoreUnavailableError):
                work.step()
        assert not work.step(), "its lease lasts"
        make_due(store)
        assert work.step()
        first, second = there.requests
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    assert first["body"] == second["body"]
    assert told(store, job) == [("webhook_delivered", 2, 200)]


def test_jobs_name_webhooks_over_http_in_the_form_and_in_clones_where_they_are_allowed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "https://hooks.example/grouping/ml"
    asked: dict[str, Any] = {"problem": "digits", "notify": [address]}
    refused = api.post("/v1/jobs", json=asked)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/notify/0"
    assert "GROUPING_WEBHOOKS" in refused.json()["detail"]
    monkeypatch.setenv("GROUPING_WEBHOOKS", "https://hooks.example/grouping/")
    job = api.post("/v1/jobs", json=asked).json()
    assert job["spec"]["notify"] == [address]
    assert api.post(f"/v1/jobs/{job['id']}/clone", json={}).json()["spec"]["notify"] == [address]
    assert api.post(f"/v1/jobs/{job['id']}/clone", json={"notify": []}).json()["spec"]["notify"] == []
    form = api.get("/jobs/new?problem=digits", headers={"Accept": "text/html"}).text
    assert 'name="notify"' in form
    other = api.post("/v1/jobs", json=asked | {"notify": ["https://169.254.169.254/latest"]})
    assert other.status_code == 422
    monkeypatch.delenv("GROUPING_WEBHOOKS")
    assert api.post(f"/v1/jobs/{job['id']}/clone", json={}).json()["errors"][0]["pointer"] == "/notify/0"


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_whoever_is_killed_while_it_tells_is_followed_by_a_dispatcher_that_tells_again(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with receiver(tmp_path, "hang", 200) as there:
        with server(sqlite_url, tmp_path / "api.log", GROUPING_WEBHOOKS=there.url) as (url, _):
            asked = ("run", "digits", "--notify", f"{there.url}/hook", "--detach", "--server", url, "--json")
            job = json.loads(run(*asked))["id"]
            run("cancel", job, "--server", url)
        secrets = {"GROUPING_WEBHOOKS": there.url, "GROUPING_WEBHOOK_SECRET": SECRET}
        first = subprocess.Popen(
            [sys.executable, "-c", TELL_AND_WAIT, sqlite_url], env={**os.environ, **secrets}
        )
        try:
            wait_for(lambda: len(there.requests) == 1, "the first attempt")
        finally:
            first.kill()
            first.wait()
        make_due(store)
        options = ("--webhooks", there.url, "--webhook-secret-file", str(secret))
        with dispatcher(sqlite_url, tmp_path / "log", *options, workers=1):
            wait_for(lambda: bool(told(store, store.get_job(job))), "the record")
        first_try, second_try = there.requests
    assert first_try["headers"]["webhook-id"] == second_try["headers"]["webhook-id"]
    assert second_try["headers"]["webhook-signature"] == signature_of(second_try)
    assert told(store, store.get_job(job)) == [("webhook_delivered", 2, 200)]
