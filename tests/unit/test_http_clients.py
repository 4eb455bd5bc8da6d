"""Clients where the environment has proxies: none to this machine itself, and errors that name the proxy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from grouping.client.connection import Connection, ServiceError
from grouping.client.http import answers
from grouping.errors import InvalidInputError, StoreUnavailableError

NOWHERE = "http://someone:secret@127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def service() -> Iterator[str]:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
@pytest.mark.parametrize("proxy", [NOWHERE, "socks5://127.0.0.1:9", "unknown://x"])
def test_this_machine_is_asked_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, service: str, variable: str, proxy: str
) -> None:
    monkeypatch.setenv(variable, proxy)
    assert answers(service)
    assert answers(service.replace("127.0.0.1", "localhost"))
    with Connection(service) as connection:
        assert connection.request("GET", "/v1/jobs") == {}


def test_a_proxy_that_does_not_answer_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOWHERE)
    with (
        Connection("http://service.example") as connection,
        pytest.raises(StoreUnavailableError, match=r"through the proxy http://127\.0\.0\.1:9; .*NO_PROXY"),
    ):
        connection.request("GET", "/v1/jobs")


def test_a_host_of_no_proxy_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOWHERE)
    monkeypatch.setenv("NO_PROXY", "127.0.0.2,service.invalid")
    with (
        Connection("http://service.invalid") as connection,
        pytest.raises(StoreUnavailableError, match="Start it with: grouping serve"),
    ):
        connection.request("GET", "/v1/jobs")


@pytest.mark.parametrize(
    ("proxy", "reason"), [("unknown://someone:secret@x", "Unknown scheme"), ("socks5://x", "socks")]
)
def test_a_proxy_that_cannot_be_used_is_said(
    monkeypatch: pytest.MonkeyPatch, proxy: str, reason: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(InvalidInputError, match=reason) as caught:
        Connection("http://service.example")
    assert "ALL_PROXY=" in str(caught.value)
    assert "secret" not in str(caught.value)


class Busy:
    """A service that refuses requests before it answers; it counts them."""

    def __init__(self, *refusals: tuple[int, str | None, str]) -> None:
        self.refusals = list(refusals)
        self.n_requests = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.n_requests += 1
        if not self.refusals:
            return httpx.Response(200, json={})
        status, retry_after, code = self.refusals.pop(0)
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return httpx.Response(status, json={"code": code, "detail": "Later."}, headers=headers)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    told: list[float] = []
    monkeypatch.setattr("grouping.client.connection.time.sleep", told.append)
    return told


def asking(monkeypatch: pytest.MonkeyPatch, service: Busy, timeout_s: float = 30.0) -> Connection:
    def new_client(url: str, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=url, transport=httpx.MockTransport(service))

    monkeypatch.setattr("grouping.client.connection.new_client", new_client)
    return Connection("http://service.example", timeout_s=timeout_s)


def test_a_busy_service_is_asked_again_when_it_says(
    monkeypatch: pytest.MonkeyPatch, waited: list[float], tmp_path: Path
) -> None:
    refusals = ((503, "7", "overloaded"), (429, "2", ""), (503, "1", "store_unavailable"))
    service = Busy(*refusals)
    connection = asking(monkeypatch, service)
    assert connection.request("GET", "/v1/jobs") == {}
    assert (waited, service.n_requests) == ([7.0, 2.0, 1.0], 4)
    service.refusals = list(refusals)
    connection.save("/v1/file", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "{}"
    assert service.n_requests == 8
    service.refusals = [(503, formatdate(time.time() + 9, usegmt=True), "overloaded")]
    assert connection.download("/v1/file") == b"{}"
    assert 6 < waited[-1] < 10


def test_what_changes_something_is_repeated_only_where_that_is_safe(
    monkeypatch: pytest.MonkeyPatch, waited: list[float]
) -> None:
    service = Busy((503, "3", "store_unavailable"))
    connection = asking(monkeypatch, service)
    with pytest.raises(StoreUnavailableError, match="Later"):
        connection.request("POST", "/v1/jobs/1/stop")
    assert waited == []
    service.refusals = [(503, "4", "overloaded")]
    assert connection.request("POST", "/v1/jobs/1/stop") == {}, "the service said that it did nothing"
    service.refusals = [(503, "5", "store_unavailable")]
    assert connection.request("POST", "/v1/jobs", headers={"Idempotency-Key": "once"}) == {}
    assert waited == [4.0, 5.0]


def test_what_took_too_long_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> None:
    service = Busy((503, "5", "deadline_exceeded"))
    with pytest.raises(StoreUnavailableError, match="Later"):
        asking(monkeypatch, service).request("GET", "/v1/score-tables/1/curve")
    assert (waited, service.n_requests) == ([], 1)


@pytest.mark.parametrize("retry_after", [None, "soon", "31", "1.5"])
def test_a_wait_beyond_the_timeout_or_unknown_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch, waited: list[float], retry_after: str | None
) -> None:
    service = Busy(*[(429, retry_after, "busy")] * 2)
    with pytest.raises(ServiceError, match="Later"):
        asking(monkeypatch, service).request("GET", "/v1/jobs")
    assert (waited, service.n_requests) == ([], 1)
