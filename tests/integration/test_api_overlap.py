"""The overlap of the masks of sparse sharing over HTTP and on its pages."""

from __future__ import annotations

import re

import numpy as np
import pytest

from grouping.domain.affinities.joint_runs import JointAffinities
from grouping.domain.affinities.methods import METHODS
from grouping.domain.jobs.job import Job
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialState
from tests.integration.conftest import NAMES, Api, Scenes, formula_table, loss_of
from tests.recipes import by

SPARSE = Recipe(sharing=Method("sparse"))
OVERLAPS = np.array(
    [[0.50, 0.60, 0.10, 0.20], [0.60, 0.40, 0.15, 0.25], [0.10, 0.15, 0.25, 0.30], [0.20, 0.25, 0.30, 0.30]]
)
"""With the share of the weights that each task keeps on the diagonal; depth and normals at random: 0.29."""


@pytest.fixture
def job(scenes: Scenes) -> Job:
    """A job of sparse sharing whose network of all tasks was trained with both seeds, and nothing else."""
    return masked(scenes)


def masked(scenes: Scenes) -> Job:
    job = scenes.running(trainer_parameters=by(SPARSE))
    held = scenes.claims[job.id]
    for trial in scenes.store.trials(job.id, states=(TrialState.PLANNED,)):
        if len(trial.network.group) == len(NAMES):
            scenes.store.start_trial(held, trial.id)
            losses = {task: loss_of(trial.network, task, trial.seed) for task in NAMES}
            scores = tuple(TaskScore(task, loss, loss, 0.9, 0.9) for task, loss in losses.items())
            cells = OVERLAPS + 0.02 * trial.seed
            masks = JointAffinities(NAMES, {"overlap": cells}, 0, np.full((4, 4), 0.1))
            outcome = TrialOutcome(TrialState.SUCCEEDED, scores, 25, 1.5, affinities=masks)
            scenes.store.record_outcome(held, trial.id, outcome)
    return scenes.store.get_job(job.id)


def matrix(job: Job) -> str:
    return f"/v1/score-tables/{job.score_table_id}/affinity?method=overlap"


def page(api: Api, job: Job, path: str) -> str:
    answer = api.get(f"/score-tables/{job.score_table_id}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_matrix_comes_with_its_noise_its_networks_and_what_it_means(api: Api, job: Job) -> None:
    answer = api.get(matrix(job)).json()
    assert (answer["method"], answer["is_effect"], answer["is_share"]) == ("overlap", False, False)
    assert answer["values"][0][:2] == [None, pytest.approx(0.61)]
    assert answer["values"][1][0] == answer["values"][0][1]
    assert answer["standard_errors"][0][1] == pytest.approx(0.01)
    assert answer["n_networks"][0] == [0, 1, 1, 1]
    assert answer["self_values"] == pytest.approx([0.51, 0.41, 0.26, 0.31])
    assert answer["at_random"][0][1] == pytest.approx(0.51 * 0.41 / (0.51 + 0.41 - 0.51 * 0.41))
    assert answer["at_random"][0][0] is None
    assert answer["warnings"] == []
    assert answer["summary"] == "depth and normals overlap most (0.61); depth and edges least (0.11)."
    assert "pq / (p + q - pq)" in answer["meaning"]
    assert "does not say that one task helps the other" in answer["meaning"]
    ordered = api.get(matrix(job), params={"method": "overlap", "order": "name"}).json()
    assert ordered["tasks"] == sorted(NAMES)
    assert ordered["at_random"][0][2] == answer["at_random"][NAMES.index("depth")][NAMES.index("normals")]


def test_a_job_with_another_sharing_says_that_it_needs_this_one(api: Api, scenes: Scenes) -> None:
    answer = api.get(matrix(scenes.running()))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_measured")
    assert (
        "It needs the sharing sparse in the recipe of a job, and this job trains otherwise."
        in answer.json()["detail"]
    )


def test_a_sparse_job_that_has_trained_nothing_yet_says_that_its_trainings_measure_it(
    api: Api, scenes: Scenes
) -> None:
    job = scenes.running(trainer_parameters=by(SPARSE))
    answer = api.get(matrix(job))
    assert answer.status_code == 409
    assert "Every training of a network of several tasks measures it" in answer.json()["detail"]
    assert "overlap was not measured for this score table. Every training" in page(api, job, "affinity")


def test_an_imported_table_says_that_it_has_no_networks(api: Api, scenes: Scenes) -> None:
    info, _ = scenes.store.import_table(formula_table(), "four tasks")
    address = f"score-tables/{info.id}/affinity?method=overlap"
    answer = api.get(f"/v1/{address}")
    assert answer.status_code == 409
    assert "sharing sparse in the recipe of a job, and an imported table" in answer.json()["detail"]
    assert "sharing sparse in the recipe of a job" in api.get(f"/{address}").text


def test_the_switch_offers_it_only_where_the_recipe_can_measure_it(
    api: Api, scenes: Scenes, job: Job
) -> None:
    hard = scenes.running()
    assert "overlap" not in page(api, hard, "affinity")
    assert '<option value="overlap"' not in page(api, hard, "graph")
    text = page(api, job, "affinity")
    assert re.search(
        r'class="choice" href="\?method=overlap&amp;order=cluster"[^>]*aria-current="true"', text
    )
    assert re.findall(r'aria-disabled="true"[^>]*>([\w-]+)</a>', text) == ["tag", "cosine", "first-order"]
    assert '<option value="overlap" selected>' in page(api, job, "graph")


def test_the_page_shows_overlaps_from_0_to_1_and_never_as_help(api: Api, job: Job) -> None:
    text = page(api, job, "affinity?order=input")
    assert "<h1>How far the masks of tasks overlap</h1>" in text
    assert (
        'title="depth overlaps with normals: 0.61 (from 1 network, standard error 0.010); at random 0.29"'
        in text
    )
    value = r'<span class="value">0\.{}</span><small>{}</small>'
    assert re.search(r'<td class="help-4"[^>]*>' + value.format(61, "±0.01"), text), "4 of 6 shades"
    kept = r'<td class="self" title="depth keeps 51 % of the weights">'
    assert re.search(kept + value.format(51, "kept"), text)
    assert '<span class="quiet">nothing in common</span> <span class="number">0</span>' in text
    assert "harm-" not in text
    assert "helps" not in text.replace(METHODS["overlap"].meaning, "")


def test_the_graph_draws_each_pair_once_and_without_a_direction(api: Api, job: Job) -> None:
    text = page(api, job, "graph?effects=60")
    assert len(re.findall(r"<title>\w+ overlaps with \w+: 0\.\d\d</title>", text)) == 6
    assert "plot-head-help" not in text
    assert "helps" not in text
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/graph", params={"method": "overlap"}).json()
    assert answer["is_effect"] is False
    assert len(answer["edges"]) == 12
    community = {node["task"]: node["community"] for node in answer["nodes"]}
    assert community["depth"] == community["normals"] != community["edges"] == community["scene"]
