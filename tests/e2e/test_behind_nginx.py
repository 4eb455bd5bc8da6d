"""The service below a path, behind a real nginx: links, forms, redirects and streams stay below it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, expect

from grouping.client import Client
from grouping.domain.jobs.job import Job, JobState, StopReason
from tests.e2e.conftest import Site, opened
from tests.integration.conftest import Scenes, formula_table, server
from tests.patience import wait_for

pytestmark = pytest.mark.slow

ROOT = "/ml/grouping"
TABLE = b"network,size,cost,a,b\na,1,1,0.5,\nb,1,1,,0.4\na+b,1,1,0.45,0.42\n"
CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location {root}/ {{ proxy_pass {upstream}; proxy_buffering off; {more} }}
  }}
}}
"""
WAYS = {
    "cut off, told by the header": ("/", f"proxy_set_header X-Forwarded-Prefix {ROOT};", {}),
    "cut off, set in the service": ("/", "", {"GROUPING_ROOT_PATH": ROOT}),
    "left, with the name of the host": (
        "",
        "proxy_set_header Host $http_host;",
        {"GROUPING_ROOT_PATH": f"{ROOT}/"},
    ),
}


@contextmanager
def nginx(folder: Path, upstream: str, more: str) -> Iterator[str]:
    """An nginx in front of a service; gives the address of the service behind it."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder, port=port, root=ROOT, upstream=upstream, more=more))
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    assert program is not None, "the tests of a root path need nginx"
    process = subprocess.Popen([program, "-c", str(file), "-e", str(folder / "error.log")])
    try:
        wait_for(lambda: _listens(port) or process.poll() is not None, "the start of nginx")
        assert process.poll() is None, (folder / "error.log").read_text()
        yield f"http://127.0.0.1:{port}{ROOT}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Addresses(HTMLParser):
    """Collects the addresses of a page: what is followed, and what is sent."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.sent: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value and name in ("href", "src"):
                self.found.add(value.partition("#")[0])
            elif value and name in ("action", "formaction", "data-post"):
                self.sent.add(value)


@pytest.fixture(scope="module", params=WAYS)
def behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[Site]:
    """A service with a finished job, an imported table and a running job, behind nginx."""
    from grouping.store import open_store

    rest, more, environment = WAYS[request.param]
    folder = tmp_path_factory.mktemp("behind")
    shutil.copy(sqlite_template, folder / "grouping.db")
    url = f"sqlite:///{folder / 'grouping.db'}"
    told: dict[str, Any] = {"GROUPING_DATA": str(folder / "data"), "GROUPING_EVENT_POLL_S": "0.1"}
    told |= environment
    store = open_store(url)
    with (
        server(url, folder / "log", **told) as (address, _),
        nginx(folder / "nginx", f"{address}{rest}", more) as shown,
    ):
        yield Site(shown, Scenes(store))
    store.close()


@pytest.fixture(scope="module")
def finished(behind: Site) -> Job:
    with Client(behind.url) as client:
        client.import_table(formula_table(), name="imported")
    partly = behind.scenes.running(("digit", "loop", "rotation"), name="partly")
    behind.scenes.train(partly, 5)  # its pages offer to measure what is missing
    claim = behind.scenes.claims[partly.id]
    behind.scenes.store.enter_state(claim, JobState.SUCCEEDED, stop_reason=StopReason.CONVERGED)
    return behind.scenes.finished(name="done")


def test_every_address_of_every_page_is_below_the_path_and_answers(
    behind: Site, finished: Job, request: pytest.FixtureRequest
) -> None:
    """Every page one way, and twenty of them the others."""
    most = 20 if request.node.callspec.params["behind"] != next(iter(WAYS)) else 10_000
    with httpx.Client(headers={"Accept": "text/html"}, timeout=120, follow_redirects=True) as http:
        host = behind.url.removesuffix(ROOT)
        seen: set[str] = set()
        sent: set[str] = set()
        waiting = [f"{ROOT}/"]  # breadth first: pages of every kind come early
        while waiting and len(seen) < most:
            address = waiting.pop(0)
            seen.add(address)
            answer = http.get(f"{host}{address}")
            assert answer.status_code in (200, 409), f"{address}: {answer.status_code}"
            if not answer.headers["content-type"].startswith("text/html"):
                continue
            page = Addresses(answer.text)
            here = answer.url
            assert str(here).startswith(f"{host}{ROOT}/"), f"{address} moves to {here}"
            found = {str(here.join(one)).removeprefix(host) for one in page.found if one}
            for one in found | page.sent:
                assert one.startswith((f"{ROOT}/", "data:")), f"{address} leads to {one}"
            sent |= page.sent
            waiting += sorted(one for one in found if one.startswith(ROOT) and one not in {*seen, *waiting})
    assert f"{ROOT}/jobs/{finished.id}" in seen
    assert len(seen) > 15
    assert len(seen) == most or any(one.endswith("/pairs") for one in sent)


def test_forms_redirects_and_the_stream_of_a_running_job_work_in_a_browser(
    behind: Site, browser: Browser
) -> None:
    with opened(browser, behind) as page:
        page.goto(f"{behind.url}/score-tables/new")
        file: FilePayload = {"name": "mine.csv", "mimeType": "text/csv", "buffer": TABLE}
        page.get_by_label("A file", exact=True).set_input_files(file)
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("mine")
        assert page.url.startswith(f"{behind.url}/score-tables/")
        job = behind.scenes.running(name="followed")
        page.goto(f"{behind.url}/jobs/{job.id}")
        behind.scenes.train(job, 5)
        expect(page.locator("body")).to_contain_text("5 of")


def test_the_client_and_its_answers_lead_below_the_path(behind: Site, finished: Job) -> None:
    with Client(behind.url) as client:
        table = client.import_table(formula_table(), name="imported")
        assert table.solve(2.0).id
        assert client.job(finished.id).url == f"{behind.url}/jobs/{finished.id}"
    made = httpx.post(f"{behind.url}/v1/jobs", json={"problem": "digits"})
    assert made.status_code == 202
    assert made.headers["location"] == f"{ROOT}/v1/jobs/{made.json()['id']}"
    assert httpx.get(behind.url.removesuffix(ROOT) + made.headers["location"]).status_code == 200
