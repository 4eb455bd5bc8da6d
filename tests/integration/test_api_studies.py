"""Studies over REST and as pages, without a browser."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

import pytest

from grouping.store import Store
from grouping.study.records import StudyReport, report_from_json, report_to_json
from tests.integration.conftest import Api
from tests.integration.test_api_hostile import check_problem
from tests.integration.test_api_web import MARKUP, page
from tests.studies import TASKS, example_report


def keep(store: Store, report: StudyReport, name: str = "") -> str:
    info = store.add_study(report.problem, report.tasks, len(report.seeds), report_to_json(report), name=name)
    return info.id


@pytest.fixture
def study_id(store: Store) -> str:
    return keep(store, example_report(), "four tasks")


def test_studies_are_listed_page_by_page_without_their_reports(api: Api, store: Store) -> None:
    ids = [keep(store, example_report(("depth", "edges")), f"study {n}") for n in range(3)]
    first = api.get("/v1/studies?page_size=2").json()
    second = api.get("/v1/studies", params={"page_token": first["next_page_token"]}).json()
    assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
    assert second["next_page_token"] is None
    assert set(first["items"][0]) == {"id", "name", "problem", "tasks", "n_seeds", "created_at"}


def test_a_study_is_answered_with_its_whole_report(api: Api, study_id: str) -> None:
    answer = api.get(f"/v1/studies/{study_id}").json()
    assert (answer["name"], answer["problem"], answer["tasks"], answer["n_seeds"]) == (
        "four tasks",
        "digits",
        list(TASKS),
        3,
    )
    assert report_from_json(answer["report"]) == example_report()


def test_pictures_and_markdown_are_files_of_their_own(api: Api, study_id: str) -> None:
    for picture in ("size", "data", "transfer"):
        answer = api.get(f"/v1/studies/{study_id}/{picture}.svg")
        assert answer.headers["content-type"] == "image/svg+xml"
        ElementTree.fromstring(answer.text)
    text = api.get(f"/v1/studies/{study_id}/report.md")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.text.startswith("# Study of digits")


def test_what_is_not_there_is_not_found(api: Api, study_id: str) -> None:
    for path in ("/v1/studies/nothing", "/v1/studies/nothing/size.svg", "/v1/studies/nothing/report.md"):
        check_problem(api.get(path), 404)
    check_problem(api.get(f"/v1/studies/{study_id}/nothing.svg"), 422)
    check_problem(api.get("/v1/studies?page_token=nonsense"), 422)
    page(api, "/studies/nothing", status=404)


def test_a_deleted_study_is_gone(api: Api, study_id: str) -> None:
    assert api.delete(f"/v1/studies/{study_id}").status_code == 204
    check_problem(api.get(f"/v1/studies/{study_id}"), 404)
    check_problem(api.delete(f"/v1/studies/{study_id}"), 404)


def test_the_list_says_how_to_make_a_study_and_leads_to_those_there_are(api: Api, store: Store) -> None:
    assert "grouping study digits --quick" in page(api, "/studies")
    study_id = keep(store, example_report())
    text = page(api, "/studies")
    assert f'href="/studies/{study_id}"' in text
    assert "Study of digits" in text
    assert 'href="/studies"' in page(api, "/")


def test_the_page_of_a_study_answers_each_question_with_its_matrices(api: Api, study_id: str) -> None:
    text = page(api, f"/studies/{study_id}")
    report = example_report()
    for finding in report.findings:
        assert html.escape(finding.sentence) in text
    # pairs and transfer at once, one more size and one more share unfolded
    assert text.count('<table class="matrix">') == 4
    assert len(re.findall(r"<svg", text)) == 3
    value = report.pairs.values[0][1]
    assert value is not None
    assert f"{100 * value:+.1f}".replace("-", "\u2212") in text


def test_a_study_is_deleted_from_its_page(api: Api, study_id: str) -> None:
    assert f'action="/studies/{study_id}/delete"' in page(api, f"/studies/{study_id}")
    answer = api.post(f"/studies/{study_id}/delete")
    assert (answer.status_code, answer.headers["location"]) == (303, "/studies")
    page(api, f"/studies/{study_id}", status=404)


def test_names_are_text_wherever_they_are_shown(api: Api, store: Store) -> None:
    study_id = keep(store, example_report((MARKUP, "edges", "depth")), MARKUP)
    for path in ("/studies", f"/studies/{study_id}"):
        text = page(api, path)
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


def test_questions_that_are_left_out_have_a_reason_and_no_picture(api: Api, store: Store) -> None:
    report = example_report(left_out=("data", "transfer"))
    study_id = keep(store, report)
    text = page(api, f"/studies/{study_id}")
    assert len(re.findall(r"<svg", text)) == 1
    assert text.count('class="question"') == 4  # three questions, and what is left out
    for finding in report.left_out:
        assert html.escape(finding.sentence) in text
        assert f"/{finding.question}.svg" not in text
        check_problem(api.get(f"/v1/studies/{study_id}/{finding.question}.svg"), 404)


def test_a_report_from_before_there_were_trainers_is_shown_with_its_recipe(api: Api, store: Store) -> None:
    old = report_to_json(example_report())
    for field in ("trainer", "losses", "left_out"):
        del old[field]
    info = store.add_study(old["problem"], old["tasks"], len(old["seeds"]), old)
    text = page(api, f"/studies/{info.id}")
    assert "Trainer: built-in, widths 32×32, 25 epochs" in text
    answer = api.get(f"/v1/studies/{info.id}").json()["report"]
    assert answer["trainer"] == {"name": "built-in", "parameters": {}}
    assert (answer["losses"], answer["left_out"]) == ("test", [])
    assert "of test losses" in api.get(f"/v1/studies/{info.id}/report.md").text


def test_a_study_of_many_tasks_and_one_seed_is_shown_too(api: Api, store: Store) -> None:
    report = example_report(tuple(f"task {n}" for n in range(12)))
    assert '<table class="matrix many">' in page(api, f"/studies/{keep(store, report)}")
