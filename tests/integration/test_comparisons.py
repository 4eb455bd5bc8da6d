"""Two jobs, or two groupings, compared over HTTP, on pages and by a command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.client import Client
from tests.integration.conftest import NAMES, Api, Scenes, server

HTML = {"Accept": "text/html"}


def compared(api: Api, a: str, b: str) -> Any:
    answer = api.get(f"/v1/jobs/compare?a={a}&b={b}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_jobs_that_ask_for_the_same_differ_in_nothing(api: Api, scenes: Scenes) -> None:
    a, b = scenes.finished(name="a"), scenes.finished(name="b")
    found = compared(api, a.id, b.id[:-1])
    assert (found["differences"], found["notes"], found["tasks_in_both"]) == ([], [], list(NAMES))
    assert [row["loss_change"] for row in found["budgets"]] == [0.0] * 3
    assert found["affinity"]["sentence"] == "Every effect that is known in both jobs is the same."
    assert found["spent_a"] == found["spent_b"]


def test_every_change_is_the_second_minus_the_first(api: Api, scenes: Scenes) -> None:
    a = scenes.finished(name="a", budgets_snt=(1.0, 2.0))
    b = scenes.finished(name="b", n_seeds=3, budgets_snt=(2.0, 3.0))
    found, back = compared(api, a.id, b.id), compared(api, b.id, a.id)
    assert {row["field"]: (row["a"], row["b"]) for row in found["differences"]} == {
        "n_seeds": (2, 3),
        "budgets_snt": ([1.0, 2.0], [2.0, 3.0]),
    }
    one, two, three = found["budgets"]
    assert (one["b"], three["a"], one["loss_change"]) == (None, None, None)
    assert two["loss_change"] == pytest.approx(two["b"]["loss"] - two["a"]["loss"])
    assert two["loss_change"] != 0
    assert back["budgets"][1]["loss_change"] == -two["loss_change"]
    values, reverse = found["affinity"]["values"], back["affinity"]["values"]
    for row, opposite in zip(values, reverse, strict=True):
        for value, other in zip(row, opposite, strict=True):
            assert (value is None and other is None) or value == -other
    assert found["affinity"]["sentence"].startswith("The largest change")


def test_sums_of_other_tasks_are_not_compared_and_said_so(api: Api, scenes: Scenes) -> None:
    a = scenes.finished(name="a")
    b = scenes.finished(NAMES[:3], name="b")
    running = scenes.running(name="under way")
    found = compared(api, a.id, b.id)
    assert (found["only_a"], found["only_b"]) == ([NAMES[3]], [])
    assert all(row["loss_change"] is None for row in found["budgets"])
    assert "different tasks" in found["notes"][0]
    assert len(found["affinity"]["values"]) == 3
    told = compared(api, a.id, running.id)
    assert told["notes"] == ["The second job is running: what is said of it is preliminary."]


def test_pages_compare_jobs_and_groupings(api: Api, scenes: Scenes) -> None:
    a, b = scenes.finished(name="a <b>"), scenes.finished(name="other", n_seeds=3)
    assert f'href="/compare?a={a.id}"' in api.get(f"/jobs/{a.id}", headers=HTML).text
    offered = api.get(f"/compare?a={a.id}", headers=HTML).text
    assert f"/compare?a={a.id}&amp;b={b.id}" in offered
    page = api.get(f"/compare?a={a.id}&b={b.id}", headers=HTML)
    assert page.status_code == 200
    assert "a &lt;b&gt;" in page.text
    assert "n_seeds" in page.text
    assert 'class="matrix' in page.text
    assert api.get(f"/compare?a={a.id}&b=none", headers=HTML).status_code == 404
    assert api.get(f"/compare?a={a.id}&with={b.id}", headers=HTML).status_code == 422
    path = f"/v1/score-tables/{a.score_table_id}/groupings"
    ids = [api.post(path, json={"budget_snt": budget}).json()["id"] for budget in (1, 2)]
    groupings = api.get(f"/groupings/compare?a={ids[0]}&b={ids[1]}", headers=HTML).text
    assert "Not at equal cost" in groupings
    assert all(name in groupings for name in NAMES)
    table = api.get(f"/score-tables/{a.score_table_id}", headers=HTML).text
    assert 'action="/groupings/compare"' in table
    assert f'<option value="{ids[0]}" selected>' in table


@pytest.mark.slow
def test_the_command_compares_jobs_and_groupings(tmp_path: Path, sqlite_url: str, scenes: Scenes) -> None:
    a, b = scenes.finished(name="a"), scenes.finished(name="b", n_seeds=3)
    with server(sqlite_url, tmp_path / "api.log") as (url, _), Client(url) as client:
        kept = [client.job(a.id).solve(budget).id for budget in (1.0, 2.0)]

        def run(*arguments: str) -> str:
            done = CliRunner().invoke(app, ["compare", *arguments, "--server", url], catch_exceptions=False)
            assert done.exit_code == 0, done.output
            return done.stdout

        shown = run(a.id[:-1], b.id)
        assert "n_seeds" in shown
        assert "The largest change" in shown
        assert json.loads(run(a.id, b.id, "--json"))["b"]["name"] == "b"
        assert "Not at equal cost" in run(*kept, "--groupings")
