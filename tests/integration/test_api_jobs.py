"""Jobs over HTTP: submission and its checks, reading, verbs, pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Part, Precision
from grouping.plug_ins import Catalogue, Unavailable
from grouping.problems import registry
from grouping.problems.problem import Problem
from grouping.problems.registry import discover_problems
from grouping.store import Store
from grouping.strategies import discover_strategies
from grouping.strategies import registry as strategy_registry
from grouping.trainers.built_in import recipe_of
from tests.integration.conftest import Api, Scenes
from tests.recipes import recipe_in

MISSING = "0" * 32


def submit(api: Api, body: dict[str, Any] | None = None, **headers: str) -> Any:
    return api.post("/v1/jobs", json={"problem": "digits", **(body or {})}, headers=headers)


def refused(api: Api, store: Store, body: dict[str, Any]) -> Any:
    """The problem document of a submission that must leave nothing behind."""
    answer = submit(api, body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(store.list_jobs()) == 0
    return answer.json()


@pytest.fixture
def forty_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds a problem of forty tasks."""

    def load(seed: int) -> Dataset:
        raise AssertionError("a submission loads no data")

    tasks = tuple(Task.binary(f"t{i:02}") for i in range(40))
    known = (*registry.list_problems(), Problem("forty", "Forty tasks", "Many.", tasks, load))
    monkeypatch.setattr(registry, "discover_problems", lambda: Catalogue(known))


def test_a_submitted_job_is_stored_with_defaults_from_the_problem(api: Api, store: Store) -> None:
    answer = submit(api)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["state"] == "queued"
    n_tasks = len(job["spec"]["tasks"])
    assert job["spec"]["max_group_size"] == n_tasks
    assert job["spec"]["budgets_snt"] == [float(budget) for budget in range(1, n_tasks + 1)]
    assert recipe_in(store.get_job(job["id"]).spec) == registry.get_problem("digits").recipe
    assert api.get(answer.headers["location"]).json() == job


def test_a_partial_recipe_replaces_only_its_own_fields(api: Api, store: Store) -> None:
    job = submit(api, {"recipe": {"epochs": 3, "hidden": [8]}}).json()
    recipe = recipe_in(store.get_job(job["id"]).spec)
    assert (recipe.epochs, recipe.hidden) == (3, (8,))
    assert recipe.learning_rate == registry.get_problem("digits").recipe.learning_rate


def test_a_recipe_names_its_methods_and_is_stored_with_all_their_parameters(api: Api, store: Store) -> None:
    answer = submit(api, {"recipe": {"optimiser": {"name": "sgd"}}})
    assert answer.json()["spec"]["trainer"]["parameters"]["recipe"]["optimiser"] == {
        "name": "sgd",
        "parameters": {"momentum": 0.9},
    }
    recipe = recipe_in(store.get_job(answer.json()["id"]).spec)
    assert recipe.optimiser == Method("sgd", {"momentum": 0.9})
    assert recipe.sharing.name == "hard"


def test_a_precision_is_part_of_the_recipe_and_of_the_request_only_where_it_is_named(
    api: Api, store: Store
) -> None:
    job = submit(api, {"recipe": {"precision": "bfloat16"}}).json()
    assert job["spec"]["trainer"]["parameters"]["recipe"]["precision"] == "bfloat16"
    assert recipe_of(store.get_job(job["id"])).precision is Precision.BFLOAT16


def test_epochs_need_only_do_for_the_largest_network_that_will_be_trained(api: Api) -> None:
    few = {"recipe": {"epochs": 3, "schedule": {"name": "sequential"}}, "max_group_size": 3}
    assert submit(api, {**few, "n_confirmation_seeds": 0}).status_code == 202
    answer = submit(api, {**few, "n_confirmation_seeds": 2})
    assert answer.status_code == 422, "a baseline has all tasks"
    assert "a network of 5 tasks" in answer.json()["detail"]
    assert submit(api, {**few, "n_confirmation_seeds": 0, "tuning_samples": 2}).status_code == 422


def test_every_method_of_a_recipe_is_listed_with_its_schema(api: Api) -> None:
    parts = {part["part"]: part["items"] for part in api.get("/v1/recipes").json()["items"]}
    assert list(parts) == [part.value for part in Part]
    assert next(method["name"] for method in parts["learning_rate_schedule"]) == "cosine"
    sgd = next(method for method in parts["optimiser"] if method["name"] == "sgd")
    assert sgd["parameters"]["properties"]["momentum"]["default"] == 0.9
    assert "Standley" in sgd["source"]


def test_every_loss_and_metric_is_listed_with_what_it_fits(api: Api) -> None:
    losses = {item["name"]: item for item in api.get("/v1/losses").json()["items"]}
    metrics = {item["name"]: item for item in api.get("/v1/metrics").json()["items"]}
    assert losses["quantile"]["kinds"] == ["regression", "dense_map"]
    assert losses["quantile"]["parameters"]["properties"]["quantile"]["default"] == 0.5
    assert metrics["mae"]["direction"] == "lower_is_better"
    assert metrics["mae"]["unit"] == "that of the target"
    tasks = [task for item in api.get("/v1/problems").json()["items"] for task in item["tasks"]]
    assert {task["loss"] for task in tasks} <= set(losses)
    assert {task["metric"]["name"] for task in tasks} <= set(metrics)


def test_tasks_are_kept_in_the_problems_order_and_weighted(api: Api, store: Store) -> None:
    names = [task.name for task in registry.get_problem("digits").tasks][:2]
    job = submit(api, {"tasks": names[::-1], "weights": {names[0]: 2}}).json()
    assert job["spec"]["tasks"] == names
    tasks = store.get_table_info(job["score_table_id"]).tasks
    assert [task.weight for task in tasks] == [2.0, 1.0]


def test_the_same_key_and_request_create_one_job(api: Api, store: Store) -> None:
    first = submit(api, {"seed": 1}, **{"Idempotency-Key": "once"})
    second = submit(api, {"seed": 1}, **{"Idempotency-Key": "once"})
    assert first.json()["id"] == second.json()["id"]
    assert second.status_code == 202
    assert second.headers["idempotency-replayed"] == "true"
    assert len(store.list_jobs()) == 1


def test_the_same_key_with_another_request_is_refused(api: Api, store: Store) -> None:
    submit(api, {"seed": 1}, **{"Idempotency-Key": "once"})
    answer = submit(api, {"seed": 2}, **{"Idempotency-Key": "once"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_conflict"
    assert len(store.list_jobs()) == 1


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"problem": "no such"}, "unknown_name", "/problem"),
        ({"problem": "os:system"}, "unknown_name", "/problem"),
        (
            {"recipe": {"epochs": 3, "schedule": {"name": "continual"}}},
            "invalid_input",
            "/recipe/epochs",
        ),
        (
            {"recipe": {"schedule": {"name": "fine-tuning", "parameters": {"frozen": 3}}}},
            "invalid_input",
            "/recipe/schedule/parameters/frozen",
        ),
        (
            {"recipe": {"hidden": [8], "sharing": {"name": "ple"}}},
            "invalid_input",
            "/recipe/sharing/parameters/n_levels",
        ),
        ({"tasks": ["no such"]}, "invalid_input", "/tasks/0"),
        ({"tasks": []}, "invalid_input", "/tasks"),
        ({"strategy": {"name": "no such"}}, "unknown_name", "/strategy/name"),
        ({"strategy": {"parameters": {"surprise": 1}}}, "invalid_input", "/strategy/parameters"),
        ({"recipe": {"sharing": {"name": "no such"}}}, "unknown_name", "/recipe/sharing/name"),
        ({"recipe": {"sharing": {"name": "os:system"}}}, "unknown_name", "/recipe/sharing/name"),
        (
            {"recipe": {"optimiser": {"name": "sgd", "parameters": {"momentum": 2}}}},
            "invalid_input",
            "/recipe/optimiser/parameters/momentum",
        ),
        (
            {"recipe": {"optimiser": {"name": "sgd", "parameters": {"surprise": 2}}}},
            "invalid_input",
            "/recipe/optimiser/parameters",
        ),
        ({"budgets_snt": [2, 0.25]}, "budget_too_small", "/budgets_snt/1"),
        ({"budgets_snt": [-1]}, "invalid_input", "/budgets_snt/0"),
        ({"budgets_snt": [1e300]}, "invalid_input", "/budgets_snt/0"),
        ({"budgets_snt": [2] * 51}, "invalid_input", "/budgets_snt"),
        ({"single_sizes": [0]}, "invalid_input", "/single_sizes/0"),
        ({"n_seeds": 0}, "invalid_input", "/n_seeds"),
        ({"n_seeds": True}, "invalid_input", "/n_seeds"),
        ({"n_seeds": 2.0}, "invalid_input", "/n_seeds"),
        ({"n_seeds": "3"}, "invalid_input", "/n_seeds"),
        ({"training_budget": {"trainings": 0}}, "invalid_input", "/training_budget/trainings"),
        ({"recipe": {"hidden": [0]}}, "invalid_input", "/recipe/hidden/0"),
        ({"recipe": {"learning_rate": 0}}, "invalid_input", "/recipe/learning_rate"),
        ({"recipe": {"precision": "float8"}}, "invalid_input", "/recipe/precision"),
        ({"recipe": {"patience": -1}}, "invalid_input", "/recipe/patience"),
        (
            {"recipe": {"patience": 1, "schedule": {"name": "continual"}}},
            "invalid_input",
            "/recipe/patience",
        ),
        ({"weights": {"no such": 1}}, "invalid_input", "/weights"),
        ({"seed": 10**30}, "invalid_input", "/seed"),
        ({"surprise": 1}, "invalid_input", "/surprise"),
        ({"a/b~c": 1}, "invalid_input", "/a~1b~0c"),
        ({"name": "x" * 201}, "invalid_input", "/name"),
        ({"name": "evil \u202e txt"}, "invalid_input", "/name"),
        ({"name": "nul \0"}, "invalid_input", "/name"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_and_nothing_is_stored(
    api: Api, store: Store, body: dict[str, Any], code: str, pointer: str
) -> None:
    problem = refused(api, store, body)
    assert problem["code"] == code
    assert pointer in [error["pointer"] for error in problem["errors"]]


def test_a_search_over_too_many_networks_is_refused_with_what_would_fit(
    api: Api, store: Store, forty_tasks: None
) -> None:
    problem = refused(api, store, {"problem": "forty", "strategy": {"name": "exhaustive"}})
    assert problem["code"] == "too_many_candidates"
    assert problem["n_networks"] == 2**40 - 1 + 40
    assert problem["limit"] == 20_000
    assert "max_group_size 3" in problem["detail"]


def test_default_budgets_are_few_and_begin_where_the_largest_groups_cover_every_task(
    api: Api, store: Store, forty_tasks: None
) -> None:
    job = submit(api, {"problem": "forty", "max_group_size": 3}).json()
    assert job["spec"]["budgets_snt"] == [14.0, 15.0, 16.0, 17.0, 18.0]


def test_a_budget_below_every_cover_says_what_the_cheapest_costs(api: Api, store: Store) -> None:
    names = [task.name for task in registry.get_problem("digits").tasks]
    body = {"budgets_snt": [1], "max_group_size": 1, "tasks": names[:3]}
    assert refused(api, store, body)["cheapest_cover_snt"] == 1.5


def test_jobs_are_listed_newest_first_over_pages(api: Api, scenes: Scenes) -> None:
    wanted = [scenes.submitted(name=f"job {i}").id for i in range(5)][::-1]
    seen: list[str] = []
    token = None
    while True:
        query = {"page_size": 2} | ({"page_token": token} if token else {})
        page = api.get("/v1/jobs", params=query).json()
        assert len(page["items"]) <= 2
        seen += [job["id"] for job in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert seen == wanted


def test_a_page_size_that_is_too_large_is_coerced_down(api: Api, scenes: Scenes) -> None:
    scenes.submitted()
    assert api.get("/v1/jobs", params={"page_size": 1_000_000}).status_code == 200


@pytest.mark.parametrize("query", [{"page_token": "!nonsense"}, {"page_token": "\0"}, {"page_size": 0}])
def test_a_page_that_cannot_be_is_refused(api: Api, query: dict[str, Any]) -> None:
    answer = api.get("/v1/jobs", params=query)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_input"


def test_times_are_rfc_3339_in_utc(api: Api, scenes: Scenes) -> None:
    job = api.get(f"/v1/jobs/{scenes.finished().id}").json()
    for name in ("created_at", "started_at", "finished_at"):
        assert job[name].endswith("Z")
        assert datetime.fromisoformat(job[name]).utcoffset() == timedelta(0)


def test_a_cancelled_job_can_be_resumed_and_a_succeeded_one_cannot(api: Api, scenes: Scenes) -> None:
    queued = scenes.submitted()
    assert api.post(f"/v1/jobs/{queued.id}/cancel").json()["state"] == "cancelled"
    assert api.post(f"/v1/jobs/{queued.id}/resume").json()["state"] == "queued"
    api.post(f"/v1/jobs/{queued.id}/cancel")
    finished = scenes.finished()
    answer = api.post(f"/v1/jobs/{finished.id}/resume")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")


def test_only_a_job_that_is_over_can_be_deleted(api: Api, scenes: Scenes) -> None:
    job = scenes.running()
    assert api.delete(f"/v1/jobs/{job.id}").status_code == 409
    over = scenes.finished()
    assert api.delete(f"/v1/jobs/{over.id}").json()["is_deleted"] is True
    assert api.get(f"/v1/jobs/{over.id}").status_code == 404
    assert api.get(f"/v1/score-tables/{over.score_table_id}").status_code == 404


@pytest.mark.parametrize("part", ["", "/progress", "/trials", "/events", "/recommendations"])
@pytest.mark.parametrize("job_id", [MISSING, "nope", "%00", "..%2f..%2fetc", "%ed%a0%80"])
def test_a_job_that_does_not_exist_is_a_problem_document(api: Api, part: str, job_id: str) -> None:
    answer = api.get(f"/v1/jobs/{job_id}{part}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_progress_counts_every_trial_once(api: Api, scenes: Scenes) -> None:
    job = scenes.running()
    scenes.train(job, 7, fail=lambda network: network.size == 0.5)
    progress = api.get(f"/v1/jobs/{job.id}/progress").json()
    assert progress["spent"]["trainings"] == 7
    total = sum(row[k] for row in progress["rows"] for k in ("planned", "succeeded", "failed", "running"))
    assert total == len(scenes.store.trials(job.id))
    assert sum(row["failed"] for row in progress["rows"]) == 4


def test_trials_carry_their_scores(api: Api, scenes: Scenes) -> None:
    job = scenes.running()
    scenes.train(job, 1)
    first, second = api.get(f"/v1/jobs/{job.id}/trials").json()["items"][:2]
    assert first["state"] == "succeeded"
    assert [score["task"] for score in first["scores"]] == first["group"]
    assert (second["state"], second["scores"]) == ("planned", [])


def test_recommendations_carry_a_verdict_for_each_budget(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    answer = api.get(f"/v1/jobs/{job.id}/recommendations").json()
    assert answer["is_final"] is True
    assert [item["budget_snt"] for item in answer["items"]] == [1.0, 2.0, 3.0]
    best = answer["items"][1]
    assert {n["name"] for n in best["solution"]["grouping"]["networks"]} == {"depth+normals", "edges+scene"}
    assert best["verdict"]["is_worth_it"] is True
    assert {c["baseline"] for c in best["verdict"]["comparisons"]} == {"all together", "all alone"}
    assert best["sentence"] == best["verdict"]["sentence"]
    assert answer["items"][0]["verdict"]["comparisons"][0]["is_same"] is True


def test_recommendations_before_any_training_say_that_there_are_none(api: Api, scenes: Scenes) -> None:
    job = scenes.submitted()
    answer = api.get(f"/v1/jobs/{job.id}/recommendations").json()
    assert answer["is_final"] is False
    assert {item["solution"]["status"] for item in answer["items"]} == {"infeasible"}


def test_problems_and_strategies_are_listed_with_their_parameters(api: Api) -> None:
    problems = api.get("/v1/problems").json()["items"]
    assert "digits" in [problem["name"] for problem in problems]
    strategies = api.get("/v1/strategies").json()["items"]
    assert "exhaustive" in [strategy["name"] for strategy in strategies]
    assert all(strategy["parameters"]["type"] == "object" for strategy in strategies)


def test_plug_ins_that_cannot_be_used_are_listed_apart_without_what_the_log_tells(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Unavailable("my-own", "my-plug-in 2.0", "ImportError: /home/me/library.so is missing")
    known_problems, known_strategies = discover_problems(), discover_strategies()
    monkeypatch.setattr(registry, "discover_problems", lambda: replace(known_problems, unavailable=(broken,)))
    monkeypatch.setattr(
        strategy_registry, "discover_strategies", lambda: replace(known_strategies, unavailable=(broken,))
    )
    for path in ("/v1/problems", "/v1/strategies"):
        listed = api.get(path).json()
        assert listed["unavailable"] == [{"name": "my-own", "distribution": "my-plug-in 2.0"}]
        assert "my-own" not in [item["name"] for item in listed["items"]]
