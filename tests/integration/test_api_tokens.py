"""Tokens with scopes: created, used, listed and revoked over HTTP, on the page and by commands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.client import Client, ServiceError
from grouping.domain.access import NewToken, Scope
from grouping.errors import StoreUnavailableError
from grouping.store import Store
from grouping_api.main import create_app, openapi_document
from grouping_api.settings import Settings
from tests.integration.conftest import Api, server

TOKEN = "correct horse battery staple"
OWN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def locked(store: Store) -> Api:
    return Api(create_app(Settings.model_validate({"api_token": TOKEN}), store))


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_token_is_created_used_listed_and_revoked(locked: Api, store: Store) -> None:
    answer = locked.post("/v1/tokens", json={"name": "ada", "scope": "submit"}, headers=OWN)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.json()
    hers = bearer(made["token"])
    assert locked.post("/v1/jobs", json={"problem": "digits"}, headers=hers).status_code == 202
    assert locked.get("/", headers=hers).status_code == 200
    refused = locked.get("/v1/tokens", headers=hers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "needs the scope admin" in refused.json()["detail"]
    (listed,) = locked.get("/v1/tokens", headers=OWN).json()["items"]
    assert "token" not in listed
    assert made["token"].startswith(listed["hint"])
    revoked = locked.delete(f"/v1/tokens/{made['id'][:12]}", headers=OWN)
    assert revoked.json()["revoked_at"] is not None
    assert locked.get("/v1/jobs", headers=hers).status_code == 401
    assert locked.delete(f"/v1/tokens/{made['id']}", headers=OWN).json() == revoked.json()


def test_an_administrator_by_token_may_give_out_others(locked: Api, store: Store) -> None:
    new = NewToken()
    store.add_token(new, "second administrator", Scope.ADMIN)
    asked = {"name": "for a day", "scope": "read", "expires_in_days": 1}
    answer = locked.post("/v1/tokens", json=asked, headers=bearer(new.secret))
    assert answer.status_code == 201
    assert answer.json()["expires_at"] > answer.json()["created_at"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "", "scope": "read"},
        {"name": "x", "scope": "root"},
        {"name": "x"},
        {"name": "x", "scope": "read", "expires_in_days": 0},
        {"name": "x\u202e", "scope": "read"},
    ],
)
def test_a_wrong_request_creates_nothing(locked: Api, store: Store, wrong: dict[str, Any]) -> None:
    assert locked.post("/v1/tokens", json=wrong, headers=OWN).status_code == 422
    assert store.list_tokens() == ()


def test_a_service_that_asks_for_no_token_gives_out_none(api: Api, store: Store) -> None:
    answer = api.post("/v1/tokens", json={"name": "x", "scope": "read"})
    assert answer.status_code == 409
    assert "GROUPING_API_TOKEN" in answer.json()["detail"]
    page = api.get("/tokens", headers={"Accept": "text/html"}).text
    assert "asks for no token" in page
    assert store.list_tokens() == ()


def test_a_database_that_is_away_is_told_as_such(
    locked: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_digest: str) -> None:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(store, "find_valid_token", away)
    answer = locked.get("/v1/jobs", headers=bearer("some other token"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert locked.get("/v1/jobs", headers=OWN).status_code == 200, "the service's own needs no database"


def test_the_description_names_the_scope_of_every_operation() -> None:
    paths = openapi_document()["paths"]
    assert paths["/v1/jobs"]["get"]["security"] == [{"bearer": ["read"]}, {"basic": ["read"]}, {}]
    assert paths["/v1/jobs/{job_id}"]["delete"]["security"][0] == {"bearer": ["admin"]}
    assert paths["/healthz"]["get"]["security"] == []
    assert all("security" in operation for verbs in paths.values() for operation in verbs.values())


def test_the_page_shows_a_new_token_once_and_keeps_what_was_entered(locked: Api, store: Store) -> None:
    headers = OWN | {"Accept": "text/html"}
    wrong = locked.post("/tokens", data={"name": "ada", "scope": "submit", "days": "soon"}, headers=headers)
    assert wrong.status_code == 422
    assert 'value="ada"' in wrong.text
    assert 'value="soon"' in wrong.text
    assert store.list_tokens() == ()
    made = locked.post("/tokens", data={"name": "ada", "scope": "submit", "days": "2,5"}, headers=headers)
    found = re.search(r"mtlg_[\w-]+(?=</code></p></div>)", made.text)
    assert found is not None
    assert made.headers["cache-control"] == "no-store"
    assert locked.get("/v1/jobs", headers=bearer(found.group())).status_code == 200
    assert found.group() not in locked.get("/tokens", headers=headers).text
    (token,) = store.list_tokens()
    assert locked.post(f"/tokens/{token.id}/revoke", headers=headers).status_code == 303
    assert "revoked" in locked.get("/tokens", headers=headers).text


@pytest.mark.slow
def test_client_and_commands_manage_tokens(tmp_path: Path, sqlite_url: str) -> None:
    with server(sqlite_url, tmp_path / "api.log", GROUPING_API_TOKEN=TOKEN) as (url, _):

        def run(*arguments: str, token: str = TOKEN) -> Any:
            options = ["tokens", *arguments, "--server", url, "--token", token]
            done = CliRunner().invoke(app, options, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            return done.stdout

        secret = run("create", "ada", "--scope", "submit", "--days", "30").strip()
        with Client(url, token=secret) as hers:
            job = hers.submit(problem="digits")
            job.cancel()
            with pytest.raises(ServiceError, match="scope admin"):
                job.delete()
        (listed,) = json.loads(run("list", "--json"))
        assert (listed["name"], listed["scope"]) == ("ada", "submit")
        assert "until" in run("list")
        assert "Revoked ada" in run("revoke", listed["id"][:-2])
        assert "revoked" in run("list")
        with Client(url, token=secret) as hers, pytest.raises(ServiceError) as caught:
            hers.jobs()
        assert caught.value.status == 401
