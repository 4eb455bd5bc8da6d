"""Callers that are slow, silent or gone, over real sockets: they hold nothing, and leave nothing behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.integration.conftest import Scenes
from tests.integration.test_api_bulkheads import Serve, Service, overloaded, serve
from tests.patience import slowness, wait_for

pytestmark = pytest.mark.slow

__all__ = ["serve"]
CSV = b"network,size,cost,a,b\na,1,1,0.5,\nb,1,1,,0.5\na+b,1,1,0.4,0.6\n"


def connected(service: Service) -> socket.socket:
    url = httpx.URL(service.url)
    return socket.create_connection((url.host, url.port or 80), timeout=60 * slowness())


def head(path: str, n_bytes: int, key: str = "") -> bytes:
    """Headers of an upload."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: text/csv"]
    lines += [f"Content-Length: {n_bytes}"]
    lines += [f"Idempotency-Key: {key}"] if key else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def table_names(service: Service) -> list[str]:
    return [table["name"] for table in service.get("/v1/score-tables?page_size=100").json()["items"]]


def readers(service: Service) -> list[psutil.Process]:
    """The processes that read uploads now."""
    found = []
    for process in service.process.children(recursive=True):
        try:
            if "grouping.formats.reader_process" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@contextmanager
def held_reader(service: Service, sender: socket.socket) -> Iterator[psutil.Process]:
    """An upload whose reader stands still within the block."""
    sender.sendall(head("/v1/score-tables?name=held", len(CSV)) + CSV)
    wait_for(lambda: bool(readers(service)), "a reader")
    (reader,) = readers(service)
    reader.suspend()
    try:
        yield reader
    finally:
        if reader.is_running():
            reader.resume()


def test_connections_that_never_send_their_headers_are_closed(serve: Serve) -> None:
    with serve(header_time_s=1) as service, ExitStack() as stack:
        silent = [stack.enter_context(closing(connected(service))) for _ in range(100)]
        for connection in silent[::2]:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127")
        assert service.get("/healthz").status_code == 200
        for connection in silent:
            try:
                assert connection.recv(100) == b""
            except ConnectionResetError:
                continue
        wait_for(lambda: len(service.process.net_connections()) <= 2, "the end of the connections")


def test_headers_that_trickle_are_cut_off_and_a_further_request_has_its_own_time(serve: Serve) -> None:
    with serve(header_time_s=1) as service, closing(connected(service)) as connection:
        for _ in range(2):  # a request that is in time, twice on one connection
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):  # head and body may come apart
                part = connection.recv(10_000)
                assert part, answer
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")
        connection.settimeout(0.05)
        is_cut_off = False
        for letter in b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 10_000:
            try:
                connection.sendall(bytes([letter]))
                is_cut_off = connection.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                is_cut_off = True
            if is_cut_off:
                break
        assert is_cut_off


def test_an_upload_that_stops_in_the_middle_is_cut_off_and_not_stored(serve: Serve) -> None:
    with serve(silence_s=1) as service, closing(connected(service)) as connection:
        connection.sendall(head("/v1/score-tables?name=half", len(CSV)) + CSV[:20])
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""
        assert "half" not in table_names(service)


def test_a_solve_may_take_longer_than_a_silent_body_may(serve: Serve) -> None:
    with serve(silence_s=0.2, header_time_s=0.2, solve_time_limit_s=3) as service:
        assert service.solve(3).status_code in (200, 503)  # and not cut off


def test_an_upload_whose_sender_has_gone_is_not_stored_and_a_retry_stores_it_once(serve: Serve) -> None:
    address = "/v1/score-tables?name=gone"
    with serve(upload_readers=1, uploads=2) as service:
        with closing(connected(service)) as holder:
            with held_reader(service, holder):
                with closing(connected(service)) as sender:
                    assert is_let_in(sender, head(address, len(CSV), "once"))  # before the next one asks
                    sender.sendall(CSV)
                    wait_for(lambda: is_refused(service), "an upload that waits for its turn")
                wait_for(lambda: not is_refused(service), "the end of the upload that nobody waits for")
            answer = holder.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 201"), answer
        assert "held" in table_names(service)
        assert "gone" not in table_names(service)
        headers = {"Content-Type": "text/csv", "Idempotency-Key": "once"}
        replayed = [
            httpx.post(service.url + address, content=CSV, headers=headers, timeout=None).headers[
                "idempotency-replayed"
            ]
            for _ in range(2)
        ]
        assert replayed == ["false", "true"]
        assert table_names(service).count("gone") == 1


def test_the_reader_of_a_file_ends_with_its_sender(serve: Serve) -> None:
    with serve(upload_readers=1) as service:
        with closing(connected(service)) as sender:
            sender.sendall(head("/v1/score-tables?name=held", len(CSV)) + CSV)
            wait_for(lambda: bool(readers(service)), "a reader")
            (reader,) = readers(service)
            reader.suspend()
        wait_for(lambda: not readers(service), "the end of the reader")
        assert "held" not in table_names(service)


def is_let_in(connection: socket.socket, asked: bytes) -> bool:
    """Ask whether an upload is let in, by its headers; else it is refused."""
    connection.sendall(asked.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    answer = connection.recv(10_000)
    assert answer.startswith((b"HTTP/1.1 100", b"HTTP/1.1 503")), answer
    return answer.startswith(b"HTTP/1.1 100")


def is_refused(service: Service) -> bool:
    """Whether an upload is refused at once; it sends nothing when it is let in."""
    with closing(connected(service)) as connection:
        return not is_let_in(connection, head("/v1/score-tables", len(CSV)))


def test_refused_uploads_are_told_when_to_come_back_however_they_are_sent(serve: Serve) -> None:
    with (
        serve(upload_readers=1, uploads=1) as service,
        closing(connected(service)) as holder,
        held_reader(service, holder),
    ):
        large = b"x" * (5 << 20)
        for options in ({}, {"headers": {"Expect": "100-continue"}}):
            answer = httpx.post(
                f"{service.url}/v1/score-tables",
                content=large,
                headers={"Content-Type": "text/csv", **options.get("headers", {})},
                timeout=None,
            )
            assert overloaded(answer)
        form = httpx.post(f"{service.url}/score-tables", files={"file": ("t.csv", large)}, timeout=None)
        assert (form.status_code, "retry-after" in form.headers) == (503, True)


def test_it_ends_on_a_signal_whatever_is_under_way(
    serve: Serve, scenes: Scenes, sqlite_url: str, tmp_path: Path
) -> None:
    with serve(solve_processes=1, upload_readers=1, solve_time_limit_s=600) as service, ExitStack() as stack:
        stack.enter_context(service.busy(3, 4))
        stream = stack.enter_context(
            httpx.stream(
                "GET",
                f"{service.url}/v1/jobs/{service.job}/events",
                headers={"Accept": "text/event-stream"},
                timeout=None,
            )
        )
        parts = stream.iter_raw()
        next(parts)
        half = stack.enter_context(closing(connected(service)))
        half.sendall(head("/v1/score-tables?name=half", len(CSV)) + CSV[:20])
        silent = stack.enter_context(closing(connected(service)))
        silent.sendall(b"GET / HT")
        stack.enter_context(held_reader(service, stack.enter_context(closing(connected(service)))))
        wait_for(lambda: bool(service.computing()), "the solve")
        family = service.process.children(recursive=True)
        service.stop()
        for _ in parts:
            pass  # the stream ends
        wait_for(
            lambda: not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE],
            "the end of all its processes",
        )
