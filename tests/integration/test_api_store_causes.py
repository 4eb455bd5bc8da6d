"""What is wrong with the database is told by its cause, and whether it is worth asking again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from grouping.formats import TableFormat, write_table
from grouping.store import Store, open_store
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.integration.conftest import Api
from tests.integration.test_api_hostile import check_problem
from tests.tables import random_table

UPLOAD: dict[str, Any] = {
    "content": write_table(random_table(1, n_tasks=8), TableFormat.WIDE_CSV),
    "headers": {"Content-Type": "text/csv"},
}


def api_on(store: Store) -> Api:
    return Api(create_app(Settings(), store))


@pytest.fixture
def read_only(sqlite_url: str) -> Iterator[Api]:
    store = open_store(sqlite_url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true")
    yield api_on(store)
    store.close()


def test_a_read_only_database_is_read_and_says_why_it_does_not_store(read_only: Api) -> None:
    assert read_only.get("/v1/jobs").status_code == 200
    for answer in (read_only.post("/v1/score-tables", **UPLOAD), read_only.get("/readyz")):
        problem = check_problem(answer, 500)
        assert problem["code"] == "store_unusable"
        assert "read-only; give this program the right" in problem["detail"]
        assert "retry-after" not in answer.headers


def test_a_full_disk_is_told_as_full_and_passes(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    limit = {"pages": 1}
    engine = store._database._engine

    def limited(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit['pages']}")

    event.listen(engine, "checkout", limited)
    api = api_on(store)
    answer = api.post("/v1/score-tables", **UPLOAD)
    problem = check_problem(answer, 503)
    assert (problem["code"], "retry-after" in answer.headers) == ("store_unavailable", True)
    assert "The disk of the database is full; free some space." in problem["detail"]
    limit["pages"] = 1_000_000
    assert api.post("/v1/score-tables", **UPLOAD).status_code == 201
    store.close()


def test_a_file_that_became_garbage_is_told_as_damaged(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    store.import_table(random_table(1), "")
    api = api_on(store)
    store.close()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    for beside in file.parent.glob(f"{file.name}-*"):
        beside.unlink()
    file.write_bytes(b"garbage " * 10_000)
    answer = api.get("/v1/jobs")
    problem = check_problem(answer, 500)
    assert problem["code"] == "store_unusable"
    assert "no SQLite database, or is damaged" in problem["detail"]
    assert api.get("/healthz").status_code == 200
    store.close()


def test_a_database_that_is_gone_may_come_back_and_no_host_is_named(postgres_url: str) -> None:
    store = open_store(postgres_url)
    api = api_on(store)
    engine = store._database._engine
    stopped = engine.url.set(port=1)
    engine.dispose()
    event.listen(engine, "do_connect", lambda _d, _r, _a, options: options.update(port=stopped.port))
    answer = api.get("/v1/jobs")
    problem = check_problem(answer, 503)
    assert (problem["code"], "retry-after" in answer.headers) == ("store_unavailable", True)
    assert problem["detail"] == "The database does not answer. Try again in a few seconds."
    assert "127.0.0.1" not in answer.text
    store.close()
