"""Who may call: tokens, host names, origins; every route has a rule."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from grouping.domain.access import NewToken, Scope
from grouping.errors import InvalidInputError
from grouping.store import Store
from grouping_api.access import PUBLIC_PATHS, needs_of
from grouping_api.all_routes import routes_of
from grouping_api.main import create_app
from grouping_api.parameters import takes_body
from grouping_api.settings import Settings, read_settings
from tests.integration.conftest import Api

TOKEN = "correct horse battery staple"
OPEN = {"/healthz", "/readyz"}


@pytest.fixture
def locked(store: Store) -> Api:
    return Api(create_app(Settings.model_validate({"api_token": TOKEN}), store))


def declared(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Every method and path, routers inside routers included."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from declared(inner.routes)
            continue
        path = getattr(route, "path", None)
        assert path is not None, f"{route} has no path: say who may call it"
        for method in getattr(route, "methods", None) or {"GET"}:
            yield method, path


def filled_in(path: str) -> str:
    """A path with something in place of its parameters."""
    for name in (
        "{job_id}",
        "{table_id}",
        "{grouping_id}",
        "{study_id}",
        "{picture}",
        "{trial_id}",
        "{finish_id}",
        "{token}",
        "{token_id}",
        "{what}",
        "{name}",
        "{problem}",
        "{operation_id}",
    ):
        path = path.replace(name, "a")
    return path


def routes(api: Api) -> list[tuple[str, str]]:
    """Every method and address of the application, with something in place of the parameters."""
    found = set()
    for method, path in declared(api.app.routes):
        filled = filled_in(path)
        assert "{" not in filled, f"{path} has a parameter this test does not know"
        found.add((method, filled))
    described = {filled_in(path) for path in api.app.openapi()["paths"]}
    assert described <= {path for _, path in found}
    assert {"/", "/jobs/a", "/static", "/score-tables/a/curve", "/v1/openapi.json"} <= {
        path for _, path in found
    }
    return sorted(found)


def test_every_route_asks_for_the_token_but_those_that_are_open(locked: Api) -> None:
    seen = routes(locked)
    assert len(seen) > 25
    for method, path in seen:
        status = locked.request(method, path).status_code
        if path in OPEN:
            assert status != 401, path
        else:
            assert status == 401, f"{method} {path} answers {status} without a token"
    assert OPEN == PUBLIC_PATHS


def test_every_route_says_what_scope_it_needs(locked: Api) -> None:
    for route in routes_of(locked.app.routes):
        scopes = needs_of(route)
        assert len(scopes) == 1, f"{route.path} names {scopes}: give it one of PUBLIC, READ, SUBMIT, ADMIN"
        (scope,) = scopes
        assert (scope is None) == (route.path in PUBLIC_PATHS), route.path
        is_change = not set(route.methods or ()) <= {"GET", "HEAD"}
        assert is_change or scope in (None, Scope.READ) or "tokens" in route.path, route.path
        if "DELETE" in (route.methods or ()) or route.path.endswith("/delete"):
            assert (scope is Scope.ADMIN) or not is_change, route.path


def test_a_token_opens_what_its_scope_allows_and_nothing_else(locked: Api, store: Store) -> None:
    secrets = {scope: NewToken() for scope in Scope}
    for scope, new in secrets.items():
        store.add_token(new, f"of {scope}", scope)
    n_refused = 0
    for route in routes_of(locked.app.routes):
        (needed,) = needs_of(route)
        for granted, new in secrets.items():
            for method in route.methods or ():
                headers = {"Authorization": f"Bearer {new.secret}", "Content-Type": "application/json"}
                path = filled_in(route.path)
                if path.endswith("/events"):
                    continue  # a stream, of a job that is not there
                body = b"{}" if takes_body(route) else b""
                status = locked.request(method, path, headers=headers, content=body).status_code
                is_allowed = needed is None or granted.covers(needed)
                assert (status == 403) == (not is_allowed), f"{method} {path} with {granted}: {status}"
                assert status != 401
                n_refused += not is_allowed
    assert n_refused > 50


def test_an_unknown_address_asks_for_the_token_too(locked: Api) -> None:
    answer = locked.get("/v1/no-such-thing")
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"
    assert "Basic" in answer.headers["www-authenticate"]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic("", TOKEN), basic("any", TOKEN)]
)
def test_the_token_opens_the_service(locked: Api, header: str) -> None:
    assert locked.get("/v1/jobs", headers={"Authorization": header}).status_code == 200
    assert locked.get("/", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        "Basic !!!",
        basic(TOKEN, ""),
        basic("a", "wrong"),
        TOKEN,
    ],
)
def test_anything_else_does_not(locked: Api, header: str) -> None:
    assert locked.get("/v1/jobs", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("header", [b"Bearer \xff\xfe", b"Basic /////w=="])
def test_bytes_that_are_no_text_do_not_either(locked: Api, header: bytes) -> None:
    assert locked.get("/v1/jobs", headers={b"Authorization": header}).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "", "127.0.0.1.evil.example", "[::2]:80"]
)
def test_a_host_name_that_is_not_ours_is_refused(api: Api, host: str) -> None:
    answer = api.get("/v1/jobs", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000"])
def test_this_machines_own_names_are_accepted(api: Api, host: str) -> None:
    assert api.get("/v1/jobs", headers={"Host": host}).status_code == 200


def test_probes_may_call_by_any_address(api: Api) -> None:
    assert api.get("/healthz", headers={"Host": "10.0.0.7:8000"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_changes_from_pages_of_other_sites_are_refused(
    api: Api, store: Store, headers: dict[str, str]
) -> None:
    answer = api.post("/v1/jobs", json={"problem": "digits"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert len(store.list_jobs()) == 0


def test_changes_from_our_own_pages_are_accepted(api: Api) -> None:
    headers = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert api.post("/v1/jobs", json={"problem": "digits"}, headers=headers).status_code == 202


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_without_a_token_only_loopback_may_be_served(host: str) -> None:
    with pytest.raises(InvalidInputError, match="GROUPING_API_TOKEN"):
        Settings().check_bind(host)
    Settings.model_validate({"api_token": TOKEN}).check_bind(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_may_be_served_without_a_token(host: str) -> None:
    Settings().check_bind(host)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUPING_ALLOWED_HOSTS", "grouping.example, [::1]")
    monkeypatch.setenv("GROUPING_API_TOKEN", TOKEN)
    settings = Settings()
    assert settings.allowed_hosts == ("grouping.example", "::1")
    assert TOKEN not in repr(settings)


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 16"):
        Settings.model_validate({"api_token": "secret"})


def test_an_empty_token_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUPING_API_TOKEN", "")
    assert Settings().api_token is None


def test_variables_that_cannot_be_understood_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUPING_HEARTBEAT_S", "often")
    monkeypatch.setenv("GROUPING_ROOT_PATH", "//evil.example")
    with pytest.raises(InvalidInputError, match=r"GROUPING_ROOT_PATH: .*GROUPING_HEARTBEAT_S: "):
        read_settings("sqlite:///x.db")


@pytest.mark.parametrize(
    "told", ["//evil.example", "/a b", "https://evil.example", '/a"evil', "grouping/evil", ""]
)
def test_a_forwarded_prefix_that_is_no_path_changes_no_address(api: Api, told: str) -> None:
    page = api.get("/", headers={"Accept": "text/html", "X-Forwarded-Prefix": told}).text
    assert 'href="/data-sets"' in page
    assert "evil" not in page


def test_our_page_behind_a_proxy_that_changes_the_host_may_change_things(api: Api) -> None:
    ours = {"Origin": "http://shown.example", "Sec-Fetch-Site": "same-origin"}
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert api.post("/v1/jobs", json={"problem": "digits"}, headers=ours).status_code == 202
    assert api.post("/v1/jobs", json={"problem": "digits"}, headers=foreign).status_code == 403
    unsaid = foreign | {"Sec-Fetch-Site": "none"}
    assert api.post("/v1/jobs", json={"problem": "digits"}, headers=unsaid).status_code == 403
