"""Score tables that are none, or too much: refused with a clear error, and nothing is kept."""

from __future__ import annotations

import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from grouping.formats import TableFormat, read_table_guarded, write_table
from grouping.store import Store
from grouping_api import uploads
from grouping_api.guards import MAX_BODY_BYTES, MAX_UPLOAD_BYTES
from grouping_api.settings import Settings
from tests.integration.conftest import Api
from tests.integration.test_api_hostile import check_problem
from tests.integration.test_api_imports import CSV, SMALL, imported
from tests.tables import random_table


def bomb() -> bytes:
    """A Parquet file that says it is small and is not: its header is damaged."""
    data = bytearray(write_table(random_table(1), TableFormat.PARQUET))
    data[-12:-8] = b"\xff\xff\xff\x7f"
    return bytes(data)


HOSTILE: dict[str, tuple[str, bytes]] = {
    "empty": ("text/csv", b""),
    "blanks": ("text/csv", b" \n\n "),
    "a header only": ("text/csv", b"network,size,cost,a\n"),
    "a million columns": ("text/csv", b"network,size,cost," + b"a," * 1_000_000 + b"a\n"),
    "one endless line": ("text/csv", b"x" * 3_000_000),
    "nuls": ("text/csv", SMALL.replace(b"depth", b"de\0pth")),
    "mixed encodings": ("text/csv", SMALL.replace(b"depth", b"d\xc3\xa9p\xe9th")),
    "utf-16 without a mark": ("text/csv", SMALL.decode().encode("utf-16-le")),
    "half of utf-16": ("text/csv", SMALL.decode().encode("utf-16")[:-1]),
    "duplicate headers": ("text/csv", SMALL.replace(b"edges", b"depth")),
    "an open quote": ("text/csv", SMALL + b'"open'),
    "a formula for a number": ("text/csv", SMALL.replace(b"0.174", b"=1+1")),
    "a negative size": ("text/csv", SMALL.replace(b"0.5,0.5", b"-0.5,0.5")),
    "too large a number": ("text/csv", SMALL.replace(b"1.0,1.0", b"1e999,1.0")),
    "a name with bidi controls": ("text/csv", SMALL.replace(b"depth", "de\u202epth".encode())),
    "a name of 10 KB": ("text/csv", SMALL.replace(b"depth", b"d" * 10_000)),
    "conflicting duplicates": ("text/csv", SMALL + b"depth@0.5,0.5,0.5,0.2,\n"),
    "gzip": ("text/csv", zlib.compress(SMALL * 1000, wbits=31)),
    "no parquet": ("application/vnd.apache.parquet", SMALL),
    "a damaged parquet": ("application/vnd.apache.parquet", bomb()),
    "a pickle": ("application/vnd.apache.parquet", b"\x80\x04cos\nsystem\n(S'true'\ntR."),
    "json of depth 100,000": ("application/json", b"[" * 100_000 + b"]" * 100_000),
    "large json of depth 2,000,000": ("application/json", b"[" * 2_000_000),
    "nan": ("application/json", b'{"networks": [{"network": "a", "losses": {"a": NaN}}]}'),
    "overflow": ("application/json", b'{"networks": [{"network": "a", "losses": {"a": 1e999}}]}'),
    "a lone surrogate": ("application/json", b'{"networks": [{"network": "a\\ud800", "losses": {}}]}'),
    "nul in a string": ("application/json", b'{"networks": [{"network": "a\\u0000", "losses": {}}]}'),
    "a list": ("application/json", b"[]"),
    "null": ("application/json", b"null"),
    "no networks": ("application/json", b'{"networks": []}'),
    "another format": ("application/json", b'{"format": "something else"}'),
    "nan in the own format": (
        "application/json",
        bytes(write_table(random_table(1), TableFormat.JSON)).replace(b"0.", b"NaN", 1),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_upload_is_refused(api: Api, store: Store, name: str) -> None:
    media_type, content = HOSTILE[name]
    answer = api.post("/v1/score-tables", content=content, headers={"Content-Type": media_type})
    check_problem(answer, 400, 422)
    assert len(store.list_tables()) == 0


@pytest.mark.parametrize(
    "query", ["values=scores", "format=xlsx", "name=" + "x" * 201, "name=a%00", "tasks=%0A"]
)
def test_a_query_parameter_that_breaks_a_rule_is_named(api: Api, store: Store, query: str) -> None:
    answer = api.post(f"/v1/score-tables?{query}", content=SMALL, headers=CSV)
    document = check_problem(answer, 422)
    assert document["errors"][0]["parameter"] == query.partition("=")[0]
    assert len(store.list_tables()) == 0


@pytest.mark.parametrize("fields", [{"values": "scores"}, {"name": "a\u202eb"}, {"format": "xlsx"}])
def test_a_form_field_that_breaks_a_rule_is_pointed_at(api: Api, fields: dict[str, str]) -> None:
    answer = api.post("/v1/score-tables", data=fields, files={"file": ("a.csv", SMALL)})
    assert check_problem(answer, 422)["errors"][0]["pointer"] == f"/{next(iter(fields))}"


FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"--b\r\n",
        b"no form at all",
        b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n \r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 50 + b"--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\r\n' * 9 + b"--b--\r\n",
    ],
)
def test_a_form_that_holds_no_table_is_refused(api: Api, store: Store, content: bytes) -> None:
    check_problem(api.post("/v1/score-tables", content=content, headers=FORM), 400, 422)
    check_problem(
        api.post("/v1/score-tables", content=content, headers={"Content-Type": "multipart/form-data"}),
        400,
        422,
    )
    assert len(store.list_tables()) == 0


@pytest.mark.parametrize(
    "media_type", ["", "application/zip", "application/x-www-form-urlencoded", "text/html"]
)
def test_a_body_of_another_kind_is_refused(api: Api, store: Store, media_type: str) -> None:
    answer = api.post(
        "/v1/score-tables", content=SMALL, headers={"Content-Type": media_type} if media_type else {}
    )
    document = check_problem(answer, 415)
    assert "text/csv" in document["detail"]
    assert len(store.list_tables()) == 0


def test_a_wrong_line_is_named(api: Api) -> None:
    answer = api.post("/v1/score-tables", content=SMALL.replace(b"0.0151", b"little"), headers=CSV)
    document = check_problem(answer, 422)
    assert (document["code"], document["line"]) == ("bad_score_table", 3)
    assert "little" in document["detail"]


def test_an_upload_may_be_larger_than_other_bodies_and_not_endless(api: Api) -> None:
    padded = SMALL + b"\n" * MAX_BODY_BYTES
    assert api.post("/v1/score-tables", content=padded, headers=CSV).status_code == 201
    announced = {**CSV, "Content-Length": str(MAX_UPLOAD_BYTES + 1)}
    document = check_problem(api.post("/v1/score-tables", content=b"", headers=announced), 413)
    assert str(MAX_UPLOAD_BYTES) in document["detail"]

    async def endless() -> Any:
        for _ in range(MAX_UPLOAD_BYTES // 1_000_000 + 2):
            yield b" " * 1_000_000

    check_problem(api.post("/v1/score-tables", content=endless(), headers=CSV), 413)


def test_few_uploads_are_read_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def watched(*arguments: Any, **options: Any) -> Any:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return read_table_guarded(*arguments, **options)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(uploads, "read_table_guarded", watched)
    with ThreadPoolExecutor(5) as pool:
        tables = list(pool.map(lambda _: imported(api), range(5)))
    assert len({table["id"] for table in tables}) == 5
    assert most <= Settings().upload_readers
