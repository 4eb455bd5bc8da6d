"""How each cell of a matrix is known, and what measures the pairs that it lacks: over HTTP and as a page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from grouping.domain.jobs.job import Job, JobState, StopReason
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import Purpose
from grouping.use_cases.submit import build_spec
from grouping.wire.requests import JobRequest
from tests.integration.conftest import Api, Scenes, formula_table
from tests.integration.test_api_web import page

TASKS = ("digit", "loop", "edges")
TRAINED = (
    Network.of(*TASKS),
    *(Network.of(task, size=0.5) for task in TASKS),
    Network.of("digit"),
    Network.of("digit", "loop"),
)
NEW_TRAININGS = 2 * 4
"""With two seeds: the tasks loop and edges alone, and the pairs of edges."""


def part_trained(
    scenes: Scenes, *, is_over: bool = True, networks: tuple[Network, ...] = TRAINED, **fields: Any
) -> Job:
    """A job on real tasks that trained what a search might have."""
    fields = {"n_seeds": 2, "n_confirmation_seeds": 0, "tasks": list(TASKS), **fields}
    spec, tasks = build_spec(JobRequest.model_validate({"problem": "digits", **fields}))
    job, _ = scenes.store.create_job(spec, tasks)
    claim = scenes.store.claim_job("scenes", lease_s=3600)
    assert claim is not None
    scenes.claims[job.id] = claim
    scenes.store.enter_state(claim, JobState.PREPARING)
    scenes.store.record_preparation(claim, data_digest="0" * 64, versions={})
    networks = tuple(network for network in networks if len(network.group) <= spec.max_group_size)
    scenes.add(claim, networks)
    scenes.store.enter_state(claim, JobState.RUNNING)
    scenes.plan(claim, networks, spec.search_seeds, Purpose.SEARCH)
    scenes.train(job)
    if is_over:
        scenes.store.enter_state(claim, JobState.SUCCEEDED, stop_reason=StopReason.CONVERGED)
    return scenes.store.get_job(job.id)


def affinity(api: Api, table_id: str, method: str | None = None) -> dict[str, Any]:
    query = {} if method is None else {"method": method}
    answer = api.get(f"/v1/score-tables/{table_id}/affinity", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_default_matrix_is_full_where_few_pairs_were_trained_and_says_how_each_cell_is_known(
    api: Api, scenes: Scenes
) -> None:
    table_id = part_trained(scenes).score_table_id
    answer, pairs = affinity(api, table_id), affinity(api, table_id, "pairwise")
    assert answer["method"] == "estimate"
    assert answer["statuses"] == [
        [None, "estimated", "estimated"],
        ["measured", None, "estimated"],
        ["estimated", "estimated", None],
    ]
    assert answer["values"][1][0] == pairs["values"][1][0]
    assert all(value is not None for i, row in enumerate(answer["values"]) for value in row[:i])
    assert answer["n_networks"][0] == [0, 2, 1]
    assert "Of 6 effects 1 measured and 5 estimated." in answer["summary"]
    assert pairs["statuses"][1] == ["measured", None, "unknown"]
    assert "Of 6 effects 1 measured and 5 unknown." in pairs["summary"]


def test_the_answer_holds_the_job_that_measures_the_rest_and_its_number_of_trainings(
    api: Api, scenes: Scenes
) -> None:
    job = part_trained(scenes, training_budget={"trainings": 12}, name="x" * 200)
    for method in ("estimate", "pairwise"):
        missing = affinity(api, job.score_table_id, method)["missing"]
        assert missing["singles"] == ["loop", "edges"]
        assert missing["pairs"] == [["digit", "edges"], ["loop", "edges"]]
        assert missing["n_trainings"] == NEW_TRAININGS
        assert missing["sentence"] == (
            "Not measured at full size: 2 single tasks (loop, edges) and 2 pairs (digit and edges, loop and "
            f"edges). Measuring what is missing takes {NEW_TRAININGS} trainings."
        )
    told = api.post("/v1/jobs/estimate", json=missing["job"]).json()
    assert told["search"]["lower"]["trainings"] == told["search"]["upper"]["trainings"] == NEW_TRAININGS
    submitted = api.post("/v1/jobs", json=missing["job"])
    assert submitted.status_code == 202, submitted.text
    spec = scenes.store.get_job(submitted.json()["id"]).spec
    assert {network.group for network in spec.candidates.require_listed()} == {
        frozenset(group) for group in (*((task,) for task in TASKS), *missing["pairs"], ("digit", "loop"))
    }
    assert (spec.reuse_jobs, spec.n_confirmation_seeds) == ((job.id,), 0)


def test_what_is_missing_is_said_once_where_the_summary_says_it(api: Api, scenes: Scenes) -> None:
    job = part_trained(scenes, networks=TRAINED[:1])
    answer = affinity(api, job.score_table_id, "pairwise")
    assert "Not measured at full size: 3 single tasks" in answer["summary"]
    assert answer["missing"]["sentence"] == "Measuring what is missing takes 12 trainings."


def test_methods_that_pairs_do_not_complete_and_complete_tables_lack_nothing(
    api: Api, scenes: Scenes
) -> None:
    job = part_trained(scenes)
    assert affinity(api, job.score_table_id, "higher-order")["missing"] is None
    info, _ = scenes.store.import_table(formula_table(), "complete")
    answer = affinity(api, info.id)
    assert answer["missing"] is None
    assert answer["values"] == affinity(api, info.id, "pairwise")["values"]
    assert "effects" not in answer["summary"], "all are measured"


def test_an_imported_table_is_told_which_rows_to_add(api: Api, scenes: Scenes) -> None:
    table = formula_table()
    rows = [n for n, network in enumerate(table.networks) if network.group != {"depth", "edges"}]
    info, _ = scenes.store.import_table(table.select(rows), "a pair is missing")
    missing = affinity(api, info.id)["missing"]
    assert (missing["job"], missing["n_trainings"]) == (None, None)
    assert "a row of size 1 for each of these networks: depth+edges." in missing["sentence"]
    text = page(api, f"/score-tables/{info.id}/affinity")
    assert "depth+edges." in text
    assert f'action="/score-tables/{info.id}/pairs"' not in text


def test_a_job_without_groups_says_that_no_pair_may_be_trained(api: Api, scenes: Scenes) -> None:
    job = part_trained(scenes, max_group_size=1)
    missing = affinity(api, job.score_table_id)["missing"]
    assert missing["job"] is None
    assert "allows no group of two tasks" in missing["sentence"]


def test_of_a_single_task_only_that_task_can_be_missing_and_a_job_trains_it(api: Api, scenes: Scenes) -> None:
    job = part_trained(scenes, tasks=["edges"], networks=(Network.of("edges", size=0.5),))
    missing = affinity(api, job.score_table_id)["missing"]
    assert missing["sentence"] == (
        "Not measured at full size: 1 single task (edges). Measuring what is missing takes 2 trainings."
    )
    assert api.post("/v1/jobs", json=missing["job"]).status_code == 202


def test_the_button_submits_the_job_once(api: Api, scenes: Scenes) -> None:
    job = part_trained(scenes)
    address = f"/score-tables/{job.score_table_id}"
    text = page(api, f"{address}/affinity?method=pairwise")
    assert f"Measure what is missing: {NEW_TRAININGS} trainings" in text
    assert f'action="{address}/pairs"' in text
    first, second = (api.post(f"{address}/pairs") for _ in range(2))
    assert first.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    made = scenes.store.get_job(first.headers["location"].removeprefix("/jobs/"))
    assert (made.spec.strategy, made.spec.max_group_size) == ("exhaustive", 2)


def test_what_is_missing_can_be_measured_only_once_the_job_is_over(api: Api, scenes: Scenes) -> None:
    running = part_trained(scenes, is_over=False)
    address = f"/score-tables/{running.score_table_id}"
    missing = affinity(api, running.score_table_id)["missing"]
    assert (missing["job"], missing["n_trainings"]) == (None, None)
    assert missing["sentence"].endswith("can start when this job is over.")
    text = page(api, f"{address}/affinity")
    assert "Measure what is missing" not in text
    assert "when this job is over" in text
    assert api.post(f"{address}/pairs").headers["location"] == f"{address}/affinity?method=pairwise"
    scenes.store.enter_state(scenes.claims[running.id], JobState.SUCCEEDED, stop_reason=StopReason.CONVERGED)
    assert affinity(api, running.score_table_id)["missing"]["n_trainings"] == NEW_TRAININGS
    assert api.post(f"{address}/pairs").headers["location"].startswith("/jobs/")


def test_nothing_to_press_leads_back_to_the_matrix(api: Api, scenes: Scenes) -> None:
    info, _ = scenes.store.import_table(formula_table(), "complete")
    answer = api.post(f"/score-tables/{info.id}/pairs")
    assert answer.headers["location"] == f"/score-tables/{info.id}/affinity?method=pairwise"


@pytest.mark.parametrize(
    ("method", "has", "lacks"),
    [
        ("estimate", ("measured", "estimated from other networks"), ("unknown",)),
        ("pairwise", ("measured", "unknown"), ("estimated from other networks",)),
    ],
)
def test_the_legend_lists_the_statuses_that_occur(
    api: Api, scenes: Scenes, method: str, has: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    text = page(api, f"/score-tables/{part_trained(scenes).score_table_id}/affinity?method={method}")
    legend = re.findall(r'<p class="legend">.*</p>', text)[0]
    assert all(f'<span class="quiet">{word}</span>' in legend for word in has)
    assert not any(f'<span class="quiet">{word}</span>' in legend for word in lacks)
    if method == "estimate":
        cell = (
            r'<td class="\S+ estimated" title="digit \w+ edges: about [^"]+"><span class="value">≈\u202f[+−]'
        )
        assert re.search(cell, text)
        assert "estimated from other networks, 1 network with both tasks, standard error" in text
        assert re.search(
            r'title="loop \w+ digit: \S+ % \(measured, 2 networks with both tasks, standard ', text
        )
        assert "n networks trained with both tasks" in text
    else:
        assert 'class="missing" title="digit with edges: unknown"' in text
        assert re.search(r'title="loop \w+ digit: \S+ % \(from 1 network, standard error', text)
        assert "1 network behind each cell" in text


def test_edges_of_the_graph_say_how_they_are_known_and_whether_they_are_noise(
    api: Api, scenes: Scenes
) -> None:
    address = f"/score-tables/{part_trained(scenes).score_table_id}/graph"
    answer = api.get(f"/v1{address}").json()
    assert answer["method"] == "estimate"
    assert sum(edge["status"] == "estimated" for edge in answer["edges"]) == 5
    for edge in answer["edges"]:
        assert edge["is_within_noise"] == (abs(edge["value"]) <= 2 * edge["standard_error"])
    text = page(api, address)
    drawn = sum(not edge["is_within_noise"] for edge in answer["edges"])
    assert text.count('<th scope="row" class="plain wrap">') == drawn
    assert ("sees effects between two tasks, estimated ones as well," in text) == (drawn > 0)
    assert ("nothing is clustered" in text) == (drawn == 0)


def test_the_job_that_measures_pairs_keeps_what_rules_networks_out_and_drops_what_names_other_sizes(
    api: Api, scenes: Scenes
) -> None:
    job = part_trained(
        scenes,
        problem="",
        tasks=[{"name": task} for task in TASKS],
        sizes=[{"name": "large", "cost": 1}, {"name": "small", "cost": 0.5}],
        trainer={"name": "external", "parameters": {"data": "v1"}},
        resources_of={"large": {"gpus": 1}, "small": {"gpus": 0.5}},
        constraints={"apart": [["loop", "edges"]], "forced": ["digit@0.5"], "max_networks": 2},
        networks=tuple(network for network in TRAINED if not {"loop", "edges"} <= network.group),
    )
    page(api, f"/score-tables/{job.score_table_id}/affinity")
    submitted = api.post("/v1/jobs", json=affinity(api, job.score_table_id)["missing"]["job"])
    assert submitted.status_code == 202, submitted.text
    spec = scenes.store.get_job(submitted.json()["id"]).spec
    assert list(spec.resources_of) == ["large"]
    assert [set(tasks) for tasks in spec.constraints.apart] == [{"loop", "edges"}]
    assert (spec.constraints.forced, spec.constraints.max_networks) == ((), None)


def test_pairs_that_constraints_rule_out_are_left_to_them(api: Api, scenes: Scenes) -> None:
    networks = (
        *(Network.of(task) for task in TASKS),
        Network.of("digit", "loop"),
        Network.of("digit", "edges"),
    )
    job = part_trained(scenes, networks=networks, constraints={"apart": [["loop", "edges"]]})
    missing = affinity(api, job.score_table_id)["missing"]
    assert missing["job"] is None
    assert missing["sentence"].endswith("The constraints of the job rule them out.")
