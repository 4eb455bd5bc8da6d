"""Groupings over HTTP: solved under constraints, kept, listed, compared and exported."""

from __future__ import annotations

import csv
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree

import pytest

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import Score, ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import assess_confidence, best_groupings, solve, solve_curve
from grouping.store import Store
from grouping.use_cases.computing import InProcesses
from grouping.use_cases.table_queries import SOLVING
from grouping.wire.solving import GROUPING_EXAMPLE, GroupingRequest
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.integration.conftest import NAMES, Api, Scenes, formula_table
from tests.integration.test_api_hostile import DEPTH, JSON, check_problem
from tests.tables import random_table


@pytest.fixture
def table_id(store: Store) -> str:
    return store.import_table(formula_table(), "by a formula")[0].id


@pytest.fixture
def address(table_id: str) -> str:
    return f"/v1/score-tables/{table_id}/groupings"


def solved(api: Api, address: str, **request: Any) -> dict[str, Any]:
    answer = api.post(address, json={"budget_snt": 2, **request})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/groupings/{document['id']}"
    return document


def test_a_grouping_is_solved_kept_and_read_again(api: Api, table_id: str, address: str) -> None:
    kept = solved(api, address)
    assert (kept["status"], kept["gap"], kept["score_table_id"]) == ("optimal", 0.0, table_id)
    assert kept["grouping"]["serving"]["depth"] == "depth+normals"
    assert [row["task"] for row in kept["task_losses"]] == list(NAMES)
    assert sum(row["validation_loss"] for row in kept["task_losses"]) == pytest.approx(kept["loss"])
    together = next(item for item in kept["baselines"] if item["name"] == "all together")
    assert together["change"] == pytest.approx(kept["loss"] / together["loss"] - 1)
    assert api.get(f"/v1/groupings/{kept['id']}").json() == kept
    (item,) = api.get(address).json()["items"]
    assert (item["id"], item["networks"], item["loss"]) == (
        kept["id"],
        ["depth+normals", "edges+scene"],
        kept["loss"],
    )


def test_a_grouping_says_the_revision_it_was_solved_on_and_stays(api: Api, scenes: Scenes) -> None:
    job = scenes.running()
    scenes.train(job, 30)
    address = f"/v1/score-tables/{job.score_table_id}/groupings"
    kept = solved(api, address)
    scenes.train(job)
    assert api.get(f"/v1/groupings/{kept['id']}").json() == kept
    again = solved(api, address)
    assert again["revision"] > kept["revision"]
    comparison = api.get(f"/v1/groupings/compare?a={kept['id']}&b={again['id']}").json()
    assert "The score table changed between the two solves." in comparison["notes"]


CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "together": ({"together": [["depth", "scene"]]}, lambda s: s["depth"] == s["scene"]),
    "apart": (
        {"apart": [["depth", "normals"]]},
        lambda s: not any({"depth", "normals"} <= set(name.split("+")) for name in s.values()),
    ),
    "max_networks": ({"max_networks": 1}, lambda s: len(set(s.values())) == 1),
    "max_group_size": ({"max_group_size": 2}, lambda s: all(name.count("+") < 2 for name in s.values())),
    "forced": ({"forced": ["depth+scene"]}, lambda s: True),
    "forbidden": ({"forbidden": ["depth+normals"]}, lambda s: "depth+normals" not in s.values()),
}


@pytest.mark.parametrize("name", CASES)
def test_constraints_are_honoured(api: Api, address: str, name: str) -> None:
    constraints, holds = CASES[name]
    kept = solved(api, address, constraints=constraints)
    assert kept["request"]["constraints"][name] == constraints[name]
    assert holds(kept["grouping"]["serving"])
    if name == "forced":
        assert "depth+scene" in [network["name"] for network in kept["grouping"]["networks"]]


def test_disjoint_groups_only_gives_a_partition(api: Api, address: str) -> None:
    for budget in (1.5, 2.5, 3.5):
        kept = solved(api, address, budget_snt=budget, constraints={"is_partition": True})
        assert kept["grouping"]["is_partition"]


def test_weights_and_objective_change_what_is_minimised(api: Api, address: str) -> None:
    plain, weighted = solved(api, address), solved(api, address, weights={"scene": 100.0})
    assert weighted["loss"] > plain["loss"]
    relative = solved(api, address, objective="relative")
    assert relative["loss"] == pytest.approx(4 * 0.9, rel=0.1)
    comparison = api.get(f"/v1/groupings/compare?a={plain['id']}&b={relative['id']}").json()
    assert comparison["loss_change"] is None
    assert comparison["notes"] == ["Weights or objective differ, so the total losses are different things."]


def test_the_best_groupings_are_listed_in_order(api: Api, address: str) -> None:
    kept = solved(api, address, k=4)
    alternatives = kept["alternatives"]
    assert [item["rank"] for item in alternatives] == [1, 2, 3, 4]
    losses = [item["loss"] for item in alternatives]
    assert losses == sorted(losses)
    assert (losses[0], alternatives[0]["excess"]) == (pytest.approx(kept["loss"]), 0.0)
    assert alternatives[0]["grouping"]["serving"] == kept["grouping"]["serving"]
    assert kept["has_proven_alternatives"]


def test_a_grouping_explains_itself(api: Api, address: str) -> None:
    kept = solved(api, address, constraints={"max_networks": 2, "apart": [["depth", "normals"]]})
    sentences = api.get(f"/v1/groupings/{kept['id']}/explanation").json()["sentences"]
    assert sentences == kept["explanation"]
    assert any("depth is served by" in sentence for sentence in sentences)
    assert any("Without the demand that depth and normals" in sentence for sentence in sentences)
    data = kept["explanation_data"]
    assert data == api.get(f"/v1/groupings/{kept['id']}/explanation").json()["data"]
    assert [task["task"] for task in data["tasks"]] == list(NAMES)
    assert {task["task"]: task["server"] for task in data["tasks"]} == kept["grouping"]["serving"]
    assert data["binding"][0]["improvement"] > 0
    none = solved(api, address, budget_snt=0.5)
    (first, *_) = api.get(f"/v1/groupings/{none['id']}/explanation").json()["sentences"]
    assert first == "No grouping exists within 0.5 SNT."


def test_the_regret_is_told_in_units_of_the_loss_and_as_a_part_of_it(api: Api, address: str) -> None:
    kept = solved(api, address)
    found = api.get(f"/v1/groupings/{kept['id']}/confidence?n_resamples=50&noise=0.3").json()
    told = assess_confidence(formula_table(), 2.0, n_resamples=50, noise=0.3)
    for name in ("mean_regret", "regret_95", "mean_regret_part", "regret_95_part"):
        assert found[name] == pytest.approx(getattr(told, name)), name
        assert found[name] > 0


def test_confidence_is_told_with_the_grouping_or_later(api: Api, address: str, store: Store) -> None:
    kept = solved(api, address, confidence={"n_resamples": 50, "tolerance": 0.02})
    found = kept["confidence"]
    assert (found["n_resamples"], found["tolerance"]) == (50, 0.02)
    assert 0 <= found["frequency_optimal"] <= found["frequency_within_tolerance"] <= 1
    assert found["loss_interval"][0] < kept["loss"] < found["loss_interval"][1]
    assert len(found["sentences"]) > 3
    assert solved(api, address)["confidence"] is None
    later = api.get(f"/v1/groupings/{kept['id']}/confidence?n_resamples=50&tolerance=0.02")
    assert later.json() == found
    info, _ = store.import_table(formula_table(n_seeds=1), "one seed")
    address = f"/v1/score-tables/{info.id}/groupings"
    refused = api.post(address, json={"budget_snt": 2, "confidence": {}})
    assert check_problem(refused, 422)["errors"][0]["pointer"] == "/confidence/noise"
    kept = solved(api, address)
    check_problem(api.get(f"/v1/groupings/{kept['id']}/confidence"), 422)
    known = api.get(f"/v1/groupings/{kept['id']}/confidence?noise=0.000001").json()
    assert known["frequency_optimal"] == 1.0
    for query in ("n_resamples=0", "n_resamples=100000", "tolerance=2", "noise=0", "noise=nan", "seed=-1"):
        answer = api.get(f"/v1/groupings/{kept['id']}/confidence?{query}")
        assert check_problem(answer, 422)["errors"][0]["parameter"] == query.partition("=")[0]


def test_confidence_of_a_table_that_has_changed_is_refused(api: Api, scenes: Scenes) -> None:
    job = scenes.running()
    scenes.train(job, 30)
    kept = solved(api, f"/v1/score-tables/{job.score_table_id}/groupings")
    scenes.train(job, 1)
    document = check_problem(api.get(f"/v1/groupings/{kept['id']}/confidence?noise=0.01"), 409)
    assert document["code"] == "state_conflict"


def test_that_demands_conflict_is_an_answer(api: Api, address: str) -> None:
    constraints = {"together": [["depth", "normals"]], "apart": [["depth", "normals"]], "max_networks": 3}
    kept = solved(api, address, budget_snt=3, constraints=constraints)
    assert (kept["status"], kept["grouping"], kept["loss"]) == ("infeasible", None, None)
    assert len(kept["infeasibility"]["conflicts"]) == 2
    assert all("depth" in sentence for sentence in kept["infeasibility"]["conflicts"])
    assert (kept["task_losses"], kept["alternatives"]) == ([], [])


def test_that_the_budget_is_too_small_is_an_answer_with_the_cheapest_cover(api: Api, address: str) -> None:
    kept = solved(api, address, budget_snt=0.5, constraints={"max_group_size": 2})
    assert kept["status"] == "infeasible"
    assert kept["infeasibility"]["cheapest_cover_snt"] == pytest.approx(2.0)
    for kind, status in (("svg", 409), ("json", 200), ("csv", 200)):
        assert api.get(f"/v1/groupings/{kept['id']}/export?format={kind}").status_code == status
    check_problem(api.get(f"/v1/groupings/{kept['id']}/confidence"), 409)


def latency_table() -> ScoreTable:
    tasks = (Task("a"), Task("b"))
    networks = (Network.of("a"), Network.of("b"), Network.of("a", "b"))
    scores = [
        Score(network, task, 0, 0.5 if len(network.group) == 1 else 0.6)
        for network in networks
        for task in sorted(network.group)
    ]
    costs: dict[str, Any] = {"latency_ms": [5.0, 6.0, 7.0]}
    return ScoreTable.from_scores(tasks, networks, scores, costs)


def test_a_budget_counts_in_another_cost(api: Api, store: Store) -> None:
    info, _ = store.import_table(latency_table(), "")
    address = f"/v1/score-tables/{info.id}/groupings"
    narrow = solved(api, address, budget_snt=10.5, cost="latency_ms")
    wide = solved(api, address, budget_snt=11, cost="latency_ms")
    assert (narrow["cost_snt"], wide["cost_snt"]) == (7, 11)
    limited = solved(api, address, budget_snt=2, constraints={"limits": {"latency_ms": 10}})
    assert limited["grouping"]["serving"] == {"a": "a+b", "b": "a+b"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown task together": ({"constraints": {"together": [["depth", "x"]]}}, "/constraints/together"),
    "one task together": ({"constraints": {"together": [["depth"]]}}, "/constraints/together/0"),
    "a task twice": ({"constraints": {"apart": [["depth", "depth"]]}}, "/constraints/apart"),
    "no networks": ({"constraints": {"max_networks": 0}}, "/constraints/max_networks"),
    "a broken network": ({"constraints": {"forced": ["depth", "a@b"]}}, "/constraints/forced/1"),
    "an empty task": ({"constraints": {"forbidden": ["depth++edges"]}}, "/constraints/forbidden/0"),
    "a network not measured": ({"constraints": {"forced": ["depth@0.25"]}}, "/constraints/forced"),
    "an infinite size": ({"constraints": {"forced": ["depth@inf"]}}, "/constraints/forced/0"),
    "an unknown cost": ({"cost": "latency_ms"}, "/cost"),
    "an unknown limit": ({"constraints": {"limits": {"ms": 1}}}, "/constraints/limits"),
    "an unknown weight": ({"weights": {"x": 1.0}}, "/weights"),
    "a zero weight": ({"weights": {"depth": 0}}, "/weights/depth"),
    "an unknown objective": ({"objective": "best"}, "/objective"),
    "too many groupings": ({"k": 1000}, "/k"),
    "no budget": ({"budget_snt": 0}, "/budget_snt"),
    "a huge budget": ({"budget_snt": 20_000}, ""),
    "a text for a budget": ({"budget_snt": "2"}, "/budget_snt"),
    "an unknown field": ({"constraint": {}}, "/constraint"),
    "a name with markup": ({"constraints": {"ceilings": {"<b>": 1}}}, "/constraints/ceilings"),
    "a name with a control": ({"constraints": {"ceilings": {"a\n": 1}}}, "/constraints/ceilings"),
    "too many demands": ({"constraints": {"together": [["depth", "scene"]] * 300}}, "/constraints/together"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_pointed_at_and_nothing_is_kept(
    api: Api, store: Store, table_id: str, address: str, name: str
) -> None:
    change, pointer = WRONG[name]
    document = check_problem(api.post(address, json={"budget_snt": 2, **change}), 422)
    assert document["errors"][0]["pointer"].startswith(pointer)
    assert store.list_groupings(table_id).items == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"budget_snt": NaN}',
        b'{"budget_snt": 1e999}',
        b'{"budget_snt": 1, "weights": {"\\ud800": 1}}',
        b'{"budget_snt": 1, "constraints": ' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    ],
)
def test_a_hostile_body_is_refused(api: Api, address: str, body: bytes) -> None:
    check_problem(api.post(address, content=body, headers=JSON), 400, 422)


def test_the_same_key_solves_and_keeps_once(api: Api, address: str) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [api.post(address, json={"budget_snt": 2}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    other = api.post(address, json={"budget_snt": 3}, headers=headers)
    assert check_problem(other, 422)["code"] == "idempotency_conflict"
    assert len(api.get(address).json()["items"]) == 1


def test_equal_requests_at_once_are_solved_once(
    api: Api, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    first_is_in, go_on = threading.Event(), threading.Event()

    call = InProcesses.call

    def slow(self: InProcesses, function: Any, /, *arguments: Any, **options: Any) -> Any:
        if function is solve:
            calls.append(arguments)
            first_is_in.set()
            assert go_on.wait(20)
        return call(self, function, *arguments, **options)

    monkeypatch.setattr(InProcesses, "call", slow)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(solved, api, address, budget_snt=2.25) for _ in range(4)]
        assert first_is_in.wait(20)
        time.sleep(0.5)  # the others arrive meanwhile
        go_on.set()
        losses = {answer.result()["loss"] for answer in answers}
    assert (len(calls), len(losses)) == (1, 1)


def test_a_solve_that_fails_is_tried_again_by_the_next(
    api: Api, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(InProcesses, "call", fail)
        check_problem(api.post(address, json={"budget_snt": 2}), 500)
    assert solved(api, address)["status"] == "optimal"


def test_all_solves_of_a_request_share_the_time_of_the_settings(
    store: Store, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = Api(create_app(Settings(database_url=sqlite_url, solve_time_limit_s=60), store))
    info, _ = store.import_table(random_table(1), "")
    seen: list[float] = []
    call = InProcesses.call

    def watched(self: InProcesses, function: Any, /, *arguments: Any, **options: Any) -> Any:
        if function in (solve, solve_curve, best_groupings):
            seen.append(options["time_limit_s"])
        return call(self, function, *arguments, **options)

    monkeypatch.setattr(InProcesses, "call", watched)
    solved(limited, f"/v1/score-tables/{info.id}/groupings", k=2)
    assert limited.get(f"/v1/score-tables/{info.id}/curve").status_code == 200
    first, best, _ = seen
    assert 0 < first < 60  # something is left for what follows
    assert first / SOLVING - best > 0  # one clock for both
    assert max(seen) < 60


def test_two_groupings_are_compared(api: Api, address: str) -> None:
    a, b = solved(api, address), solved(api, address, budget_snt=3)
    comparison = api.get("/v1/groupings/compare", params={"a": a["id"], "b": b["id"]}).json()
    assert comparison["loss_change"] == pytest.approx(b["loss"] - a["loss"])
    assert comparison["cost_change"] == pytest.approx(b["cost_snt"] - a["cost_snt"])
    names = {item["name"] for item in a["grouping"]["networks"]}
    assert {*comparison["in_both"], *comparison["only_a"]} == names
    assert len(comparison["tasks"]) == 4
    assert comparison["notes"] == []
    check_problem(api.get(f"/v1/groupings/compare?a={a['id']}&b=nothing"), 404)
    check_problem(api.get(f"/v1/groupings/compare?a={a['id']}"), 422)


def test_groupings_are_exported(api: Api, store: Store) -> None:
    names = ("=1+1".replace("+", "-"), "b")
    tasks = tuple(Task(name) for name in names)
    networks = (Network.of(*names), Network.of("b"))
    scores = [Score(networks[0], name, 0, loss) for name, loss in zip(names, (-0.25, 0.5), strict=True)]
    scores.append(Score(networks[1], "b", 0, 0.25))
    info, _ = store.import_table(ScoreTable.from_scores(tasks, networks, scores), "")
    kept = solved(api, f"/v1/score-tables/{info.id}/groupings")
    export = f"/v1/groupings/{kept['id']}/export"
    rows = list(csv.DictReader(io.StringIO(api.get(f"{export}?format=csv").text)))
    assert [row["task"] for row in rows] == ["'=1-1", "b"]
    assert [row["validation_loss"] for row in rows] == ["-0.25", "0.25"]
    picture = api.get(f"{export}?format=svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(picture.text).tag.endswith("svg")
    document = api.get(export)
    assert document.json() == kept
    assert document.headers["content-disposition"].startswith('attachment; filename="grouping-')
    check_problem(api.get(f"{export}?format=exe"), 422)


@pytest.mark.parametrize("identifier", ["nothing", "0" * 32, "%00", "..%2f..%2fetc"])
@pytest.mark.parametrize("kind", ["", "/explanation", "/confidence", "/export"])
def test_a_grouping_that_is_not_there_is_not_found(api: Api, identifier: str, kind: str) -> None:
    check_problem(api.get(f"/v1/groupings/{identifier}{kind}"), 404)


def test_groupings_are_listed_in_pages(api: Api, address: str) -> None:
    made = [solved(api, address, budget_snt=budget)["id"] for budget in (1, 2, 3)]
    first = api.get(f"{address}?page_size=2").json()
    second = api.get(address, params={"page_size": 2, "page_token": first["next_page_token"]}).json()
    assert [item["id"] for item in (*first["items"], *second["items"])] == made[::-1]
    assert second["next_page_token"] is None
    check_problem(api.get("/v1/score-tables/nothing/groupings"), 404)
    check_problem(api.post("/v1/score-tables/nothing/groupings", json={"budget_snt": 1}), 404)


def test_the_example_is_a_valid_request() -> None:
    GroupingRequest.model_validate(GROUPING_EXAMPLE)


def test_a_curve_tells_dominated_budgets_and_random_groupings(api: Api, table_id: str) -> None:
    answer = api.get(f"/v1/score-tables/{table_id}/curve").json()
    losses = [point["loss"] for point in answer["points"]]
    assert [point["is_dominated"] for point in answer["points"]] == [
        n > 0 and losses[n] == losses[n - 1] for n in range(len(losses))
    ]
    for point in answer["points"]:
        assert point["loss"] <= point["random"]["mean"] * (1 + 1e-9)
        assert point["random"]["mean"] <= point["random"]["worst"] * (1 + 1e-9)


def test_two_groupings_of_other_costs_are_said_not_to_be_at_equal_cost(api: Api, address: str) -> None:
    small, large, again = (solved(api, address, budget_snt=budget) for budget in (1, 2, 2))

    def notes(a: dict[str, Any], b: dict[str, Any]) -> Any:
        return api.get("/v1/groupings/compare", params={"a": a["id"], "b": b["id"]}).json()["notes"]

    assert notes(small, large) == ["Not at equal cost: the first costs 1 SNT, the second 2 SNT."]
    assert notes(large, again) == []
    for kept in (small, large):
        for baseline in kept["baselines"]:
            assert baseline["is_equal_cost"] == (baseline["cost_snt"] == kept["cost_snt"])
