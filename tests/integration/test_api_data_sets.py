"""Data sets over HTTP: stored, described, made into problems that jobs ask for, refused, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from grouping.data_sets.features import FittedInputs
from grouping.data_sets.folder import DATA_VARIABLE, require_data_folder
from grouping.store import Store
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.frames import fields, shop
from tests.integration.conftest import Api
from tests.integration.test_api_hostile import check_problem

MINES = {"targets": [{"columns": ["mine"], "kind": "binary"}], "task_column": "field"}
CSV = {"Content-Type": "text/csv"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data"


def csv(frame: Any) -> bytes:
    content: bytes = frame.to_csv(index=False).encode()
    return content


def stored(api: Api, frame: Any, name: str = "mines") -> dict[str, Any]:
    answer = api.post("/v1/data-sets", content=csv(frame), headers=CSV, params={"name": name})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/data-sets/{document['version']}"
    return document


def made(api: Api, name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    answer = api.post(f"/v1/data-sets/{name}/problems", json=definition)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_table_is_stored_once_and_described(api: Api) -> None:
    first = stored(api, shop(), "shop")
    again = api.post("/v1/data-sets", files={"file": ("else.csv", csv(shop()))})
    assert (again.headers["idempotency-replayed"], again.json()) == ("true", first)
    assert api.get("/v1/data-sets").json() == {"items": [first]}
    detail = api.get("/v1/data-sets/shop").json()
    assert api.get(f"/v1/data-sets/{first['version']}").json() == detail
    assert detail["preview"][0][3] in ("Bonn", "Köln", "Ulm")
    assert detail["preview"][0][5] is None
    clicked = detail["columns"][-1]
    assert (clicked["kind"], clicked["n_missing"], clicked["as_target"]) == ("category", 20, "binary")


def test_a_dry_run_describes_a_table_and_stores_nothing(api: Api, folder: Path) -> None:
    asked = {"content": csv(shop()), "headers": CSV, "params": {"name": "shop", "dry_run": "true"}}
    told = api.post("/v1/data-sets", **asked)
    assert (told.status_code, "location" in told.headers) == (200, False)
    assert api.get("/v1/data-sets").json() == {"items": []}
    assert not [path for path in folder.rglob("*") if path.is_file()]
    kept = stored(api, shop(), "shop")
    assert {**told.json(), "created_at": kept["created_at"]} == kept
    assert api.post("/v1/data-sets", **asked).json() == kept, "the one that is there"


def test_a_form_names_the_data_set_by_its_file(api: Api) -> None:
    answer = api.post("/v1/data-sets", files={"file": ("My table.csv", csv(fields()))})
    assert (answer.json()["name"], answer.json()["source"]) == ("My-table", "My table.csv")


def test_a_problem_is_made_and_a_job_asks_for_it(api: Api, store: Store) -> None:
    version = stored(api, fields())["version"]
    problem = made(api, "mines", MINES)
    assert [task["name"] for task in problem["tasks"]] == [f"field {n}" for n in range(1, 5)]
    assert problem["labels"]["field 1"] == {"train": 36, "validation": 12, "test": 12}
    assert {finding["code"] for finding in problem["findings"]} == {"few_labels", "few_of_a_class"}
    listed = {one["name"]: one for one in api.get("/v1/problems").json()["items"]}
    assert listed[problem["name"]]["findings"] == problem["findings"]
    assert listed["digits"]["findings"] == []
    assert api.get(f"/v1/data-sets/{version}/problems").json()["items"] == [problem]
    asked = {"problem": "mines", "budgets_snt": [2]}
    assert api.post("/v1/jobs/estimate", json=asked).json()["findings"] == problem["findings"]
    job = api.post("/v1/jobs", json=asked).json()
    spec = store.get_job(job["id"]).spec
    assert spec.problem == problem["name"]  # which one that was stays with the job
    assert spec.tasks == tuple(f"field {n}" for n in range(1, 5))


def test_what_was_fitted_to_the_columns_is_read_and_applied(api: Api) -> None:
    stored(api, fields())
    problem = made(api, "mines", MINES)
    address = f"/v1/data-sets/mines/problems/{problem['name']}/inputs"
    fitted = FittedInputs.from_mapping(api.get(address).json())
    assert list(fitted.names) == problem["inputs"]
    assert fitted.apply(fields().head(3)).shape == (3, len(problem["inputs"]))
    missing = api.get("/v1/data-sets/mines/problems/mines:none/inputs")
    assert "no problem 'mines:none'" in check_problem(missing, 404)["detail"]


def test_a_job_has_the_splits_that_its_problem_makes(api: Api, store: Store) -> None:
    stored(api, fields())
    folded = made(api, "mines", {**MINES, "split": {"kind": "stratified", "folds": 4}})["name"]
    drawn = made(api, "mines", MINES)["name"]
    timed = made(api, "mines", {**MINES, "split": {"kind": "time", "column": "a"}})["name"]

    def asked(problem: str, **fields: Any) -> Any:
        return api.post("/v1/jobs", json={"problem": problem, "budgets_snt": [2], **fields})

    for problem, fields_, n_splits in [
        (folded, {}, 4),
        (folded, {"n_splits": 2}, 2),
        (folded, {"n_confirmation_seeds": 0}, 1),
        (drawn, {}, 1),
        (drawn, {"n_splits": 7}, 7),
    ]:
        job = asked(problem, **fields_).json()
        assert job["spec"]["n_splits"] == n_splits
        spec = store.get_job(job["id"]).spec
        assert len(spec.confirmation_seeds) == spec.n_confirmation_seeds + n_splits - 1
    for problem, says in ((timed, "has 1 split, and 2"), (folded, "as many as folds"), ("digits", "1 split")):
        refused = asked(problem, n_splits=2 if problem != folded else 5)
        assert refused.status_code == 422
        assert says in refused.json()["detail"]
        assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/n_splits"]


def test_a_data_set_is_deleted_once_no_job_needs_it(api: Api, folder: Path) -> None:
    version = stored(api, fields())["version"]
    made(api, "mines", MINES)
    job = api.post("/v1/jobs", json={"problem": "mines", "budgets_snt": [2]}).json()
    refused = api.delete("/v1/data-sets/mines")
    assert check_problem(refused, 409)["code"] == "state_conflict"
    assert job["id"] in refused.json()["detail"]
    api.post(f"/v1/jobs/{job['id']}/cancel")
    assert api.delete(f"/v1/data-sets/{version}").status_code == 204
    assert api.get("/v1/data-sets").json() == {"items": []}
    assert list(folder.iterdir()) == []
    assert check_problem(api.delete("/v1/data-sets/mines"), 404)["code"] == "not_found"
    assert api.get(f"/v1/jobs/{job['id']}").status_code == 200


@pytest.mark.parametrize(
    ("definition", "pointer"),
    [
        ({"targets": []}, "/targets"),
        ({}, "/targets"),
        ({"targets": [{"columns": ["none"]}]}, "/targets/0/columns"),
        ({"targets": [{"columns": ["mine"], "kind": "dense"}]}, "/targets/0/kind"),
        ({"targets": [{"columns": ["mine"], "loss": "huber"}]}, "/targets/0"),
        ({**MINES, "split": {"kind": "group"}}, "/split/column"),
        ({**MINES, "split": {"shares": [0.5, 0.5, 0.5]}}, "/split/shares"),
        ({**MINES, "split": {"kind": "time", "column": "mine"}}, "/split"),
        ({**MINES, "colour": "red"}, "/colour"),
        ({**MINES, "kinds": {"a": "text"}}, "/kinds/a"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_its_field(
    api: Api, definition: Mapping[str, Any], pointer: str
) -> None:
    stored(api, fields())
    answer = api.post("/v1/data-sets/mines/problems", json=definition)
    assert answer.status_code == 422, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert require_data_folder().problems() == ()


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"content": b"", "headers": CSV}, 422, "bad_data_set"),
        (
            {"content": b"a,b\n1,2,3,4\n", "headers": {"Content-Type": "image/png"}},
            415,
            "unsupported_media_type",
        ),
        (
            {"content": b"PAR1", "headers": {"Content-Type": "application/vnd.apache.parquet"}},
            422,
            "bad_data_set",
        ),
        ({"files": {"file": ("t.pkl", b"x")}}, 422, "bad_data_set"),
        ({"files": {"other": ("t.csv", b"a\n1\n")}}, 422, "bad_data_set"),
        ({"content": b"a\n1\n", "headers": CSV, "params": {"name": "../up"}}, 422, "invalid_input"),
        ({"content": b"a\n1\n", "headers": CSV, "params": {"name": "digits"}}, 422, "invalid_input"),
        ({"json": {"path": "/etc/passwd"}}, 422, "invalid_input"),
        ({"json": {"paths": "/etc/passwd"}}, 422, "invalid_input"),
    ],
)
def test_what_is_no_table_is_refused(api: Api, options: Any, status: int, code: str) -> None:
    assert check_problem(api.post("/v1/data-sets", **options), status)["code"] == code
    assert require_data_folder().list() == ()


def test_a_path_is_read_where_the_operator_allows(store: Store, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "mines.csv").write_bytes(csv(fields()))
    (tmp_path / "secret.csv").write_bytes(csv(fields(2)))
    api = Api(create_app(Settings(data_paths=(allowed,)), store))
    answer = api.post("/v1/data-sets", json={"path": str(allowed / "mines.csv"), "name": "mine"})
    assert (answer.status_code, answer.json()["name"]) == (201, "mine")
    for path in (tmp_path / "secret.csv", tmp_path / "nothing.csv"):
        refused = api.post("/v1/data-sets", json={"path": str(path)})
        assert check_problem(refused, 422)["code"] == "invalid_input"
        assert str(tmp_path) not in refused.text


def test_folders_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUPING_DATA_PATHS", "/srv/a:/srv/b")
    assert Settings().data_paths == (Path("/srv/a"), Path("/srv/b"))


def test_the_form_of_a_problem_takes_targets_in_words(api: Api) -> None:
    version = stored(api, shop(), "shop")["version"]
    names = [column["name"] for column in api.get(f"/v1/data-sets/{version}").json()["columns"]]
    roles = {f"role-{n}": "nothing" if name in ("user", "day") else "input" for n, name in enumerate(names)}
    words = "price:regression:loss=huber,weight=2\r\n\r\nclicked:binary:positive=no"
    answer = api.post(f"/data-sets/{version}/problems", data={**roles, "targets": words, "folds": "4"})
    assert answer.status_code == 303, answer.text
    (problem,) = api.get(f"/v1/data-sets/{version}/problems").json()["items"]
    assert answer.headers["location"].endswith(problem["name"])
    price, clicked = problem["tasks"]
    assert (price["loss"], price["weight"], clicked["kind"]) == ("huber", 2, "binary")
    page = api.get(f"/data-sets/{version}").text
    assert "Predicted: price (regression); clicked (binary: yes is no, no is yes)." in page
    wrong = api.post(f"/data-sets/{version}/problems", data={**roles, "targets": "price:regresion"})
    assert (wrong.status_code, "is no kind of a target" in wrong.text) == (422, True)
    assert "price:regresion</textarea>" in wrong.text
