"""Events over HTTP: pages and server-sent events, from a real server where it must wait."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy.pool import QueuePool

from grouping.domain.jobs.job import JobState
from grouping.store import Store
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.integration.conftest import Api, Scenes
from tests.patience import wait_for

STREAM = {"Accept": "text/event-stream"}


def messages(lines: Iterator[str]) -> Generator[dict[str, str], None, None]:
    """Server-sent events, each as its fields; comments under an empty name."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if fields:
                yield fields
            fields = {}
        else:
            name, _, value = line.partition(":")
            fields[name] = value.strip()


class Server(uvicorn.Server):
    """A server in a thread; where signals cannot reach it, the test tells the application itself."""

    @contextmanager
    def serving(self) -> Iterator[str]:
        thread = threading.Thread(target=self.run)
        thread.start()
        wait_for(lambda: self.started, "the start of the server")
        port = self.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            self.should_exit = True
            thread.join()


@contextmanager
def served(store: Store, **settings: Any) -> Iterator[str]:
    app = create_app(Settings.model_validate({"event_poll_s": 0.05, **settings}), store)
    config = uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=5)
    with Server(config).serving() as url:
        yield url


def test_events_are_paged_by_number(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    first = api.get(f"/v1/jobs/{job.id}/events", params={"limit": 3}).json()
    assert [event["number"] for event in first["items"]] == [1, 2, 3]
    second = api.get(f"/v1/jobs/{job.id}/events", params={"after": first["next_after"], "limit": 2}).json()
    assert [event["number"] for event in second["items"]] == [4, 5]
    assert second["state"] == "succeeded"


def test_the_stream_of_a_finished_job_ends_with_its_state(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    answer = api.get(f"/v1/jobs/{job.id}/events", headers=STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    seen = [message for message in messages(iter(answer.text.split("\n"))) if "data" in message]
    numbers = [int(message["id"]) for message in seen[:-1]]
    assert numbers == list(range(1, len(scenes.store.events(job.id)) + 1))
    assert (seen[-1]["event"], json.loads(seen[-1]["data"])) == ("end", {"state": "succeeded"})


def test_a_stream_goes_on_after_the_last_event_seen(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    last = scenes.store.events(job.id)[-1].number
    headers = {**STREAM, "Last-Event-ID": str(last - 1)}
    answer = api.get(f"/v1/jobs/{job.id}/events?after=0", headers=headers)
    assert [m["id"] for m in messages(iter(answer.text.split("\n"))) if "id" in m] == [str(last)]


@pytest.mark.parametrize("number", ["-1", "x", "9" * 30, "1.5"])
def test_a_last_event_that_is_no_number_is_refused(api: Api, scenes: Scenes, number: str) -> None:
    job = scenes.submitted()
    answer = api.get(f"/v1/jobs/{job.id}/events", headers={**STREAM, "Last-Event-ID": number})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"].lower() == "last-event-id"


def test_the_stream_of_a_job_that_does_not_exist_is_a_problem(api: Api) -> None:
    assert api.get(f"/v1/jobs/{'0' * 32}/events", headers=STREAM).status_code == 404


def test_a_stream_sends_what_happens_while_it_is_open(store: Store, scenes: Scenes) -> None:
    job = scenes.running()
    after = store.events(job.id)[-1].number
    with (
        served(store, heartbeat_s=0.2) as url,
        httpx.stream(
            "GET", f"{url}/v1/jobs/{job.id}/events?after={after}", headers=STREAM, timeout=None
        ) as answer,
        closing(messages(answer.iter_lines())) as stream,
    ):
        assert next(stream) == {"retry": "2000"}
        assert next(stream) == {"": "still here"}
        scenes.train(job, 1)
        happened = (json.loads(message["data"]) for message in stream if "id" in message)
        assert next(happened)["kind"] == "trial_started"
        assert next(happened)["kind"] == "trial_succeeded"
        store.enter_state(scenes.claims[job.id], JobState.FAILED, error="enough")
        assert next(happened)["kind"] == "job_failed"
        assert next(stream)["event"] == "end"
        assert next(stream, None) is None


def test_a_stream_ends_when_its_job_is_deleted(store: Store, scenes: Scenes) -> None:
    job = scenes.submitted()
    after = store.events(job.id)[-1].number
    with (
        served(store) as url,
        httpx.stream(
            "GET", f"{url}/v1/jobs/{job.id}/events?after={after}", headers=STREAM, timeout=None
        ) as answer,
        closing(messages(answer.iter_lines())) as stream,
    ):
        next(stream)
        store.request_cancel(job.id)
        store.delete_job(job.id)
        assert [m for m in stream if "event" in m][-1]["event"] == "end"


def test_a_waiting_stream_holds_no_transaction(
    store: Store, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = scenes.submitted()
    inside = threading.Semaphore(0)
    look = store.events

    def counted(*arguments: Any, **options: Any) -> Any:
        found = look(*arguments, **options)
        inside.release()
        return found

    monkeypatch.setattr(store, "events", counted, raising=False)
    with (
        served(store, event_poll_s=30) as url,
        httpx.stream("GET", f"{url}/v1/jobs/{job.id}/events", headers=STREAM, timeout=None) as answer,
        closing(messages(answer.iter_lines())) as stream,
    ):
        next(stream)
        assert inside.acquire()
        assert next(stream)["id"] == "1"
        pool = store._database._engine.pool
        assert isinstance(pool, QueuePool)
        assert pool.checkedout() == 0
        answer.close()


def test_many_streams_of_many_jobs_cost_a_few_looks(
    store: Store, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [scenes.submitted(name=f"job {number}") for number in range(3)]
    looks: list[set[str]] = []
    heads = store.event_heads

    def counted(job_ids: set[str]) -> Any:
        looks.append(set(job_ids))
        return heads(job_ids)

    monkeypatch.setattr(store, "event_heads", counted, raising=False)
    with served(store, event_poll_s=1) as url, ExitStack() as stack:
        streams = []
        for number in range(30):
            address = f"{url}/v1/jobs/{jobs[number % 3].id}/events?after=1"
            answer = stack.enter_context(httpx.stream("GET", address, headers=STREAM, timeout=None))
            streams.append(stack.enter_context(closing(messages(answer.iter_lines()))))
            next(streams[-1])
        wait_for(lambda: {job.id for job in jobs} in looks, "one look for all of them")
        store.request_cancel(jobs[0].id)
        happened = [next(stream) for stream in streams[::3]]
        assert all(message == happened[0] for message in happened)
        assert json.loads(happened[0]["data"])["kind"] == "job_cancelled"


def test_more_streams_than_allowed_are_refused_until_one_ends(store: Store, scenes: Scenes) -> None:
    job = scenes.submitted()
    with served(store, event_streams=2) as url, ExitStack() as stack:
        address = f"{url}/v1/jobs/{job.id}/events"
        first = ExitStack()
        parts = [
            one.enter_context(httpx.stream("GET", address, headers=STREAM, timeout=None)).iter_raw()
            for one in (first, stack)
        ]
        for part in parts:
            next(part)
        with httpx.stream("GET", address, headers=STREAM, timeout=None) as refused:
            assert refused.status_code == 503
            refused.read()
        assert refused.json()["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) > 1
        assert httpx.get(address).status_code == 200  # pages are read as before
        first.close()

        def is_let_in() -> bool:
            with httpx.stream("GET", address, headers=STREAM, timeout=None) as answer:
                return answer.status_code == 200

        wait_for(is_let_in, "a place for another stream")
