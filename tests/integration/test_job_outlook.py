"""What is told of a job that is not over: its phases, the time that is left, and its place in the queue."""

from __future__ import annotations

import re
from typing import Any

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.errors import DeadlineExceededError
from grouping.use_cases import table_queries
from grouping.use_cases.computing import InProcesses
from grouping.use_cases.estimate import expected_trainings
from grouping.use_cases.job_outlook import Outlook, outlook_of
from grouping.use_cases.ledger import read_ledger
from grouping_api.web import recommended
from tests.integration.conftest import Api, Scenes
from tests.integration.test_api_web import page


def outlook(scenes: Scenes, job: Job) -> Outlook:
    job = scenes.store.get_job(job.id)
    expected = expected_trainings(job.spec, scenes.store.get_table_info(job.score_table_id).tasks)
    rows, spent = scenes.store.progress(job.id), read_ledger(scenes.store, job).charged
    return outlook_of(scenes.store, job, rows, spent, expected)


def test_both_phases_are_told_from_the_start_and_their_totals_never_grow(scenes: Scenes) -> None:
    told = []
    job = scenes.submitted(n_seeds=2)
    told.append(outlook(scenes, job))
    scenes.store.request_cancel(job.id)
    job = scenes.running(n_seeds=2)
    for n in (5, 20, None):
        scenes.train(job, n)
        told.append(outlook(scenes, job))
    for one in told:
        assert [phase.purpose for phase in one.phases] == [Purpose.SEARCH, Purpose.CONFIRMATION]
        assert [phase.most for phase in one.phases] == [phase.most for phase in told[0].phases]
    assert [one.phases[0].finished for one in told] == [0, 5, 25, 38]
    assert {(one.phases[0].least, one.phases[0].most) for one in told} == {(38, 38)}
    finished = outlook(scenes, scenes.finished(n_seeds=2))
    confirmed, expected = finished.phases[1], told[0].phases[1]
    assert expected.least <= confirmed.finished <= expected.most
    assert confirmed.finished == confirmed.least == confirmed.most
    assert finished.now is None


def test_an_adaptive_search_tells_the_most_that_it_may_train(scenes: Scenes) -> None:
    phases = outlook(scenes, scenes.submitted(strategy="adaptive")).phases
    assert 0 < phases[0].least < phases[0].most == 38


def test_time_is_told_once_trainings_are_measured_and_shrinks(scenes: Scenes) -> None:
    job = scenes.running(n_confirmation_seeds=0)
    assert outlook(scenes, job).seconds_left is None
    scenes.train(job, 8)
    assert outlook(scenes, job).seconds_left == (38 - 8) * 1.5
    scenes.train(job, 10)
    assert outlook(scenes, job).seconds_left == (38 - 18) * 1.5
    scenes.store.start_trials(
        scenes.claims[job.id], [trial.id for trial in scenes.store.trials(job.id) if not trial.scores][:4]
    )
    assert outlook(scenes, job).seconds_left == 5 * 1.5, "four at a time"


def test_a_queued_job_tells_its_place(api: Api, scenes: Scenes) -> None:
    running = scenes.running()
    first, second = scenes.submitted(), scenes.submitted()
    told = [outlook(scenes, job) for job in (running, first, second)]
    assert [(one.ahead, one.n_taken) for one in told] == [(None, 0), (0, 1), (1, 1)]
    text = re.sub(r"<[^>]+>", "", page(api, f"/jobs/{second.id}"))
    assert "Place 2 in the queue; 1 job is being worked on" in text
    scenes.store.request_cancel(first.id)
    assert scenes.store.get_job(first.id).state is JobState.CANCELLED
    assert outlook(scenes, second).ahead == 0


def test_the_page_of_a_job_tells_all_of_it(api: Api, scenes: Scenes) -> None:
    job = scenes.running()
    scenes.train(job, 12)
    text = re.sub(r"<[^>]+>", "", page(api, f"/jobs/{job.id}"))
    assert "12 of 38 trainings to choose" in text
    assert re.search(r"0 of \d+ to \d+ trainings to confirm, with fresh seeds", text)
    assert re.search(r"At most about \d+ min \d\d s left at the pace so far", text)


def test_the_budget_of_the_picture_is_chosen_in_the_address(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    for budget in (1, 2, 3):
        assert f"share a network within {budget}&nbsp;SNT" in page(api, f"/jobs/{job.id}?budget_snt={budget}")
    assert "share a network within" in page(api, f"/jobs/{job.id}?budget_snt=77")


def test_the_page_solves_again_for_new_scores_alone_and_forecasts_once(
    api: Api, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = scenes.running()
    scenes.train(job, 20)
    done: list[str] = []
    call = InProcesses.call

    def counted(self: InProcesses, function: Any, /, *arguments: Any, **options: Any) -> Any:
        done.append("solved")
        return call(self, function, *arguments, **options)

    def forecast(*given: Any) -> Any:
        done.append("forecast")
        return expected_trainings(*given)

    def fetched() -> list[str]:
        done.clear()
        for path in ("", "/live", "/live?budget_snt=2"):
            assert api.get(f"/jobs/{job.id}{path}").status_code == 200
        return sorted(done)

    monkeypatch.setattr(InProcesses, "call", counted)
    monkeypatch.setattr(table_queries, "expected_trainings", forecast)
    assert fetched() == ["forecast", "solved"]
    assert fetched() == []
    scenes.store.start_trials(
        scenes.claims[job.id], [scenes.store.trials(job.id, states=(TrialState.PLANNED,))[0].id]
    )
    assert fetched() == [], "an event without a score changes no answer"
    assert api.request("PATCH", f"/v1/jobs/{job.id}", json={"name": "renamed"}).status_code == 200
    assert fetched() == []
    scenes.train(job, 1)
    assert fetched() == ["solved"]


def test_the_page_shows_what_is_known_where_it_cannot_be_solved_in_time(
    api: Api, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_given: Any, **_options: Any) -> Any:
        raise DeadlineExceededError(10.0)

    job = scenes.running()
    scenes.train(job, 20)
    with monkeypatch.context() as busy:
        busy.setattr(InProcesses, "call", too_late)
        for path in ("", "/live"):
            text = api.get(f"/jobs/{job.id}{path}").text
            assert "What to train is not solved yet. This was not solved within 10 s" in text
            assert "20 <span" in text, "the progress is told"
            assert 'id="events"' in text
    assert "share a network within" in page(api, f"/jobs/{job.id}"), "it is solved when asked again"
    scenes.train(job, 1)
    with monkeypatch.context() as busy:
        busy.setattr(InProcesses, "call", too_late)
        text = page(api, f"/jobs/{job.id}")
        assert "What follows is not of the newest scores." in text
        assert "Of the first 20 of 21 trainings" in text
        assert "share a network within" in text
    text = page(api, f"/jobs/{job.id}")
    assert "Of the first" not in text
    assert "not solved" not in text


def live(api: Api, job: Job) -> str:
    answer = api.get(f"/jobs/{job.id}/live")
    assert answer.status_code == 200
    return answer.text


def test_a_page_that_refreshes_itself_solves_less_often_than_scores_come(
    api: Api, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = scenes.running()
    scenes.train(job, 20)
    assert "Of the first" not in live(api, job)
    scenes.train(job, 1)
    monkeypatch.setattr(recommended, "PAUSE", 1e9)
    assert "Of the first 20 of 21 trainings" in live(api, job)
    assert "Of the first" not in page(api, f"/jobs/{job.id}"), "whoever asks by hand does not wait"
    scenes.train(job, 1)
    assert "Of the first 21 of 22 trainings" in live(api, job)
    monkeypatch.setattr(recommended, "PAUSE", 0.0)
    assert "Of the first" not in live(api, job)


def test_a_job_that_is_over_is_shown_as_it_ended(
    api: Api, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommended, "PAUSE", 1e9)
    job = scenes.running(n_confirmation_seeds=0)
    scenes.train(job, 20)
    live(api, job)
    scenes.train(job)
    scenes.store.enter_state(scenes.claims[job.id], JobState.SUCCEEDED)
    assert "Of the first" not in live(api, job)
