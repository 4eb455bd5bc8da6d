"""Constraints of a job over HTTP and on its pages: its recommendations, every solve, and how to drop them."""

from __future__ import annotations

from typing import Any

import pytest

from grouping.domain.constraints import Constraints
from grouping.domain.jobs.job import Job
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.verdicts.baselines import ComparedWith
from grouping.errors import InvalidInputError
from grouping.solver import PairwiseEstimate, solve_pairwise
from grouping.store import Store
from tests.integration.conftest import NAMES, Api, Scenes, formula_table

APART = "depth and normals are never trained in the same network"
FEW = "at most 2 networks"


@pytest.fixture
def job(scenes: Scenes) -> Job:
    """A finished job whose best networks, but for its constraints, have depth and normals together."""
    wanted = Constraints(apart=[frozenset({"depth", "normals"})], max_networks=2)  # type: ignore[arg-type]
    return scenes.finished(constraints=wanted, budgets_snt=(2.0, 3.0))


def networks(answer: dict[str, Any]) -> list[set[str]]:
    return [set(network["group"]) for network in answer["grouping"]["networks"]]


def solved(api: Api, job: Job, **request: Any) -> dict[str, Any]:
    address = f"/v1/score-tables/{job.score_table_id}/groupings"
    answer = api.post(address, json={"budget_snt": 3, **request})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_recommendations_keep_to_the_constraints_and_say_so(api: Api, job: Job) -> None:
    items = api.get(f"/v1/jobs/{job.id}/recommendations").json()["items"]
    for item in items:
        assert (item["held"], item["not_held"]) == ([APART, FEW], [])
        assert not any({"depth", "normals"} <= group for group in networks(item["solution"]))
        assert len(networks(item["solution"])) <= 2
        assert item["verdict"]["is_confirmed"]
    page = api.get(f"/jobs/{job.id}").text
    assert f"Each keeps to: {APART}; {FEW}." in page


def test_a_solve_has_them_by_default_adds_to_them_and_drops_them_when_told(api: Api, job: Job) -> None:
    usual = solved(api, job)
    assert usual["held"] == [APART, FEW]
    assert not any({"depth", "normals"} <= group for group in networks(usual))
    more = solved(api, job, constraints={"max_networks": 3, "apart": [["edges", "scene"]]})
    assert more["held"] == [
        APART,
        "edges and scene are never trained in the same network",
        "at most 3 networks",
    ]
    free = solved(api, job, standing_demands=False)
    assert free["held"] == []
    assert any({"depth", "normals"} <= group for group in networks(free))
    assert free["loss"] < usual["loss"]
    table = f"/v1/score-tables/{job.score_table_id}"
    assert api.get(f"{table}/grouping", params={"budget_snt": "3"}).json()["held"] == [APART, FEW]
    for held, asked in (([APART, FEW], {}), ([], {"standing_demands": False})):
        curve = api.post(f"{table}/curve", json={"budgets_snt": [3], **asked}).json()
        assert (curve["held"], len(curve["points"])) == (held, 1)

    page = f"/score-tables/{job.score_table_id}/networks?budget_snt=3"
    demanded = f"<strong>The job demands:</strong> {APART}; {FEW}."
    assert demanded in api.get(page).text
    without = api.get(f"{page}&without_standing=on").text
    assert demanded not in without
    assert "what the job demands is left out" in without
    assert "depth + normals" in without or "depth+normals" in without


def test_a_solve_over_groups_that_are_not_listed_has_those_that_it_can_hold_to(
    api: Api, scenes: Scenes
) -> None:
    wanted = Constraints(apart=[frozenset({"depth", "normals"})], ceilings_alone={"edges": 1.0})  # type: ignore[arg-type]
    job = scenes.finished(constraints=wanted)
    address = f"/v1/score-tables/{job.score_table_id}/pairwise-grouping"
    refused = api.post(address, json={"budget_snt": 2})
    assert refused.status_code == 422
    assert "edges is served no worse than alone" in refused.json()["detail"]
    dropped = api.post(address, json={"budget_snt": 2, "standing_demands": False}).json()
    assert dropped["held"] == []
    able = scenes.finished(constraints=Constraints(apart=wanted.apart))
    answer = api.post(
        f"/v1/score-tables/{able.score_table_id}/pairwise-grouping", json={"budget_snt": 2}
    ).json()
    assert answer["held"] == [APART]
    assert not any({"depth", "normals"} <= group for group in networks(answer))


def test_tasks_that_must_not_worsen_are_refused_where_they_cannot_be_kept_up(api: Api, store: Store) -> None:
    table = formula_table()
    kept_up = ScoreTable.from_arrays(
        tuple(Task(name, must_not_worsen=name == "edges") for name in NAMES),
        table.networks,
        table.seeds,
        table.validation_losses,
        table.test_losses,
    )
    with pytest.raises(InvalidInputError, match="edges is served no worse than alone"):
        solve_pairwise(PairwiseEstimate.from_table(kept_up), 2.0)
    address = f"/v1/score-tables/{store.import_table(kept_up, 'kept up')[0].id}/pairwise-grouping"
    assert api.post(address, json={"budget_snt": 2}).status_code == 422
    assert api.post(address, json={"budget_snt": 2, "standing_demands": False}).status_code == 200


def test_a_job_that_compares_with_nothing_tells_its_loss_on_fresh_seeds(api: Api, scenes: Scenes) -> None:
    job = scenes.finished(compared_with=ComparedWith.NONE, budgets_snt=(2.0,))
    (item,) = api.get(f"/v1/jobs/{job.id}/recommendations").json()["items"]
    verdict = item["verdict"]
    assert (verdict["is_confirmed"], verdict["is_worth_it"], verdict["comparisons"]) == (True, False, [])
    assert verdict["alone"]["n_seeds"] == job.spec.n_confirmation_seeds
    assert item["sentence"].startswith("Compared with no baseline, as the job asked")
    assert f"{verdict['alone']['loss']:.4g}" in item["sentence"]


def test_the_ledger_counts_no_network_that_constraints_rule_out_as_a_candidate(api: Api, job: Job) -> None:
    saved = api.get(f"/v1/jobs/{job.id}/ledger").json()["savings"]
    allowed = [n for n in job.spec.candidates.require_listed() if not {"depth", "normals"} <= n.group]
    assert saved["candidates"] == len(allowed)
