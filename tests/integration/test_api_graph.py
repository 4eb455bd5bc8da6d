"""The affinity graph over HTTP and as a page, and what clustering would cost."""

from __future__ import annotations

import html
import json
import re

import pytest

from grouping.domain.jobs.job import Job
from grouping.store import Store
from tests.integration.conftest import NAMES, Api, Scenes, formula_table
from tests.integration.test_api_web import MARKUP, page

PAIRS = [{"depth", "normals"}, {"edges", "scene"}]


@pytest.fixture
def job(scenes: Scenes) -> Job:
    return scenes.finished()


@pytest.fixture
def graph(job: Job) -> str:
    return f"/v1/score-tables/{job.score_table_id}/graph"


def test_nodes_are_the_tasks_in_their_communities(api: Api, graph: str) -> None:
    nodes = api.get(graph).json()["nodes"]
    assert [node["task"] for node in nodes] == list(NAMES)
    number = {node["task"]: node["community"] for node in nodes}
    assert number["depth"] == number["normals"] != number["edges"] == number["scene"]
    assert sorted(set(number.values())) == [0, 1]


def test_edges_are_the_cells_of_the_matrix(api: Api, graph: str) -> None:
    answer = api.get(graph, params={"method": "higher-order"}).json()
    matrix = api.get(graph.replace("graph", "affinity"), params={"method": "higher-order"}).json()
    assert answer["method"] == matrix["method"] == "higher-order"
    assert answer["formula"] == matrix["formula"]
    assert len(answer["edges"]) == len(NAMES) * (len(NAMES) - 1)
    for edge in answer["edges"]:
        source, target = (matrix["tasks"].index(edge[end]) for end in ("source", "target"))
        assert edge["value"] == matrix["values"][source][target]
        assert edge["standard_error"] == matrix["standard_errors"][source][target]
    values = [edge["value"] for edge in answer["edges"]]
    assert values == sorted(values, reverse=True)


def test_clusterings_stand_beside_the_exact_grouping(api: Api, graph: str) -> None:
    answer = api.get(graph).json()
    assert answer["budget_snt"] == answer["exact"]["budget_snt"] == 2, "the middle budget of the job"
    assert answer["exact"]["status"] == "optimal"
    assert [found["method"] for found in answer["clusterings"]] == ["modularity", "spectral", "matching"]
    for found in answer["clusterings"]:
        assert list(map(set, found["groups"])) == PAIRS
        assert found["networks"] == ["depth+normals", "edges+scene"]
        assert (found["is_measured"], found["missing"], found["cost_snt"]) == (True, [], 2)
        assert found["loss"] == pytest.approx(answer["exact"]["loss"])
        assert found["difference"] == pytest.approx(0, abs=1e-12)
    assert "as good as the exact one" in answer["sentence"]


def test_another_budget_is_compared_when_asked_for(api: Api, graph: str) -> None:
    answer = api.get(graph, params={"budget_snt": "1.5"}).json()
    exact = api.get(graph.replace("graph", "grouping?budget_snt=1.5")).json()
    assert answer["exact"]["loss"] == exact["loss"]
    best = min(found["relative_difference"] for found in answer["clusterings"])
    assert best > 0
    for found in answer["clusterings"]:
        assert found["difference"] == pytest.approx(found["loss"] - exact["loss"])
        assert found["relative_difference"] == pytest.approx(found["difference"] / exact["loss"])
    assert re.match(r"Clustering alone would cost at least \d[\d.]* % more loss", answer["sentence"])


def test_networks_that_were_not_measured_are_named(api: Api, store: Store) -> None:
    table = formula_table()
    small = [n for n, network in enumerate(table.networks) if len(network.group) in (1, 2)]
    info, _ = store.import_table(table.select(small), "pairs only")
    answer = api.get(f"/v1/score-tables/{info.id}/graph", params={"budget_snt": "1"}).json()
    assert answer["exact"]["status"] == "infeasible"
    for found in answer["clusterings"]:
        assert found["missing"] == found["networks"] == ["+".join(NAMES)]
        assert (found["is_measured"], found["loss"], found["difference"]) == (False, None, None)
    assert "No grouping of the measured networks fits 1 SNT" in answer["sentence"]
    text = page(api, f"/score-tables/{info.id}/graph?budget_snt=1")
    assert "not measured" in text
    assert api.get(f"/v1/score-tables/{info.id}/graph").json()["budget_snt"] == 2, "no job, so 2 SNT"


def test_a_budget_below_one_network_has_no_partition(api: Api, graph: str) -> None:
    answer = api.get(graph, params={"budget_snt": "0.5"}).json()
    for found in answer["clusterings"]:
        assert (found["groups"], found["cost_snt"], found["is_measured"]) == ([], None, False)


@pytest.mark.parametrize("budget", ["nan", "inf", "-1", "0", "lots", "1,2", "1e9", "\0"])
def test_a_budget_that_is_no_positive_number_is_refused(api: Api, graph: str, budget: str) -> None:
    answer = api.get(graph, params={"budget_snt": budget})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["parameter"] == "budget_snt"


def test_what_does_not_exist_is_refused(api: Api, graph: str) -> None:
    unknown = api.get(graph, params={"method": "guess"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_name")
    unmeasured = api.get(graph, params={"method": "tag"})
    assert (unmeasured.status_code, unmeasured.json()["code"]) == (409, "not_measured")
    assert api.get("/v1/score-tables/nothing/graph").status_code == 404


def test_an_answer_is_not_sent_again_until_the_scores_change(api: Api, scenes: Scenes) -> None:
    job = scenes.running()
    scenes.train(job, 20)
    address = f"/v1/score-tables/{job.score_table_id}/graph"
    first = api.get(address)
    again = api.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    scenes.train(job, 1)
    assert api.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


@pytest.mark.parametrize("trained", [None, 0, 1, 9, 30])
def test_the_graph_can_be_had_however_far_a_job_is(api: Api, scenes: Scenes, trained: int | None) -> None:
    job = scenes.submitted() if trained is None else scenes.running(n_seeds=1)
    if trained:
        scenes.train(job, trained, fail=lambda network: network.group == {"edges"})
    answer = api.get(f"/v1/score-tables/{job.score_table_id}/graph")
    assert answer.status_code == 200, answer.text

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(answer.text, parse_constant=refuse)
    text = page(api, f"/score-tables/{job.score_table_id}/graph")
    is_known = trained in (9, 30)
    assert ("What clustering alone would recommend" in text) == is_known
    assert ("nothing to cluster" in text) != is_known
    assert bool(answer.json()["clusterings"]) == is_known
    assert ('aria-label="Affinity graph"' in text) == is_known


# --- the page


def test_the_page_shows_picture_comparison_and_the_same_effects_as_a_table(api: Api, job: Job) -> None:
    text = page(api, f"/score-tables/{job.score_table_id}/graph?effects=10&budget_snt=1.5")
    assert re.search(r"Clustering alone would cost at least [\d.]+ % more loss at the same budget", text)
    assert '<option value="10" selected>' in text
    assert 'value="1.5"' in text
    rows = re.findall(
        r'<th scope="row" class="plain wrap">(\w+)</th><td>(\w+)</td><td class="wrap">(\w+)</td>', text
    )
    assert len(rows) == 10
    titles = re.findall(r"<title>(\w+ (?:helps|harms) \w+): [^<]*</title>", text)
    assert sorted(" ".join(row) for row in rows) == sorted(titles)
    assert ("scene", "harms", "depth") in rows
    for method in ("Modularity communities", "Spectral clustering", "Maximum-weight matching"):
        assert method in text


def test_the_page_is_linked_from_the_others(api: Api, job: Job) -> None:
    address = f"/score-tables/{job.score_table_id}/graph"
    assert f'href="{address}"' in page(api, f"/score-tables/{job.score_table_id}/affinity")
    assert f'href="{address}" aria-current="page"' in page(api, address)


def test_methods_without_a_measurement_cannot_be_chosen(api: Api, job: Job) -> None:
    text = page(api, f"/score-tables/{job.score_table_id}/graph?method=higher-order")
    assert '<option value="higher-order" selected>' in text
    assert '<option value="tag" disabled>' in text
    assert '<option value="pairwise">' in text


def test_a_budget_that_is_no_number_is_said_at_the_field_of_the_page(api: Api, job: Job) -> None:
    text = page(api, f"/score-tables/{job.score_table_id}/graph?budget_snt=%3Cb%3E", 422)
    assert 'aria-describedby="budget-fault"' in text
    assert 'value="&lt;b&gt;"' in text
    assert 'aria-label="Affinity graph"' in text, "the picture does not depend on the budget"


@pytest.mark.parametrize("query", ["method=guess", "effects=1000000", "effects=many", "method=%00"])
def test_a_choice_that_does_not_exist_is_a_page_with_words(api: Api, job: Job, query: str) -> None:
    assert "Known:" in page(api, f"/score-tables/{job.score_table_id}/graph?{query}", 422)


def test_a_comma_in_the_budget_is_understood(api: Api, job: Job) -> None:
    assert "within 2.5 SNT" in page(api, f"/score-tables/{job.score_table_id}/graph?budget_snt=2,5")


def test_markup_in_names_is_shown_and_not_obeyed(api: Api, scenes: Scenes) -> None:
    names = (MARKUP, "b&b", "\"'c", "x" * 100)
    job = scenes.finished(names)
    text = page(api, f"/score-tables/{job.score_table_id}/graph")
    assert MARKUP not in text
    assert MARKUP in html.unescape(text)
