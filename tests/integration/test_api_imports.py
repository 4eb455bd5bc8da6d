"""Score tables over HTTP into the service and out of it: understood, refused, and given back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.formats import TableFormat, read_table, write_table
from grouping.store import Store
from grouping.wire.imports import INLINE_EXAMPLE
from grouping_api.uploads import safe_file_name
from tests.integration.conftest import Api, Scenes
from tests.integration.test_api_hostile import check_problem
from tests.tables import random_table

CSV = {"Content-Type": "text/csv"}
SMALL = b"""network,size,cost,depth,edges
depth@0.5,0.5,0.5,0.174,
edges@0.5,0.5,0.5,,0.0151
depth+edges,1.0,1.0,0.175,0.0136
"""
PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data"


NEGATIVE = b"network,size,cost,a,b\na,1,1,19,\nb,1,1,,1\na+b,1,1,20,-0.5\n"


def imported(
    api: Api, content: bytes = SMALL, headers: Mapping[str, str] = CSV, **query: str
) -> dict[str, Any]:
    answer = api.post("/v1/score-tables", content=content, headers=headers, params=query)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/score-tables/{document['id']}"
    return document


def test_a_csv_becomes_a_table_and_the_answer_says_what_was_understood(api: Api, store: Store) -> None:
    table = imported(api, name="two tasks")
    assert (table["name"], table["job_id"], table["revision"]) == ("two tasks", None, 1)
    assert [task["name"] for task in table["tasks"]] == ["depth", "edges"]
    report = table["report"]
    assert (report["format"], report["values"], report["n_networks"]) == ("wide_csv", "losses", 3)
    assert (report["n_missing_groups"], report["missing_groups"]) == (2, ["depth", "edges"])
    assert any("2 tasks: depth, edges" in sentence for sentence in report["sentences"])
    assert api.get(f"/v1/score-tables/{table['id']}").json() == table
    assert store.score_table(table["id"]).validation[2].tolist() == [0.175, 0.0136]


def test_what_changes_the_answer_is_said_to_whoever_uploads_it_and_on_the_page(api: Api) -> None:
    content = b"sep=;\nnetwork;size;cost;a;b\nx;0,5;0,5;0,25;0\ny;1;1;0,5;0,5\n"
    table = imported(api, content)
    (finding,) = table["report"]["findings"]
    assert finding.startswith("1 value is exactly 0 (b in a+b@0.5).")
    assert {finding, "Cells stand between semicolons, and decimals after a comma."} < {
        *table["report"]["sentences"]
    }
    assert finding in api.get(f"/score-tables/{table['id']}").text
    for page in ("networks", "curve", "affinity", "graph"):
        assert finding in api.get(f"/score-tables/{table['id']}/{page}", headers={"Accept": "text/html"}).text


def test_every_answer_of_a_solve_says_what_was_read_and_which_task_decides_it(api: Api) -> None:
    path = f"/v1/score-tables/{imported(api, NEGATIVE)['id']}"
    negative = "1 loss is negative: if the values are gains, say so when importing."
    decides = "Task a makes up 9"
    body = {"budget_snt": 1}
    answers = [
        api.get(f"{path}/grouping", params=body),
        api.get(f"{path}/curve"),
        api.post(f"{path}/curve", json={}),
        api.post(f"{path}/groupings", json=body),
        api.post(f"{path}/pairwise-grouping", json=body),
    ]
    for answer in answers:
        first, second = answer.json()["findings"]
        assert (first, second.startswith(decides)) == (negative, True), answer.request.url
    kept = answers[3].json()
    assert api.get(f"/v1/groupings/{kept['id']}").json()["findings"] == kept["findings"]
    for demand in ({"weights": {"b": 9}}, {"objective": "relative"}):
        settled = api.post(f"{path}/curve", json=demand).json()
        assert settled["findings"] == [negative], demand


@pytest.mark.parametrize(
    ("content", "media_type", "says"),
    [
        (b"network,size,cost,a\na,1,1,1.7e308\n", "text/csv", "at most 1e+100 is read"),
        (b'{"networks": [{"network": "a", "losses": {"a": 1.7e308}}]}', "application/json", "/losses/a"),
    ],
)
def test_a_loss_beyond_all_sums_is_refused(api: Api, content: bytes, media_type: str, says: str) -> None:
    answer = api.post("/v1/score-tables", content=content, headers={"Content-Type": media_type})
    assert answer.status_code == 422, answer.text
    assert says in answer.text


@pytest.mark.parametrize(
    "kind", ["/scores", "/affinity", "/affinity?method=posterior", "/curve", "/grouping?budget_snt=2"]
)
def test_everything_that_reads_a_table_reads_an_imported_one(api: Api, kind: str) -> None:
    content = bytes(write_table(random_table(3, n_seeds=2), TableFormat.JSON))
    table = imported(api, content, {"Content-Type": "application/json"})
    first = api.get(f"/v1/score-tables/{table['id']}{kind}")
    assert first.status_code == 200
    again = api.get(f"/v1/score-tables/{table['id']}{kind}", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


FORMATS = {
    "tsv": ("text/tab-separated-values", TableFormat.WIDE_TSV),
    "long-csv": ("text/csv", TableFormat.LONG_CSV),
    "parquet": ("application/vnd.apache.parquet", TableFormat.PARQUET),
    "json": ("application/json", TableFormat.JSON),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_goes_in_and_out_in_each_format(api: Api, store: Store, name: str) -> None:
    media_type, kind = FORMATS[name]
    original = random_table(5, n_seeds=1 if name == "tsv" else 3)
    table = imported(api, bytes(write_table(original, kind)), {"Content-Type": media_type}, name="../a table")
    kept = store.score_table(table["id"])
    assert np.array_equal(kept.validation_losses, original.validation_losses, equal_nan=True)
    assert kept.networks == original.networks
    answer = api.get(f"/v1/score-tables/{table['id']}/export", params={"format": name})
    assert answer.headers["content-type"].startswith(media_type)
    suffix = {"long-csv": "csv"}.get(name, name)
    assert answer.headers["content-disposition"] == f'attachment; filename="a-table.{suffix}"'
    read_again = read_table(answer.content, format=kind).table
    assert np.array_equal(read_again.validation_losses, original.validation_losses, equal_nan=True)
    again = api.get(
        f"/v1/score-tables/{table['id']}/export",
        params={"format": name},
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert again.status_code == 304


def test_the_papers_headerless_file_takes_the_names_that_are_given(api: Api) -> None:
    content = b"0.5\t0.6\n0.4\t\n\t0.45\n0.41\t0.44\n"
    table = imported(api, content, {"Content-Type": "text/plain"}, tasks="depth, edges")
    assert [task["name"] for task in table["tasks"]] == ["depth", "edges"]
    assert table["report"]["format"] == "results_txt"
    assert table["report"]["n_networks"] == 5


def test_gains_become_losses_and_the_report_says_how(api: Api, store: Store) -> None:
    table = imported(api, values="gains")
    assert store.score_table(table["id"]).validation[2].tolist() == [1 - 0.175, 1 - 0.0136]
    assert "1 - gain" in table["report"]["sentences"][0]


def test_the_simple_json_form_takes_numbers_and_seeds(api: Api, store: Store) -> None:
    answer = api.post("/v1/score-tables?name=inline", json=INLINE_EXAMPLE)
    assert answer.status_code == 201, answer.text
    table = store.score_table(answer.json()["id"])
    assert table.task_names == ("depth", "edges")
    assert table.validation_losses[2].tolist() == [[0.175, 0.177], [0.0136, 0.0138]]
    assert table.validation[0, 0] == 0.174


def test_the_simple_json_form_takes_costs_tests_and_weights(api: Api, store: Store) -> None:
    networks = [
        {
            "network": name,
            "losses": {"a": 0.5, "b": None},
            "test_losses": {"a": 0.6},
            "cost_snt": 1.5,
            "costs": {"latency_ms": 7},
        }
        for name in ("a+b", "a+b@2")
    ]
    body = {"networks": networks, "tasks": ["b", "a"], "weights": {"a": 2}}
    answer = api.post("/v1/score-tables", json=body)
    assert answer.json()["costs"] == ["latency_ms"]
    assert answer.json()["report"]["incomplete_networks"] == ["b+a", "b+a@2"]
    table = store.score_table(answer.json()["id"])
    assert (table.task_names, table.weights.tolist()) == (("b", "a"), [1.0, 2.0])
    assert table.test_losses[0, 1, 0] == 0.6
    assert table.other_costs["latency_ms"].tolist() == [7.0, 7.0]
    assert [network.cost_snt for network in table.networks] == [1.5, 1.5]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"network": "a++b"}, "/networks/0/network"),
        ({"network": "a@big"}, "/networks/0/network"),
        ({"losses": {"c": 1}}, "/networks/0/losses"),
        ({"losses": {"a": "low"}}, "/networks/0/losses/a"),
        ({"losses": {"a": True}}, "/networks/0/losses/a"),
        ({"losses": {"a": []}}, "/networks/0/losses/a"),
        ({"cost_snt": 0}, "/networks/0/cost_snt"),
        ({"costs": {"ms": -1}}, "/networks/0/costs/ms"),
        ({"surprise": 1}, "/networks/0/surprise"),
    ],
)
def test_a_fault_of_the_simple_form_is_pointed_at(
    api: Api, store: Store, change: dict[str, Any], pointer: str
) -> None:
    network = {"network": "a+b", "losses": {"a": 1.0, "b": 2.0}, **change}
    answer = api.post("/v1/score-tables", json={"networks": [network]})
    document = check_problem(answer, 422)
    assert document["errors"][0]["pointer"].startswith(pointer)
    assert len(store.list_tables()) == 0


def test_a_form_takes_a_file_its_test_losses_and_a_name(api: Api, store: Store) -> None:
    files = {
        "file": ("..\\folder/my table.csv", SMALL, "text/csv"),
        "test_file": ("test.csv", SMALL.replace(b"0.17", b"0.27"), "text/csv"),
    }
    answer = api.post("/v1/score-tables", files=files)
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == "my table"
    table = store.score_table(answer.json()["id"])
    assert (table.validation[2, 0], table.test[2, 0]) == (0.175, 0.275)


def test_a_form_takes_pasted_text(api: Api) -> None:
    fields = {"text": SMALL.decode().replace("\n", "\r\n"), "name": "pasted", "values": "losses"}
    answer = api.post("/v1/score-tables", data=fields, files={"file": ("", b"")})
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == "pasted"


# --- keys, limits, refusals


def test_the_same_key_imports_once(api: Api, store: Store) -> None:
    headers = {**CSV, "Idempotency-Key": "k1"}
    first = api.post("/v1/score-tables", content=SMALL, headers=headers)
    again = api.post("/v1/score-tables", content=SMALL, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert [a.headers["idempotency-replayed"] for a in (first, again)] == ["false", "true"]
    other = api.post("/v1/score-tables?name=other", content=SMALL, headers=headers)
    assert check_problem(other, 422)["code"] == "idempotency_conflict"
    assert len(store.list_tables()) == 1


def test_an_imported_table_is_deleted_and_a_jobs_is_not(api: Api, scenes: Scenes) -> None:
    table = imported(api)
    assert api.delete(f"/v1/score-tables/{table['id']}").status_code == 204
    check_problem(api.get(f"/v1/score-tables/{table['id']}"), 404)
    check_problem(api.delete(f"/v1/score-tables/{table['id']}"), 404)
    job = scenes.finished()
    document = check_problem(api.delete(f"/v1/score-tables/{job.score_table_id}"), 409)
    assert document["code"] == "state_conflict"


def test_a_table_of_a_job_is_exported_too(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/export?format=json")
    assert read_table(answer.content).table.networks == scenes.store.score_table(job.score_table_id).networks


def test_text_that_a_spreadsheet_would_compute_is_defused_and_numbers_are_raw(api: Api) -> None:
    content = SMALL.replace(b"depth", b"=cmd|A1").replace(b"0.175", b"-0.175")
    table = imported(api, content)
    rows = list(csv.reader(io.StringIO(api.get(f"/v1/score-tables/{table['id']}/export").text)))
    assert rows[0][3] == "'=cmd|A1"
    assert all(not row[0].startswith("=") for row in rows)
    assert "-0.175" in rows[3]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("a table", "a-table.csv"),
        ("../../etc/passwd", "etc-passwd.csv"),
        (".hidden", "hidden.csv"),
        ('a"; filename="b.exe', "a-filename-b.exe.csv"),
        ("übung 1\r\nX: y", "ubung-1-X-y.csv"),
        ("表", "score-table.csv"),
        ("x" * 500, "x" * 80 + ".csv"),
    ],
)
def test_a_file_name_is_plain(label: str, expected: str) -> None:
    assert safe_file_name(label, "score-table", "csv") == expected


# --- the published tables


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published tables are not here")
def test_a_published_table_is_imported_solved_and_exported(api: Api, store: Store) -> None:
    validation = (PUBLISHED / "standley" / "setting1_val.csv").read_bytes()
    test = (PUBLISHED / "standley" / "setting1_test.csv").read_bytes()
    answer = api.post(
        "/v1/score-tables", files={"file": ("setting1.csv", validation), "test_file": ("t", test)}
    )
    table = answer.json()
    assert table["report"]["n_missing_groups"] == 0
    curve = api.get(f"/v1/score-tables/{table['id']}/curve?budgets=1,2.5,5").json()
    assert [point["status"] for point in curve["points"]] == ["optimal"] * 3
    assert all(point["test_loss"] is not None for point in curve["points"])
    exported = api.get(f"/v1/score-tables/{table['id']}/export?format=json").content
    assert read_table(exported).table == store.score_table(table["id"])


def test_an_example_of_the_description_is_accepted(api: Api) -> None:
    body = api.app.openapi()["paths"]["/v1/score-tables"]["post"]["requestBody"]["content"]
    text = body["text/csv"]["example"]
    assert imported(api, text.encode())["report"]["n_networks"] == 3
    answer = api.post(
        "/v1/score-tables", content=json.dumps(body["application/json"]["example"]), headers=JSON
    )
    assert answer.status_code == 201


JSON = {"Content-Type": "application/json"}


def test_groups_in_a_file_of_their_own_are_read_with_the_values(api: Api) -> None:
    files = {
        "file": ("gains.csv", b"a,b\n0.1,0\n0.2,0.3\n0,0.4\n"),
        "groups_file": ("groups", b"a,b\n1,0\n1,1\n0,1\n"),
    }
    answer = api.post("/v1/score-tables", files=files, params={"values": "gains"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["report"]["n_networks"] == 3
    assert any("multi-hot" in sentence for sentence in answer.json()["report"]["sentences"])
    again = api.post("/v1/score-tables", files=files | {"groups_file": ("groups", b"a,b\n1,1\n1,0\n0,1\n")})
    assert again.json()["id"] != answer.json()["id"]
    wrong = api.post("/v1/score-tables", files=files | {"groups_file": ("groups", b"a,b\n1,0\n")})
    assert (wrong.status_code, "more rows" in wrong.json()["detail"]) == (422, True)
