"""Clients where the environment has proxies: none to this machine itself, and errors that name the proxy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from grouping.client.connection import Connection
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
