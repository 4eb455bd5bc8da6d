"""What a strategy says and what early losses are worth: stored, over HTTP and on the page of a job."""

from __future__ import annotations

import html
import io

import pytest
from rich.console import Console

from grouping.cli.output.recommendations import show_recommendations
from grouping.domain.jobs.job import Job
from grouping.domain.verdicts.headroom import HEADROOM_EVENT
from grouping.store import Store
from grouping.wire.groupings import RecommendationList
from grouping_workers.job.note_events import LONGEST_NOTE, NoteRecorder
from grouping_workers.job.planner import planner_of
from tests.integration.conftest import NAMES, Api, Scenes
from tests.integration.test_api_web import MARKUP, page
from tests.integration.test_planner import carry_out, prepared

MISSING = "0" * 32


@pytest.fixture
def esa(scenes: Scenes, store: Store) -> Job:
    """A job whose short passes and full trainings of random networks are finished."""
    job = prepared(
        scenes,
        strategy="esa",
        strategy_parameters={"check_networks": 12},
        budgets_snt=(2.0,),
        n_confirmation_seeds=0,
    )
    while (plan := planner_of(store, job).next_plan()).requests:
        carry_out(scenes, job, plan)
    return store.get_job(job.id)


def notes_of(store: Store, job: Job) -> list[str]:
    return [str(e.data["note"]) for e in store.events(job.id, limit=5000) if e.kind == "strategy_note"]


def test_the_rank_check_of_a_job_is_told_task_by_task(api: Api, esa: Job) -> None:
    told = api.get(f"/v1/jobs/{esa.id}/rank-check").json()
    assert told["job_id"] == esa.id
    assert told["n_networks"] >= 12
    assert [task["task"] for task in told["tasks"]] == list(NAMES)
    for task in told["tasks"]:
        assert task["verdict"] == ("informative" if task["n_networks"] >= 6 else "too few")
        if task["verdict"] == "informative":  # the formula of the scenes knows no epochs
            assert task["correlation"] == pytest.approx(1.0)
            assert 0 < task["low"] < task["high"] <= 1
    assert told["summary"].startswith("Early losses rank the networks of")
    assert told["within_tasks"] == pytest.approx(1.0)


def test_a_job_without_short_passes_has_nothing_to_check(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    told = api.get(f"/v1/jobs/{job.id}/rank-check").json()
    assert (told["n_networks"], told["within_tasks"]) == (0, None)
    assert {task["verdict"] for task in told["tasks"]} == {"too few"}
    assert {task["correlation"] for task in told["tasks"]} == {None}
    assert 'id="rank-check"' not in page(api, f"/jobs/{job.id}")


def test_an_unknown_job_has_no_rank_check(api: Api) -> None:
    answer = api.get(f"/v1/jobs/{MISSING}/rank-check")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_of_a_job_with_short_passes_says_it_in_a_sentence(api: Api, esa: Job) -> None:
    summary = api.get(f"/v1/jobs/{esa.id}/rank-check").json()["summary"]
    assert f'<p class="quiet" id="rank-check">{html.escape(summary)}</p>' in page(api, f"/jobs/{esa.id}")


def test_a_note_is_kept_when_it_changes_also_by_the_next_dispatcher(scenes: Scenes) -> None:
    job = prepared(scenes)
    claim = scenes.claims[job.id]
    first = NoteRecorder(scenes.store, claim)
    for note in ("first", "first", "", "second", "  "):
        first.record(note)
    assert notes_of(scenes.store, job) == ["first", "second"]
    second = NoteRecorder(scenes.store, claim)
    second.record("second")
    second.record("first")
    assert notes_of(scenes.store, job) == ["first", "second", "first"]
    second.record("x" * 10_000)
    assert len(notes_of(scenes.store, job)[-1]) == LONGEST_NOTE


def test_what_may_still_be_missed_is_told_over_http_on_the_page_and_by_the_command(
    api: Api, scenes: Scenes, store: Store
) -> None:
    job = prepared(scenes, strategy="adaptive", budgets_snt=(2.0, 3.0), n_confirmation_seeds=0)
    assert api.get(f"/v1/jobs/{job.id}/recommendations").json()["items"][0]["headroom"] is None
    while (plan := planner_of(store, job).next_plan()).requests:
        carry_out(scenes, job, plan)
    for _ in range(2):
        NoteRecorder(store, scenes.claims[job.id]).record_headroom(plan.headroom)
    assert [e.kind for e in store.events(job.id, limit=5000)].count(HEADROOM_EVENT) == 1
    told = RecommendationList.model_validate(api.get(f"/v1/jobs/{job.id}/recommendations").json()).items
    assert [item.headroom.budget_snt for item in told if item.headroom] == [2.0, 3.0]
    sentences = [item.sentence for item in plan.headroom]
    assert [item.headroom.sentence for item in told if item.headroom] == sentences
    shown = html.unescape(page(api, f"/jobs/{job.id}"))
    out = io.StringIO()
    show_recommendations(Console(file=out, width=500), told)
    printed = out.getvalue()
    for sentence in sentences:
        assert sentence in shown
        assert sentence in printed
    assert ">May still be missed</span>" in shown


def test_a_note_stands_among_the_events_of_the_page_as_text(api: Api, scenes: Scenes) -> None:
    job = prepared(scenes)
    NoteRecorder(scenes.store, scenes.claims[job.id]).record(f"Round 1: {MARKUP}")
    shown = page(api, f"/jobs/{job.id}")
    assert MARKUP not in shown
    assert f"Round 1: {MARKUP}" in html.unescape(shown)
    assert ">Strategy</span>" in shown
