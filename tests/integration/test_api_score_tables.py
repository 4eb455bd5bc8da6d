"""Score tables over HTTP, and what is derived from them without training."""

from __future__ import annotations

import json

import pytest

from grouping.domain.affinities.methods import METHODS
from grouping.domain.jobs.job import Job
from tests.integration.conftest import NAMES, Api, Scenes, loss_of

KINDS = ("", "/scores", "/affinity", "/curve", "/grouping?budget_snt=2")


@pytest.fixture
def job(scenes: Scenes) -> Job:
    return scenes.finished()


def test_every_cell_is_listed_with_its_seeds(api: Api, job: Job, scenes: Scenes) -> None:
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/scores").json()
    table = scenes.store.score_table(job.score_table_id)
    member_cells = int((~(table.validation != table.validation)).sum())
    assert len(answer["cells"]) >= member_cells
    cell = next(c for c in answer["cells"] if c["network"] == "depth+normals" and c["task"] == "normals")
    network = table.networks[table.find_position(frozenset({"depth", "normals"})) or 0]
    expected = {str(seed): loss_of(network, "normals", seed) for seed in job.spec.search_seeds}
    assert cell["validation"]["by_seed"] == pytest.approx(expected)
    assert cell["validation"]["n"] == 2
    assert cell["validation"]["mean"] == pytest.approx(sum(expected.values()) / 2)
    assert cell["test"]["mean"] == pytest.approx(cell["validation"]["mean"] * 1.05)


def test_confirmation_scores_are_kept_apart(api: Api, job: Job) -> None:
    address = f"/v1/score-tables/{job.score_table_id}/scores"
    answer = api.get(address, params={"purpose": "confirmation"}).json()
    assert answer["seeds"] == list(job.spec.confirmation_seeds)


def test_affinity_says_who_helps_whom(api: Api, job: Job) -> None:
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/affinity").json()
    depth, normals = NAMES.index("depth"), NAMES.index("normals")
    assert answer["values"][depth][normals] == pytest.approx(0.20, abs=0.03)
    assert answer["values"][depth][depth] is None
    assert sorted(answer["cluster_order"]) == list(range(len(NAMES)))
    assert "(alone - together) / abs(alone)" in answer["formula"]


def test_an_unknown_affinity_method_is_refused(api: Api, job: Job) -> None:
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/affinity", params={"method": "guess"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_name")
    assert answer.json()["known"] == sorted(METHODS)


def test_the_curve_never_rises_and_shows_the_baselines(api: Api, job: Job) -> None:
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/curve").json()
    assert [point["budget_snt"] for point in answer["points"]] == [1, 1.5, 2, 2.5, 3, 3.5, 4]
    losses = [point["loss"] for point in answer["points"]]
    assert losses == sorted(losses, reverse=True)
    assert {"all together", "all alone"} <= {baseline["name"] for baseline in answer["baselines"]}


def test_the_curve_is_solved_for_the_budgets_asked_for(api: Api, job: Job) -> None:
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/curve", params={"budgets": "2.5,1"}).json()
    assert [point["budget_snt"] for point in answer["points"]] == [1, 2.5]


@pytest.mark.parametrize(
    "budgets", ["nan", "inf", "-1", "0", "1,,2", "1;2", "1" * 100, "\0", "1," * 60 + "1"]
)
def test_budgets_that_are_no_numbers_are_refused(api: Api, job: Job, budgets: str) -> None:
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/curve", params={"budgets": budgets})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "budgets"


def test_a_budget_is_solved_with_proof(api: Api, job: Job) -> None:
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/grouping?budget_snt=2").json()
    assert (answer["status"], answer["gap"]) == ("optimal", 0.0)
    assert answer["grouping"]["serving"] == {
        "depth": "depth+normals",
        "normals": "depth+normals",
        "edges": "edges+scene",
        "scene": "edges+scene",
    }


def test_that_no_grouping_exists_is_an_answer(api: Api, job: Job) -> None:
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/grouping?budget_snt=0.5")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["grouping"], body["loss"]) == ("infeasible", None, None)
    assert body["infeasibility"]["cheapest_cover_snt"] == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_not_sent_again_until_the_scores_change(api: Api, scenes: Scenes, kind: str) -> None:
    job = scenes.running()
    scenes.train(job, 20)
    address = f"/v1/score-tables/{job.score_table_id}{kind}"
    first = api.get(address)
    assert first.status_code == 200
    again = api.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    scenes.train(job, 1)
    assert api.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trained", [None, 0, 1, 9])
def test_answers_hold_no_number_that_json_does_not_know(
    api: Api, scenes: Scenes, kind: str, trained: int | None
) -> None:
    job = scenes.submitted() if trained is None else scenes.running(n_seeds=1)
    if trained:
        scenes.train(job, trained)
    answer = api.get(f"/v1/score-tables/{job.score_table_id}{kind}")
    assert answer.status_code == 200, answer.text

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(answer.text, parse_constant=refuse)


def test_tables_are_listed_with_their_jobs(api: Api, job: Job) -> None:
    items = api.get("/v1/score-tables").json()["items"]
    assert [(item["id"], item["job_id"]) for item in items] == [(job.score_table_id, job.id)]
