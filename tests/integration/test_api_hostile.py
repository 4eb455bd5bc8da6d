"""Hostile input: every answer is a problem document with a 4xx status, and nothing is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from grouping import errors
from grouping.store import Store
from grouping_api.errors import STATUS
from grouping_api.guards import MAX_BODY_BYTES, SECURITY_HEADERS, HeadAnswers
from tests.integration.conftest import Api
from tests.integration.test_api_access import routes

JSON = {"Content-Type": "application/json"}
DEPTH = 100_000


def check_problem(answer: Any, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "errors"} <= set(document)
    assert document["status"] == answer.status_code
    for forbidden in ("Traceback", "site-packages", ".py", "/api/", "sqlite"):
        assert forbidden not in answer.text
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    return document


BODIES = {
    "empty": b"",
    "no json": b"{",
    "nan": b'{"problem": "digits", "budgets_snt": [NaN]}',
    "infinity": b'{"problem": "digits", "budgets_snt": [Infinity]}',
    "minus infinity": b'{"problem": "digits", "training_budget": {"seconds": -Infinity}}',
    "overflow": b'{"problem": "digits", "budgets_snt": [1e999]}',
    "nan in parameters": b'{"problem": "digits", "strategy": {"parameters": {"a": NaN}}}',
    "overflow in parameters": b'{"problem": "digits", "strategy": {"parameters": {"a": 1e999}}}',
    "long integer": b'{"problem": "digits", "seed": ' + b"9" * 6000 + b"}",
    "long integer in parameters": b'{"problem": "digits", "strategy": {"parameters": {"a": '
    + b"9" * 6000
    + b"}}}",
    "lone surrogate": b'{"problem": "digits", "name": "\\ud800"}',
    "lone surrogate as a key": b'{"problem": "digits", "\\udfff": 1}',
    "nul": b'{"problem": "digits\\u0000"}',
    "nul in a weight": b'{"problem": "digits", "weights": {"a\\u0000": 1}}',
    "not utf-8": b'{"problem": "\xff\xfe"}',
    "deep list": b"[" * DEPTH + b"]" * DEPTH,
    "deep object": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
    "deep parameters": b'{"problem": "digits", "strategy": {"parameters": {"a": '
    + b"[" * 150
    + b"]" * 150
    + b"}}}",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "a text": b'"digits"',
    "long name": b'{"problem": "' + b"x" * 10_000 + b'"}',
    "import string": b'{"problem": "os:system"}',
    "path": b'{"problem": "../../etc/passwd"}',
    "wrong types": b'{"problem": 1, "tasks": {}, "recipe": [], "weights": 3}',
    "many wrong items": b'{"problem": "digits", "budgets_snt": [' + b'"a",' * 50 + b'"a"]}',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused(api: Api, store: Store, name: str) -> None:
    check_problem(api.post("/v1/jobs", content=BODIES[name], headers=JSON), 400, 422)
    assert len(store.list_jobs()) == 0


@pytest.mark.parametrize(
    "name", ["no json", "nan", "infinity", "minus infinity", "nan in parameters", "lone surrogate"]
)
def test_what_is_no_json_is_said_to_be_none(api: Api, name: str) -> None:
    document = check_problem(api.post("/v1/jobs", content=BODIES[name], headers=JSON), 400)
    assert document["code"] == "bad_request"
    assert document["detail"].startswith("The body is not valid JSON")


def test_a_body_that_is_too_large_is_refused_by_its_announced_length(api: Api) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    document = check_problem(api.post("/v1/jobs", content=body, headers=JSON), 413)
    assert document["code"] == "body_too_large"


def test_a_body_that_is_too_large_is_refused_while_it_comes(api: Api) -> None:
    async def endless() -> Any:
        for _ in range(20):
            yield b" " * 100_000

    check_problem(api.post("/v1/jobs", content=endless(), headers=JSON), 413)


def test_an_absurd_content_length_is_refused(api: Api) -> None:
    headers = {**JSON, "Content-Length": "9" * 5000}
    check_problem(api.post("/v1/jobs", content=b"{}", headers=headers), 413)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"]
)
def test_a_body_that_is_not_announced_as_json_is_refused(api: Api, store: Store, media_type: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    document = check_problem(api.post("/v1/jobs", content=b'{"problem": "digits"}', headers=headers), 415)
    assert document["code"] == "unsupported_media_type"
    assert len(store.list_jobs()) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/jobs/",
        "/nothing",
        "/v1/%00",
        "/static/../main.py",
        "/static/%2e%2e/%2e%2e/main.py",
        "/docs",
    ],
)
def test_an_address_with_nothing_behind_it_is_a_problem(api: Api, path: str) -> None:
    assert check_problem(api.get(path), 404)["code"] == "not_found"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/jobs"), ("POST", "/healthz"), ("PATCH", "/")])
def test_a_method_that_is_not_allowed_is_a_problem(api: Api, method: str, path: str) -> None:
    answer = api.request(method, path)
    assert check_problem(answer, 405)["code"] == "method_not_allowed"
    assert ("HEAD" in answer.headers["allow"]) == ("GET" in answer.headers["allow"])


def test_head_is_answered_as_get_is_without_the_body(api: Api) -> None:
    n_answered = 0
    for method, path in routes(api):
        if method != "GET" or path == "/static":
            continue
        whole, head = api.get(path), api.request("HEAD", path)
        assert head.status_code == whole.status_code, path
        assert head.headers["content-type"] == whole.headers["content-type"], path
        assert head.content == b"", path
        n_answered += head.status_code == 200
    assert n_answered > 10
    assert api.request("HEAD", "/static/app.css").headers["content-type"].startswith("text/css")


def test_nothing_is_sent_after_the_head_of_a_stream() -> None:
    sent: list[Message] = []
    n_computed = 0

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal n_computed
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            n_computed += 1
            await send({"type": "http.response.body", "body": b"more", "more_body": True})

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(HeadAnswers(stream)({"type": "http", "method": "HEAD"}, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert not sent[1].get("body")
    assert n_computed == 1


def test_head_of_a_stream_ends_though_its_job_goes_on(api: Api) -> None:
    job_id = api.post("/v1/jobs", json={"problem": "digits"}).json()["id"]
    answer = api.request("HEAD", f"/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "\x7f"])
def test_a_bad_idempotency_key_is_refused(api: Api, store: Store, key: str) -> None:
    answer = api.post("/v1/jobs", json={"problem": "digits"}, headers={"Idempotency-Key": key})
    document = check_problem(answer, 422)
    assert document["errors"][0]["parameter"].lower() == "idempotency-key"
    assert len(store.list_jobs()) == 0


def test_an_error_that_nobody_foresaw_tells_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret /etc/passwd")

    monkeypatch.setattr(api.app.state.store, "list_jobs", fail, raising=False)
    answer = api.get("/v1/jobs")
    assert check_problem(answer, 500)["code"] == "internal_error"
    assert "secret" not in answer.text


def test_a_database_that_is_away_is_said_with_a_time_to_try_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise errors.StoreUnavailableError("postgresql://user:password@host is gone")

    monkeypatch.setattr(api.app.state.store, "check_schema", fail, raising=False)
    assert api.get("/healthz").status_code == 200
    answer = api.get("/readyz")
    assert check_problem(answer, 503)["code"] == "store_unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert "password" not in answer.text


def test_readiness_is_said_when_the_database_is_there(api: Api) -> None:
    assert api.get("/readyz").json() == {"status": "ok", "dispatchers": 0}


def test_every_error_class_has_a_status() -> None:
    def below(base: type[errors.GroupingError]) -> set[type[errors.GroupingError]]:
        return {base}.union(*(below(child) for child in base.__subclasses__()))

    missing = {e for e in below(errors.GroupingError) if e.__module__ == "grouping.errors"} - set(STATUS)
    assert not missing
