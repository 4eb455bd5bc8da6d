"""Trainers that the operator keeps for a scope, such as one that runs what a request gives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grouping.domain.access import NewToken, Scope
from grouping.domain.jobs.job import JobState
from grouping.store import Store
from grouping.trainers import discover_trainers, list_unavailable
from grouping.trainers.registered import TRAINERS_VARIABLE
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.in_process import LocalExecutor, run_of
from tests.integration.conftest import Api

TRAINERS = """
[trainers.script]
command = ["bash", "-c", "{parameters.script}"]
parameters = {script = ""}
scope = "admin"

[trainers.mine]
command = ["true"]
"""
SCRIPT = """
printf '{"validation": {"%s": 0.%s5}}' "$GROUPING_TASKS" "$GROUPING_SEED" > "$GROUPING_OUT/result.json"
"""
ASKED: dict[str, Any] = {
    "trainer": {"name": "script", "parameters": {"script": SCRIPT.strip()}},
    "tasks": [{"name": "wear"}],
    "strategy": {"name": "exhaustive"},
    "budgets_snt": [1],
    "single_sizes": [],
    "n_seeds": 1,
    "n_confirmation_seeds": 0,
}


@pytest.fixture(autouse=True)
def trainers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "trainers.toml").write_text(TRAINERS)
    monkeypatch.setenv(TRAINERS_VARIABLE, str(tmp_path / "trainers.toml"))
    discover_trainers.cache_clear()
    yield
    discover_trainers.cache_clear()


@pytest.fixture
def locked(store: Store) -> Api:
    return Api(create_app(Settings.model_validate({"api_token": "correct horse battery staple"}), store))


def of(store: Store, scope: Scope) -> dict[str, str]:
    """The headers of whoever has a token of a scope."""
    new = NewToken()
    store.add_token(new, scope.value, scope)
    return {"Authorization": f"Bearer {new.secret}"}


def test_code_in_a_request_is_run_for_the_scope_that_may_give_it(locked: Api, store: Store) -> None:
    answer = locked.post("/v1/jobs", json=ASKED, headers=of(store, Scope.ADMIN))
    assert answer.status_code == 202, answer.text
    run_of(store, LocalExecutor()).run()
    job = store.get_job(answer.json()["id"])
    assert job.state is JobState.SUCCEEDED, job.error
    (trial,) = store.trials(job.id)
    assert trial.scores[0].validation_loss == 0.05, "as the script wrote it"


def test_all_others_are_refused_however_they_ask(locked: Api, store: Store) -> None:
    admin, user = of(store, Scope.ADMIN), of(store, Scope.SUBMIT)
    theirs = locked.post("/v1/jobs", json=ASKED, headers=admin).json()["id"]
    n_jobs = len(locked.get("/v1/jobs", headers=user).json()["items"])
    file = locked.get(f"/jobs/{theirs}/search.toml", headers=user).text
    tries = (
        locked.post("/v1/jobs", json=ASKED, headers=user),
        locked.post(f"/v1/jobs/{theirs}/clone", json={"n_seeds": 2}, headers=user),
        locked.post(
            "/jobs/new/file", data={"text": file, "name": "a.toml", "action": "submit"}, headers=user
        ),
        locked.post(
            "/jobs",
            data={"problem": "digits", "task": ["digit", "loop"], "trainer": "script"},
            headers=user,
        ),
    )
    for answer in tries:
        assert answer.status_code == 403, answer.text
        assert "'script' is for tokens with the scope admin; this one has submit" in answer.text.replace(
            "&#39;", "'"
        )
    assert tries[0].json()["code"] == "forbidden"
    assert len(locked.get("/v1/jobs", headers=user).json()["items"]) == n_jobs
    priced = locked.post("/v1/jobs/estimate", json=ASKED, headers=of(store, Scope.READ))
    assert priced.status_code == 200, "nothing of it is run"


def test_what_is_registered_without_a_scope_is_for_whoever_may_submit(locked: Api, store: Store) -> None:
    user = of(store, Scope.SUBMIT)
    mine = ASKED | {"trainer": {"name": "mine"}}
    assert locked.post("/v1/jobs", json=mine, headers=user).status_code == 202
    listed = locked.get("/v1/trainers", headers=user).json()["items"]
    assert {item["name"]: item["scope"] for item in listed} == {
        "built-in": "submit",
        "external": "submit",
        "script": "admin",
        "mine": "submit",
    }
    for field in ("command", "code", "script", "python"):
        answer = locked.post("/v1/jobs", json=mine | {field: "true"}, headers=of(store, Scope.ADMIN))
        assert answer.status_code == 422, "there is no other field that carries code"


def test_a_scope_that_allows_no_submission_is_no_scope_of_a_trainer(tmp_path: Path) -> None:
    (tmp_path / "trainers.toml").write_text(TRAINERS.replace('"admin"', '"read"'))
    discover_trainers.cache_clear()
    (one,) = list_unavailable()
    assert (one.name, "submit" in one.reason) == ("script", True)
