"""Jobs found again over HTTP, on pages and by commands: queries, labels, identifiers, deletion."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.client import Client
from grouping.domain.fields import declared
from grouping.domain.jobs.job import JobState
from grouping.domain.jobs.query import JobOrder, JobQuery
from grouping.errors import InvalidInputError
from grouping.store import Store
from grouping_api.main import openapi_document
from tests.integration.conftest import Api, Scenes, server
from tests.integration.test_api_access import routes

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "find-jobs-again.md"
HTML = {"Accept": "text/html"}


def listed(api: Api, query: str) -> list[str]:
    """Names of the jobs that a query finds."""
    answer = api.get(f"/v1/jobs?{query}")
    assert answer.status_code == 200, answer.text
    return [job["name"] for job in answer.json()["items"]]


def test_the_query_of_the_address_is_the_declared_one(api: Api) -> None:
    parameters = openapi_document()["paths"]["/v1/jobs"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == {
        *declared(JobQuery),
        "page_size",
        "page_token",
    }
    for parameter in parameters:
        assert parameter.get("description") or parameter["schema"].get("description"), parameter["name"]


def test_jobs_are_found_by_what_the_address_asks(api: Api, store: Store, scenes: Scenes) -> None:
    scenes.submitted(name="first", tags=("slow", "x"))
    second = scenes.submitted(name="second", tags=("slow",))
    store.request_cancel(second.id)
    assert listed(api, "tag=slow") == ["second", "first"]
    assert listed(api, "tag=slow&tag=x") == listed(api, "tag=slow,x") == ["first"]
    assert listed(api, "state=cancelled&state=failed") == listed(api, "state=cancelled,failed") == ["second"]
    assert listed(api, "sort=name&problem=digits&text=edges&name=&state=") == ["first", "second"]
    first = api.get("/v1/jobs?page_size=1&sort=oldest").json()
    assert [job["name"] for job in first["items"]] == ["first"]
    assert listed(api, f"page_size=1&sort=oldest&page_token={first['next_page_token']}") == ["second"]


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ("state=done", "state", "queued"),
        ("sort=size", "sort", "newest"),
        ("tag=%23", "tag", "a word of"),
        (f"text={'x' * 201}", "text", "200"),
        ("stat=failed", "stat", "state, problem, name, tag, text, sort"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(
    api: Api, query: str, parameter: str, said: str
) -> None:
    answer = api.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["parameter"].startswith(parameter)
    assert said in answer.json()["detail"]


def test_every_address_refuses_a_parameter_that_it_does_not_have(api: Api) -> None:
    n_seen = 0
    for method, path in routes(api):
        if path.startswith("/static"):
            continue
        answer = api.request(method, f"{path}?no_such=1")
        if answer.status_code in (405, 415):  # refused before its parameters are looked at
            continue
        assert answer.status_code == 422, f"{method} {path} answers {answer.status_code}"
        assert "no_such" in answer.text, f"{method} {path}"
        n_seen += 1
    assert n_seen > 60


def test_a_body_is_refused_where_none_is_taken(api: Api, store: Store) -> None:
    job_id = api.post("/v1/jobs", json={"problem": "digits"}).json()["id"]
    for path in ("pause", "cancel", "resume", "stop"):
        answer = api.post(f"/v1/jobs/{job_id}/{path}", json={"confirm": False})
        assert answer.status_code == 422, path
        assert answer.json()["detail"].startswith("This address takes no body. It takes "), path
    assert "query parameters: confirm." in answer.json()["detail"]
    assert api.request("DELETE", f"/v1/jobs/{job_id}", content=b'{"a": 1}').status_code == 422
    assert store.get_job(job_id).state is JobState.QUEUED
    nothings: list[dict[str, Any]] = [{}, {"json": {}}]
    for nothing in nothings:
        assert api.post(f"/v1/jobs/{job_id}/pause", **nothing).status_code == 202


def test_the_refusal_lists_what_the_address_takes(api: Api) -> None:
    problem = api.get("/v1/jobs?%ff=1").json()
    assert problem["known"] == ["state", "problem", "name", "tag", "text", "sort", "page_size", "page_token"]
    assert api.get("/version?x=1").json()["detail"].endswith("It takes none.")
    assert "no query parameter" in api.get("/?stat=failed", headers=HTML).text


# --- labels and identifiers


def test_labels_are_changed_and_what_is_left_out_stays(api: Api, scenes: Scenes) -> None:
    job = scenes.submitted(name="old", tags=("a",))
    path = f"/v1/jobs/{job.id[:20]}"
    changed = api.request("PATCH", path, json={"name": "new", "note": "two\nlines", "add_tags": ["b"]}).json()
    assert (changed["id"], changed["name"], changed["tags"]) == (job.id, "new", ["a", "b"])
    assert api.request("PATCH", path, json={"drop_tags": ["A"]}).json()["tags"] == ["b"]
    assert api.get(path).json()["note"] == "two\nlines"
    page = api.get(f"/jobs/{job.id}", headers=HTML).text
    assert "two\nlines" in page
    assert 'href="/?tag=b"' in page
    for wrong in ({"name": "x" * 201}, {"add_tags": ["a b"]}, {"nme": "x"}, {"note": "\u202e"}):
        assert api.request("PATCH", path, json=wrong).status_code == 422
    assert api.get(path).json()["name"] == "new"


def test_a_beginning_that_several_share_is_refused_with_all_of_them(api: Api, scenes: Scenes) -> None:
    jobs = [scenes.submitted(name=f"job {i}") for i in range(2)]
    shared = jobs[0].id[:4]
    answer = api.get(f"/v1/jobs/{shared}")
    assert (answer.status_code, answer.json()["code"]) == (422, "ambiguous_id")
    assert answer.json()["candidates"] == [
        {"id": job.id, "name": job.name} for job in sorted(jobs, key=lambda job: job.id, reverse=True)
    ]
    assert api.get(f"/v1/jobs/{jobs[0].id[:-1]}/progress").status_code == 200
    assert api.get(f"/jobs/{jobs[0].id[:-1]}", headers=HTML).status_code == 200
    assert api.get(f"/v1/score-tables/{jobs[0].score_table_id[:-2]}").status_code == 200


def test_a_dry_run_deletes_nothing_and_says_what_would_go(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    told = api.delete(f"/v1/jobs/{job.id}?dry_run=true").json()
    assert (told["is_deleted"], told["job"]["id"]) == (False, job.id)
    assert told["n_trainings"] > 0
    assert api.get(f"/v1/jobs/{job.id}").status_code == 200
    done = api.delete(f"/v1/jobs/{job.id}").json()
    assert done == {**told, "is_deleted": True}
    assert api.get(f"/v1/jobs/{job.id}").status_code == 404
    under_way = scenes.running()
    assert api.delete(f"/v1/jobs/{under_way.id}?dry_run=true").status_code == 409


# --- pages


def test_the_list_finds_jobs_and_keeps_what_was_asked(api: Api, store: Store, scenes: Scenes) -> None:
    for number in range(27):
        scenes.submitted(name=f"job <{number}>", tags=("many",))
    scenes.submitted(name="alone")
    page = api.get("/?tag=many&sort=oldest&state=queued", headers=HTML).text
    assert "alone" not in page
    assert '<option value="oldest" selected>' in page
    assert re.search(r'name="tag" value="many"', page)
    more = re.search(r'href="(\?[^"]*page_token[^"]*)"', page)
    assert more is not None
    rest = api.get("/" + more.group(1).replace("&amp;", "&"), headers=HTML).text
    assert [f"job &lt;{number}&gt;" in rest for number in (24, 25, 26)] == [False, True, True]
    assert "No job is like that" in api.get("/?state=failed", headers=HTML).text


def test_a_wrong_label_is_told_and_nothing_of_the_form_is_lost(
    api: Api, store: Store, scenes: Scenes
) -> None:
    job = scenes.submitted(name="a job", tags=("kept",))
    form = {"name": "new name", "tags": "kept, not!ok", "note": "a note"}
    answer = api.post(f"/jobs/{job.id}/labels", data=form)
    assert answer.status_code == 422
    assert "write a word of" in answer.text
    assert all(text in answer.text for text in form.values())
    assert store.get_job(job.id) == job
    fixed = api.post(f"/jobs/{job.id}/labels", data=form | {"tags": "other"})
    assert (fixed.status_code, fixed.headers["location"]) == (303, f"/jobs/{job.id}")
    assert store.get_job(job.id).tags == ("other",)


def test_a_job_is_deleted_from_its_page_after_it_said_what_goes(
    api: Api, store: Store, scenes: Scenes
) -> None:
    running, over = scenes.running(), scenes.finished()
    asked = api.get(f"/jobs/{running.id}/delete", headers=HTML).text
    assert "cancel it before" in asked
    assert "<form" not in asked
    assert "trainings with logs" in api.get(f"/jobs/{over.id}/delete", headers=HTML).text
    assert api.post(f"/jobs/{over.id}/delete").status_code == 303
    assert [job.id for job in store.list_jobs()] == [running.id]


# --- client and commands


@pytest.mark.slow
def test_client_and_commands_find_label_and_delete(tmp_path: Path, sqlite_url: str, scenes: Scenes) -> None:
    over = scenes.finished(name="over")
    scenes.submitted(name="waiting")
    with server(sqlite_url, tmp_path / "api.log") as (url, _), Client(url) as client:
        assert [job.data.name for job in client.jobs(state=(JobState.QUEUED,))] == ["waiting"]
        assert [job.data.name for job in client.jobs(sort=JobOrder.NAME, limit=1)] == ["over"]
        (code,) = re.findall(r"```python client\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        exec(compile(code.replace("http://127.0.0.1:8000", url), str(PAGE), "exec"), {})
        with pytest.raises(InvalidInputError, match="one of queued"):
            client.jobs(state=("done",))

        def run(*arguments: str) -> Any:
            done = CliRunner().invoke(app, [*arguments, "--server", url])
            assert done.exit_code == 0, done.output
            return done.stdout

        beginning = over.id[:-3]
        assert run("rename", beginning, "a better name") == "a better name\n"
        assert run("tag", beginning, "x", "y") == "x y\n"
        assert run("tag", beginning, "--drop", "x") == "y\n"
        run("note", beginning, "seen")
        assert run("note", beginning) == "seen\n"
        assert [job["name"] for job in json.loads(run("jobs", "--tag", "y", "--json"))] == ["a better name"]
        shown = run("jobs", "--state", "queued", "--state", "failed")
        assert "waiting" in shown
        assert "better" not in shown
        assert run("jobs", "--text", "nothing such") == ""
        assert over.score_table_id[:12] in run("tables")
        client.job(over.id).solve(2.0)
        assert "optimal" in run("groupings", over.score_table_id[:-1])
        assert "Would delete a better name" in run("delete", beginning, "--dry-run")
        assert "Deleted a better name" in run("delete", beginning, "--yes")
        assert [job.data.name for job in client.jobs()] == ["waiting"]
