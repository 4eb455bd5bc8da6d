"""Metrics of the tasks beside their losses: on the page of a job, over HTTP, in the terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from grouping.cli.output.recommendations import show_recommendations
from grouping.domain.jobs.job import Job
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import Trial, TrialOutcome
from grouping.wire.groupings import RecommendationList
from tests.integration import conftest
from tests.integration.conftest import Api, Scenes, formula_table, loss_of, outcome_of

NAMES = ("depth", "normals", "edges", "scene")


def accurate(trial: Trial, *, is_failed: bool = False) -> TrialOutcome:
    """Outcomes in which the accuracy is what the loss leaves of 1; those of `scene` tell none."""
    outcome = outcome_of(trial, is_failed=is_failed)
    scores = [
        replace(score, validation_metric=None, test_metric=None)
        if score.task == "scene"
        else replace(
            score, validation_metric=1 - score.validation_loss, test_metric=1 - (score.test_loss or 0)
        )
        for score in outcome.scores
    ]
    return replace(outcome, scores=tuple(scores))


@pytest.fixture
def finished(scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(conftest, "outcome_of", accurate)
    return scenes.finished(NAMES)


def test_scores_over_http_have_the_metric_beside_each_loss(api: Api, finished: Job) -> None:
    for purpose in ("search", "confirmation"):
        cells = api.get(f"/v1/score-tables/{finished.score_table_id}/scores?purpose={purpose}").json()[
            "cells"
        ]
        assert cells
        for cell in cells:
            if cell["task"] == "scene":
                assert (cell["validation_metric"], cell["test_metric"]) == (None, None)
                continue
            for rows in ("validation", "test"):
                loss, metric = cell[rows], cell[f"{rows}_metric"]
                assert metric["mean"] == pytest.approx(1 - loss["mean"])
                assert metric["n"] == loss["n"]
                assert metric["by_seed"].keys() == loss["by_seed"].keys()


def test_recommendations_tell_each_task_in_its_unit_alone_and_as_served(api: Api, finished: Job) -> None:
    items = api.get(f"/v1/jobs/{finished.id}/recommendations").json()["items"]
    for item in items:
        assert [row["task"] for row in item["values"]] == list(NAMES[:3])
        serving = {
            task: network
            for network in item["solution"]["grouping"]["networks"]
            for task in network["serves"]
        }
        for row in item["values"]:
            assert (row["metric"]["name"], row["metric"]["direction"]) == ("accuracy", "higher_is_better")
            alone = [1 - loss_of(Network.of(row["task"]), row["task"], seed) for seed in (0, 1)]
            assert row["alone"] == pytest.approx(sum(alone) / 2)
            network = serving[row["task"]]
            served = Network.of(*network["group"], size=network["size"])
            values = [1 - loss_of(served, row["task"], seed) for seed in (0, 1)]
            assert row["value"] == pytest.approx(sum(values) / 2)


def test_page_and_terminal_show_the_same_values(api: Api, finished: Job) -> None:
    answer = api.get(f"/v1/jobs/{finished.id}/recommendations").content
    items = RecommendationList.model_validate_json(answer).items
    page = api.get(f"/jobs/{finished.id}", headers={"Accept": "text/html"}).text
    printed = io.StringIO()
    show_recommendations(Console(file=printed, width=200), items)
    assert "Tasks in their own units" in page
    assert "accuracy, higher is better" in page
    assert "accuracy ↑" in printed.getvalue()
    for item in items:
        for row in item.values:
            assert row.value is not None
            assert f'<td class="number">{row.value:.4g}</td>' in page
            assert f"{row.value:.4g}" in printed.getvalue()


def test_without_metrics_nothing_is_shown_of_them(api: Api, scenes: Scenes) -> None:
    info, _ = scenes.store.import_table(formula_table(), "imported")
    cells = api.get(f"/v1/score-tables/{info.id}/scores").json()["cells"]
    assert {cell["validation_metric"] for cell in cells} == {None}
    job = scenes.submitted()
    assert "Tasks in their own units" not in api.get(f"/jobs/{job.id}", headers={"Accept": "text/html"}).text
