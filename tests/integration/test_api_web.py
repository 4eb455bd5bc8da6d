"""Pages without a browser: what they show, that they escape it, and that they can always be rendered."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TrialState
from grouping.use_cases import job_notes
from grouping_api.web.affinity_view import shade
from grouping_api.web.rendering import duration, exact, snt
from grouping_api.web.wording import listed
from tests.integration.conftest import Api, Scenes

MARKUP = "<img src=x onerror=alert(1)>"
TABLE_PAGES = (
    "affinity",
    "affinity?method=higher-order&order=name",
    "curve",
    "networks",
    "curve?budget_snt=2.5",
)
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Balance(HTMLParser):
    """Fails on elements that are not closed in order, on duplicate ids, and on inline script or style."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            assert name != "style", f"inline style in <{tag}>"
            assert not name.startswith("on"), f"inline script in <{tag}>"
            if name == "id":
                assert value not in self.ids, f"id {value} stands twice"
                self.ids.add(value or "")
        assert tag != "style"
        if tag == "script":
            assert dict(attrs).get("src")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def page(api: Api, path: str, status: int = 200) -> str:
    answer = api.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    parser = Balance()
    parser.feed(answer.text)
    assert parser.open == []
    assert "<title>" in answer.text
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*"', answer.text) == []
    return answer.text


def test_without_jobs_the_first_page_says_how_to_submit_one(api: Api) -> None:
    text = page(api, "/")
    assert "curl http://127.0.0.1:8000/v1/jobs" in text
    assert "digits" in text


def test_jobs_are_listed_with_their_states(api: Api, scenes: Scenes) -> None:
    scenes.finished(name="an old one")
    scenes.submitted(name="a new one")
    text = page(api, "/")
    assert text.index("a new one") < text.index("an old one")
    assert "Succeeded" in text
    assert "Queued" in text


@pytest.mark.parametrize("kind", TABLE_PAGES)
@pytest.mark.parametrize("trained", [None, 0, 1, 9, 30])
def test_pages_are_rendered_however_far_a_job_is(
    api: Api, scenes: Scenes, kind: str, trained: int | None
) -> None:
    job = scenes.submitted() if trained is None else scenes.running()
    if trained:
        scenes.train(job, trained, fail=lambda network: network == Network.of("edges"))
    page(api, f"/score-tables/{job.score_table_id}/{kind}")
    page(api, f"/jobs/{job.id}")


@pytest.fixture
def finished(scenes: Scenes) -> Job:
    return scenes.finished()


def test_the_job_page_shows_verdicts_and_ties_its_pages_together(api: Api, finished: Job) -> None:
    text = page(api, f"/jobs/{finished.id}")
    assert "better than both baselines of equal cost" in text
    for name in ("networks", "curve", "affinity"):
        address = f"/score-tables/{finished.score_table_id}/{name}"
        assert address in text
        assert f"/jobs/{finished.id}" in page(api, address)


def test_a_job_that_does_without_trainings_is_marked_and_names_them_until_it_is_resumed(
    api: Api, scenes: Scenes
) -> None:
    job = scenes.running()
    scenes.train(job, 100, fail=lambda network: network.size == 0.5)
    scenes.store.enter_state(scenes.claims[job.id], JobState.SUCCEEDED)
    failed = scenes.store.trials(job.id, states={TrialState.FAILED})
    told = api.get(f"/v1/jobs/{job.id}").json()
    assert (told["state"], told["is_degraded"]) == ("succeeded", True)
    assert told["missing"]["count"] == len(failed)
    assert [one["trial"] for one in told["missing"]["trainings"]] == [trial.id for trial in failed][:20]
    text = page(api, f"/jobs/{job.id}")
    assert "Succeeded, degraded" in text
    assert f"{failed[0].network.name()}, seed {failed[0].seed} (user)" in text
    assert 'id="resume"' in text
    assert "Succeeded, degraded" in page(api, "/")
    assert not api.post(f"/v1/jobs/{job.id}/resume").json()["is_degraded"]
    assert "degraded" not in page(api, f"/jobs/{job.id}")


def test_jobs_their_list_and_the_service_say_whether_a_dispatcher_is_at_work(
    api: Api, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_notes, "STARTING_S", -1.0)
    job = scenes.running()
    missing = "No dispatcher is at work"
    assert missing in page(api, "/")
    assert missing in page(api, f"/jobs/{job.id}")
    assert missing in " ".join(api.get(f"/v1/jobs/{job.id}/progress").json()["notes"])
    scenes.store.tell_alive("one", 2)
    assert missing not in page(api, "/")
    assert missing not in page(api, f"/jobs/{job.id}")
    assert api.get(f"/v1/jobs/{job.id}/progress").json()["dispatchers"] == 1
    assert api.get("/readyz").json() == {"status": "ok", "dispatchers": 1}


def test_failures_are_grouped_by_cause(api: Api, scenes: Scenes) -> None:
    job = scenes.running()
    scenes.train(job, 6, fail=lambda network: network.size == 0.5)
    assert "4× failed (user)</span> out of memory" in page(api, f"/jobs/{job.id}")


def test_the_matrix_orders_both_axes_alike(api: Api, finished: Job) -> None:
    address = f"/score-tables/{finished.score_table_id}/affinity"
    for order in ("input", "name", "cluster"):
        text = page(api, f"{address}?order={order}")
        columns = re.findall(r'<th scope="col" title="(\w+)">', text)
        assert columns == re.findall(r'<th scope="row" title="(\w+)">', text)
        if order == "name":
            assert columns == sorted(columns)


@pytest.mark.parametrize("query", ["method=guess", "order=guess", "method=%00"])
def test_a_choice_that_does_not_exist_is_a_page_with_words(api: Api, finished: Job, query: str) -> None:
    assert "Known:" in page(api, f"/score-tables/{finished.score_table_id}/affinity?{query}", 422)


@pytest.mark.parametrize("kind", ["curve", "networks"])
def test_a_budget_that_is_no_number_is_said_at_the_field(api: Api, finished: Job, kind: str) -> None:
    text = page(api, f"/score-tables/{finished.score_table_id}/{kind}?budget_snt=lots", 422)
    assert 'aria-describedby="budget-fault"' in text
    assert 'value="lots"' in text


def test_a_budget_that_is_too_small_offers_one_that_is_not(api: Api, finished: Job) -> None:
    text = page(api, f"/score-tables/{finished.score_table_id}/networks?budget_snt=0.5")
    assert "Try 1 SNT" in text


def test_tasks_trained_only_to_help_are_named(api: Api, finished: Job) -> None:
    text = page(api, f"/score-tables/{finished.score_table_id}/networks?budget_snt=2")
    assert "serves depth and normals" in text


def test_markup_in_names_is_shown_and_not_obeyed(api: Api, scenes: Scenes) -> None:
    job = scenes.finished((MARKUP, "b&b", "'\"c", "d"), name=MARKUP)
    for path in (f"/jobs/{job.id}", "/", *(f"/score-tables/{job.score_table_id}/{k}" for k in TABLE_PAGES)):
        text = page(api, path)
        assert MARKUP not in text
        assert "&lt;img src=x onerror=alert(1)&gt;" in text


def test_what_is_not_there_is_a_page_for_people(api: Api) -> None:
    text = page(api, f"/jobs/{'0' * 32}", 404)
    assert "There is no job" in text
    page(api, "/nothing", 404)


def test_pages_are_not_found_by_programs_as_pages(api: Api) -> None:
    answer = api.get("/nothing", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"


def test_static_files_are_served_with_their_types(api: Api) -> None:
    for name, kind in (("app.css", "text/css"), ("app.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        answer = api.get(f"/static/{name}")
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-1.0, "harm-6"), (1.0, "help-6"), (0.0, "zero"), (0.05, "zero"), (0.1, "help-1"), (-9.0, "harm-6")],
)
def test_colours_are_symmetric_around_zero(value: float, expected: str) -> None:
    assert shade(value, 1.0) == expected


def test_numbers_are_written_for_people() -> None:
    assert [duration(s) for s in (None, 0.2, 59, 61, 3700, 90000)] == [
        "–",
        "0.2 s",
        "59 s",
        "1 min 01 s",
        "1 h 01 min",
        "1 d 1 h",
    ]
    assert [snt(v) for v in (None, 1.0, 2.5, 0.333333)] == ["–", "1", "2.5", "0.333"]
    assert float(exact(2.123456789)) == 2.123456789
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_a_job_with_a_recommendation_tells_of_its_bundles_once_it_has_ended(api: Api, scenes: Scenes) -> None:
    assert "This service knows no place where networks are kept" in page(api, f"/jobs/{scenes.finished().id}")
    running = scenes.running()
    scenes.train(running)
    shown = page(api, f"/jobs/{running.id}")
    assert "Recommendation so far" in shown
    assert "Take it home" not in shown
