"""With many tasks, each alone in its share of the budget may be smaller than any network."""

from __future__ import annotations

from grouping.domain.jobs.job import JobState, StopReason
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.trainings.budgets import ConfirmationNeed
from grouping.domain.trainings.trials import Purpose
from grouping_workers.job.planner import planner_of
from tests.integration.conftest import Api, Scenes


def test_a_baseline_that_cannot_be_built_is_left_out_of_the_verdict(api: Api, scenes: Scenes) -> None:
    job = scenes.running(budgets_snt=(1.0,))  # its networks are all that can be built: none of a quarter
    store, claim = scenes.store, scenes.claims[job.id]
    most = ConfirmationNeed.of(SearchTerms.of_job(job.spec)).most
    assert planner_of(store, job).one_round.networks == most - 4  # nothing is kept back for it
    scenes.train(job)
    plan = planner_of(store, job).next_plan()
    assert plan.state is JobState.CONFIRMING
    assert {request.network.size for request in plan.requests} == {1.0}
    store.enter_state(claim, JobState.CONFIRMING)
    store.plan_trials(claim, plan.requests, planned_epochs=[25] * len(plan.requests))
    scenes.train(job)
    assert planner_of(store, job).next_plan().reason is StopReason.SEARCH_COMPLETE
    store.enter_state(claim, JobState.SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE)
    (item,) = api.get(f"/v1/jobs/{job.id}/recommendations").json()["items"]
    assert item["verdict"]["is_confirmed"]
    assert [one["baseline"] for one in item["verdict"]["comparisons"]] == ["all together"]
    assert "Not compared with all alone: no network of that cost can be built." in item["sentence"]


def test_what_can_be_built_is_compared_with(api: Api, scenes: Scenes) -> None:
    job = scenes.finished(budgets_snt=(1.0,))
    sizes = {t.network.size for t in scenes.store.trials(job.id) if t.purpose is Purpose.CONFIRMATION}
    assert sizes == {0.25, 1.0}
    (item,) = api.get(f"/v1/jobs/{job.id}/recommendations").json()["items"]
    assert [one["baseline"] for one in item["verdict"]["comparisons"]] == ["all together", "all alone"]
    assert "Not compared" not in item["sentence"]
