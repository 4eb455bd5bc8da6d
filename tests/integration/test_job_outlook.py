"""What is told of a job that is not over: its phases, the time that is left, and its place in the queue."""

from __future__ import annotations

import re

from grouping.domain.jobs import Job, JobState
from grouping.domain.trials import Purpose
from grouping.use_cases.job_outlook import Outlook, outlook_of
from grouping.use_cases.ledger import read_ledger
from tests.integration.conftest import Api, Scenes
from tests.integration.test_api_web import page


def outlook(scenes: Scenes, job: Job) -> Outlook:
    job = scenes.store.get_job(job.id)
    return outlook_of(
        scenes.store, job, scenes.store.progress(job.id), read_ledger(scenes.store, job).charged
    )


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
