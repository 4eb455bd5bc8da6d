"""A browser, and one server whose database each test finds empty."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect, sync_playwright

from grouping.artefacts.kept import KeptNetworks
from grouping.store import open_store
from tests.integration.conftest import Scenes, server

LONGEST_MS = 120_000
"""How long a page may take to show what is expected: far longer than on any busy machine."""

expect.set_options(timeout=LONGEST_MS)


@dataclass
class Site:
    """A server process on loopback and the database behind it."""

    url: str
    scenes: Scenes


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[tuple[str, Path]]:
    """Address of a server that all tests of the web view share, and the file of its database."""
    folder = tmp_path_factory.mktemp("site")
    path = folder / "grouping.db"
    shutil.copy(sqlite_template, path)
    url, data, kept = f"sqlite:///{path}", str(folder / "data"), str(folder / "kept")
    log = folder / "server.log"
    served = server(url, log, GROUPING_EVENT_POLL_S="0.1", GROUPING_DATA=data, GROUPING_KEPT=kept)
    with served as (address, _):
        yield address, path


@pytest.fixture
def site(served: tuple[str, Path], sqlite_template: Path) -> Iterator[Site]:
    """The shared server on an empty database."""
    url, path = served
    with closing(sqlite3.connect(sqlite_template)) as empty, closing(sqlite3.connect(path)) as used:
        empty.backup(used)
    store = open_store(f"sqlite:///{path}")
    yield Site(url, Scenes(store))
    store.close()


@pytest.fixture
def kept(served: tuple[str, Path]) -> KeptNetworks:
    """What `grouping finish` keeps for the shared server to offer."""
    return KeptNetworks(str(served[1].parent / "kept"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module: while Playwright runs, nothing else may run an event loop."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found is not None, "the tests of the web view need Chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Watch:
    """Everything a page must not do: call elsewhere, break the policy, log an error."""

    url: str
    faults: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", self._dialog)

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url + "/", "data:")):
            self.faults.append(f"request: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")


@contextmanager
def opened(browser: Browser, site: Site, *, refused: bool = False, **options: Any) -> Iterator[Page]:
    """A page that is watched; leaving the block checks what was seen.

    With `refused`, the server answers a form by 422, of which a browser makes an entry in its log.
    """
    watch = Watch(site.url)
    context = browser.new_context(base_url=site.url, **options)
    context.set_default_timeout(LONGEST_MS)
    page = context.new_page()
    watch.attach(page)
    try:
        yield page
    finally:
        context.close()
    assert [fault for fault in watch.faults if not (refused and "status of 422" in fault)] == []
