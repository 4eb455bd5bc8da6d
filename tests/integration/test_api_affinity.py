"""Affinities by every method over HTTP and on their page."""

from __future__ import annotations

import re

import numpy as np
import pytest

from grouping.domain.affinities.joint_runs import GRADIENT_METHODS, JointAffinities
from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.jobs.job import Job
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialState
from grouping.store import Store, TableInfo
from grouping.use_cases import affinity
from grouping.use_cases.table_queries import TableQueries
from tests.integration.conftest import NAMES, Api, Scenes, formula_table, loss_of
from tests.tables import random_table

EFFECTS = np.array(
    [
        [0.0090, 0.0004, -0.0002, 0.0001],
        [0.0003, 0.0080, 0.0001, 0.0002],
        [0.0001, 0.0002, 0.0070, 0.0005],
        [0.0002, -0.0001, 0.0004, 0.0060],
    ]
)


@pytest.fixture
def job(scenes: Scenes) -> Job:
    """A job whose all-together network measured affinities with both seeds; nothing else is trained."""
    return measured(scenes)


def measured(scenes: Scenes, overlap: float = 1.0, n_seeds: int = 2) -> Job:
    job = scenes.running(n_seeds=n_seeds)
    held = scenes.claims[job.id]
    shares = np.full((4, 4), overlap)
    np.fill_diagonal(shares, 1.0)
    for trial in scenes.store.trials(job.id, states=(TrialState.PLANNED,)):
        if len(trial.network.group) == len(NAMES):
            scenes.store.start_trial(held, trial.id)
            losses = {task: loss_of(trial.network, task, trial.seed) for task in NAMES}
            scores = tuple(TaskScore(task, loss, loss, 0.9, 0.9) for task, loss in losses.items())
            values = {
                "tag": EFFECTS * (1 + trial.seed),
                "cosine": np.full((4, 4), 0.25),
                "first-order": EFFECTS * 2,
            }
            affinities = JointAffinities(NAMES, values, 40, shares)
            outcome = TrialOutcome(TrialState.SUCCEEDED, scores, 25, 1.5, affinities=affinities)
            scenes.store.record_outcome(held, trial.id, outcome)
    return job


def address(job: Job) -> str:
    return f"/v1/score-tables/{job.score_table_id}/affinity"


def test_a_joint_run_gives_all_three_methods_with_noise_and_number_of_networks(api: Api, job: Job) -> None:
    for method in GRADIENT_METHODS:
        answer = api.get(address(job), params={"method": method}).json()
        assert (answer["method"], answer["tasks"]) == (method, list(NAMES))
        assert answer["values"][0][0] is None
        assert answer["n_networks"][0] == [0, 1, 1, 1]
        assert "joint run" in answer["formula"]
        assert len(answer["self_values"]) == len(NAMES)
        assert answer["warnings"] == []
    tag = api.get(address(job), params={"method": "tag"}).json()
    assert tag["values"][0][1] == pytest.approx(0.0006), "row depth, column normals, mean over two seeds"
    assert tag["standard_errors"][0][1] == pytest.approx(0.0002)
    assert tag["self_values"][0] == pytest.approx(0.0135)
    assert tag["is_share"] is True
    assert api.get(address(job), params={"method": "cosine"}).json()["is_share"] is False


def test_pairs_have_no_effect_on_themselves_and_say_what_is_missing(api: Api, job: Job) -> None:
    answer = api.get(address(job), params={"method": "pairwise"}).json()
    assert answer["self_values"] is None
    assert "Not measured at full size: 4 single tasks" in answer["summary"]
    assert "6 pairs" in answer["summary"]


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_a_method_that_was_not_measured_is_a_conflict_that_says_what_measures_it(
    api: Api, scenes: Scenes, method: str
) -> None:
    answer = api.get(address(scenes.finished()), params={"method": method})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_measured")
    assert f"{method} was not measured" in answer.json()["detail"]
    assert "strategy tag, cosine or first-order" in answer.json()["detail"]


def test_an_imported_table_has_no_gradients(api: Api, scenes: Scenes) -> None:
    info, _ = scenes.store.import_table(formula_table(), "four tasks")
    answer = api.get(f"/v1/score-tables/{info.id}/affinity", params={"method": "tag"})
    assert answer.status_code == 409
    assert "imported table" in answer.json()["detail"]


def test_the_mean_over_all_groups_is_estimated_for_any_job_and_shown_on_the_page(
    api: Api, scenes: Scenes
) -> None:
    job = scenes.finished()
    answer = api.get(address(job), params={"method": "posterior"}).json()
    assert answer["statuses"][0][1] == "estimated"
    assert np.isfinite(answer["standard_errors"][0][1])
    assert answer["missing"] is None, "no single pair would measure it"
    text = page(api, f"/score-tables/{job.score_table_id}/affinity?method=posterior")
    assert re.search(r'href="\?method=posterior&amp;order=cluster"[^>]*aria-current="true"', text)
    assert "loss with the source" in text


def test_the_order_of_the_tasks_is_chosen_and_is_that_of_both_axes(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    plain, named, clustered = (
        api.get(address(job), params={"order": order}).json() for order in ("input", "name", "cluster")
    )
    assert plain == api.get(address(job)).json()
    assert named["tasks"] == sorted(NAMES)
    assert clustered["tasks"] == [NAMES[i] for i in plain["cluster_order"]]
    for other in (named, clustered):
        for i, source in enumerate(other["tasks"]):
            for j, target in enumerate(other["tasks"]):
                assert other["values"][i][j] == plain["values"][NAMES.index(source)][NAMES.index(target)]
    refused = api.get(address(job), params={"order": "guess"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_name")


def test_pairs_that_share_few_samples_and_a_single_seed_are_warned_about(api: Api, scenes: Scenes) -> None:
    job = measured(scenes, overlap=0.25, n_seeds=1)
    warnings = api.get(address(job), params={"method": "first-order"}).json()["warnings"]
    assert len(warnings) == 2
    assert "under 30 % of their samples" in warnings[0]
    assert "depth and edges (25 %)" in warnings[0]
    assert "1 more" in warnings[0]
    assert "One seed" in warnings[1]


def page(api: Api, path: str) -> str:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_page_shows_the_methods_there_are_and_why_others_are_not(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    text = page(api, f"/score-tables/{job.score_table_id}/affinity")
    assert re.findall(r'aria-disabled="true" title="([^"]+)">([\w-]+)</a>', text) == [
        (
            f"{name} was not measured for this score table. A job with the strategy tag, cosine or "
            "first-order measures all three in one training.",
            name,
        )
        for name in GRADIENT_METHODS
    ]
    assert "tag, cosine and first-order were not measured for this score table." in text
    assert 'href="?method=higher-order&amp;order=cluster"' in text
    assert "± standard error" in text
    assert "; 4 networks trained with each pair of tasks</span>" in text, "said once, not in each"


def test_the_page_opens_with_what_was_measured_and_switches_method(api: Api, job: Job) -> None:
    path = f"/score-tables/{job.score_table_id}/affinity"
    text = page(api, path)
    assert "aria-disabled" not in text
    assert re.search(r'href="\?method=tag&amp;order=cluster"[^>]*aria-current="true"', text)
    assert '<span class="value">+0.060</span><small>±0.020</small>' in text
    cosine = page(api, f"{path}?method=cosine&order=input")
    assert '<span class="value">+0.25</span><small>±0.00</small>' in cosine
    assert "in percent" not in cosine
    assert "Not measured at full size: 4 single tasks" in page(api, f"{path}?method=pairwise")


def test_warnings_stand_above_the_matrix(api: Api, scenes: Scenes) -> None:
    job = measured(scenes, overlap=0.35, n_seeds=1)
    text = page(api, f"/score-tables/{job.score_table_id}/affinity?method=tag")
    assert text.index("under 40 % of their samples") < text.index("One seed only") < text.index("<table")


def test_the_page_of_a_method_that_was_not_measured_is_a_page_with_words(api: Api, scenes: Scenes) -> None:
    answer = api.get(f"/score-tables/{scenes.finished().score_table_id}/affinity?method=tag")
    assert answer.status_code == 409
    assert "was not measured" in answer.text


def test_of_many_tasks_no_model_is_fitted_unless_it_is_asked_for(
    store: Store, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, _ = store.import_table(random_table(0), "")
    read: list[str] = []
    table_affinity = TableQueries.table_affinity

    def noted(self: TableQueries, info: TableInfo, method: str) -> AffinityMatrix:
        read.append(method)
        return table_affinity(self, info, method)

    monkeypatch.setattr(TableQueries, "table_affinity", noted)
    monkeypatch.setattr(affinity, "MOST_ESTIMATED", 3)
    page(api, f"/score-tables/{info.id}/affinity")
    assert set(read) == {"pairwise"}
