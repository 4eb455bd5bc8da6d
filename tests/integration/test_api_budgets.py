"""Estimates, ledgers and clones over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from grouping.domain.jobs.job import JobState, StopReason
from grouping.domain.jobs.specification import TrainingBudget
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import Purpose, TrialRequest, TrialState
from grouping.problems.registry import get_problem
from grouping.store import Store
from grouping.trainers.built_in import recipe_of
from tests.integration.conftest import Api, Scenes
from tests.recipes import by, recipe_in

EXHAUSTIVE: dict[str, Any] = {"strategy": {"name": "exhaustive"}}
DIGITS = tuple(task.name for task in get_problem("digits").tasks)
MISSING = "0" * 32


def estimated(api: Api, body: dict[str, Any] | None = None, **query: Any) -> Any:
    answer = api.post(
        "/v1/jobs/estimate",
        json={"problem": "digits", **EXHAUSTIVE, **(body or {})},
        params=query,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def finished_digits(scenes: Scenes, **spec: Any) -> Any:
    """A finished job on three tasks of the digits, with the usual recipe of the scenes."""
    return scenes.finished(DIGITS[:3], **spec)


def test_an_estimate_counts_without_storing_anything(api: Api, store: Store) -> None:
    told = estimated(
        api, {"tasks": list(DIGITS[:3]), "n_seeds": 2, "n_confirmation_seeds": 0, "recipe": {"epochs": 4}}
    )
    assert told["search"]["is_exact"] is True
    assert told["search"]["lower"] == told["search"]["upper"]
    assert told["total"]["lower"]["trainings"] == 10 * 2
    assert told["total"]["lower"]["epochs"] == 10 * 2 * 4
    assert told["total"]["lower"]["full_network_equivalents"] == (7 + 3 * 0.5) * 2
    assert (told["exhaustive"]["networks"], told["exhaustive"]["share_upper"]) == (10, 1.0)
    assert len(store.list_jobs()) == 0


def test_without_finished_trainings_no_time_is_made_up(api: Api) -> None:
    told = estimated(api)
    assert told["total"]["upper"]["seconds"] is None
    assert told["exhaustive"]["seconds"] is None
    assert told["basis"]["trainings"] == 0
    assert "no basis for a time yet" in told["basis"]["sentence"]
    assert {kind["epoch_s"] for kind in told["kinds"]} == {None}


def test_times_are_those_measured_on_the_same_problem_and_layers(api: Api, scenes: Scenes) -> None:
    finished_digits(scenes)
    same = {"hidden": list(Recipe().hidden), "batch_size": Recipe().batch_size, "epochs": 50}
    body = {"tasks": list(DIGITS[:3]), "n_seeds": 1, "n_confirmation_seeds": 0, "recipe": same}
    told = estimated(api, body, workers=2)
    assert told["total"]["upper"]["seconds"] == pytest.approx(10 * 50 * 1.5 / 25)  # 1.5 s for 25 epochs each
    assert told["wall_seconds_upper"] == pytest.approx(told["total"]["upper"]["seconds"] / 2)
    assert told["basis"]["missing"] == []
    assert told["basis"]["sentence"].startswith(
        "It takes 30 s of training, summed over all workers, measured"
    )
    wider = estimated(api, {**body, "recipe": {**same, "hidden": [99]}})
    assert wider["total"]["upper"]["seconds"] is None
    more = estimated(api, {**body, "tasks": list(DIGITS[:4])})
    assert more["total"]["upper"]["seconds"] is None
    assert more["basis"]["missing"] == ["4 tasks at size 1"]
    assert "time cannot be told" in more["basis"]["sentence"]
    assert "4 tasks at size 1 is not known: none was trained" in more["basis"]["sentence"]
    partly = estimated(api, {**body, "tasks": list(DIGITS[:4]), "strategy": {"name": "hoa"}})
    least = partly["total"]["lower"]["seconds"]
    assert partly["total"]["upper"]["seconds"] is None
    assert partly["basis"]["sentence"].startswith(f"It takes at least {least:.0f} s of training")


def test_a_strategy_that_decides_later_is_told_by_bounds(api: Api) -> None:
    told = estimated(
        api, {"strategy": {"name": "hoa"}, "n_seeds": 1, "n_confirmation_seeds": 0, "budgets_snt": [2]}
    )
    assert told["search"]["is_exact"] is False
    lower, upper = (told["search"][bound]["trainings"] for bound in ("lower", "upper"))
    n = len(DIGITS)
    assert lower == 2 * n + n * (n - 1) // 2
    assert upper == lower + 4
    assert 0 < told["exhaustive"]["share_lower"] < told["exhaustive"]["share_upper"] < 1


def test_the_confirmation_is_bounded_by_the_baselines_and_what_can_be_chosen(api: Api) -> None:
    body = {"tasks": list(DIGITS[:3]), "n_seeds": 1, "n_confirmation_seeds": 2, "budgets_snt": [1]}
    told = estimated(api, body)["confirmation"]
    assert told["lower"]["trainings"] == (1 + 3) * 2
    assert told["upper"]["trainings"] == (1 + 3 + 2) * 2
    assert told["lower"]["full_network_equivalents"] == pytest.approx((1 + 3 / 3) * 2)


@pytest.mark.parametrize(("trainings", "fits"), [(1000, "yes"), (40, "perhaps"), (10, "no")])
def test_an_estimate_says_whether_it_fits(api: Api, trainings: int, fits: str) -> None:
    body = {"tasks": list(DIGITS[:3]), "n_seeds": 2, "n_confirmation_seeds": 2, "budgets_snt": [1, 2]}
    told = estimated(api, {**body, "training_budget": {"trainings": trainings}})
    assert told["total"]["fits"] == fits
    assert told["total"]["lower"]["trainings"] <= 40 < told["total"]["upper"]["trainings"]


def test_the_largest_strategy_that_fits_is_named(api: Api) -> None:
    body = {"n_seeds": 1, "n_confirmation_seeds": 0, "budgets_snt": [1]}
    counts = {option["name"]: option for option in estimated(api, body)["strategies"]}
    assert counts["hoa"]["upper"]["trainings"] < counts["exhaustive"]["upper"]["trainings"]
    limit = counts["exhaustive"]["upper"]["trainings"] - 1
    told = estimated(api, {**body, "training_budget": {"trainings": limit}})
    fitting = {option["name"]: option for option in told["strategies"] if option["fits"] == "yes"}
    assert "exhaustive" not in fitting
    assert told["largest_that_fits"] in fitting
    most = max(option["upper"]["trainings"] for option in fitting.values())
    assert fitting[told["largest_that_fits"]]["upper"]["trainings"] == most
    assert told["largest_that_fits"] in told["sentence"]
    none = {**body, "n_seeds": 2, "training_budget": {"trainings": 1}}
    assert estimated(api, none)["largest_that_fits"] is None


def test_an_estimate_says_what_is_kept_back_for_the_confirmation(api: Api) -> None:
    body = {"tasks": list(DIGITS[:3]), "n_seeds": 2, "n_confirmation_seeds": 5, "budgets_snt": [1]}
    assert estimated(api, body)["kept_back"] is None
    told = estimated(api, {**body, "training_budget": {"trainings": 40}})
    assert told["kept_back"] == 6 * 3
    assert "18 trainings are kept back" in told["sentence"]
    told = estimated(api, {**body, "training_budget": {"trainings": 22}})
    assert told["kept_back"] == 0
    assert "too small" in told["sentence"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"problem": "no such"}, "/problem"),
        ({"budgets_snt": [0.1]}, "/budgets_snt/0"),
        ({"surprise": 1}, "/surprise"),
        ({"recipe": {"epochs": 3, "schedule": {"name": "continual"}}}, "/recipe/epochs"),
    ],
)
def test_what_cannot_be_submitted_cannot_be_estimated(api: Api, body: dict[str, Any], pointer: str) -> None:
    answer = api.post("/v1/jobs/estimate", json={"problem": "digits", **EXHAUSTIVE, **body})
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_the_ledger_tells_what_was_spent_and_saved(api: Api, scenes: Scenes) -> None:
    job = scenes.running(DIGITS[:3], training_budget=TrainingBudget(trainings=30))
    scenes.train(job, 15)
    told = api.get(f"/v1/jobs/{job.id}/ledger").json()
    assert told["charged"] == told["search"]
    assert (told["search"]["trainings"], told["search"]["epochs"], told["search"]["seconds"]) == (
        15,
        375,
        22.5,
    )
    assert told["confirmation"]["trainings"] == told["reused"]["trainings"] == 0
    assert told["training_budget"]["trainings"] == 30
    assert told["left"] == {"trainings": 10, "epochs": None, "seconds": None}  # 20 are planned
    made = told["savings"]
    assert (made["candidates"], made["networks"], made["exhaustive"]["trainings"]) == (10, 10, 20)
    assert (made["trained"]["trainings"], made["saved"], made["share"]) == (15, None, None)
    assert told["sentence"] == "10 of 10 networks trained so far."


def test_the_ledger_is_read_over_pages_by_network(api: Api, scenes: Scenes) -> None:
    job = scenes.finished(DIGITS[:3])
    whole = api.get(f"/v1/jobs/{job.id}/ledger", params={"page_size": 100}).json()
    assert whole["next_page_token"] is None
    seen, token = [], None
    while True:
        query = {"page_size": 4} | ({"page_token": token} if token else {})
        page = api.get(f"/v1/jobs/{job.id}/ledger", params=query).json()
        seen += page["items"]
        token = page["next_page_token"]
        if token is None:
            break
    assert seen == whole["items"]
    assert {row["purpose"] for row in seen} == {"search", "confirmation"}
    assert sum(row["trainings"] for row in seen) == whole["charged"]["trainings"]
    assert api.get(f"/v1/jobs/{job.id}/ledger", params={"page_token": "x"}).status_code == 422
    assert api.get(f"/v1/jobs/{MISSING}/ledger").status_code == 404


def test_a_clone_is_the_same_job_with_changes_that_reuses_its_source(api: Api, scenes: Scenes) -> None:
    source = finished_digits(scenes, seed=3)
    answer = api.post(
        f"/v1/jobs/{source.id}/clone", json={"add_tasks": [DIGITS[3]], "drop_tasks": [DIGITS[0]]}
    )
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["spec"]["tasks"] == list(DIGITS[1:4])
    assert job["spec"]["reuse_jobs"] == [source.id]
    assert (job["spec"]["seed"], job["spec"]["n_seeds"], job["spec"]["max_group_size"]) == (3, 2, 3)
    assert job["spec"]["trainer"]["parameters"]["recipe"]["hidden"] == list(recipe_of(source).hidden)
    assert (job["name"], job["state"], job["spec"]["trainer"]["parameters"]["tuning_samples"]) == (
        f"{source.name} (2)",
        "queued",
        0,
    )
    reuse = api.get(f"/v1/jobs/{job['id']}/ledger").json()["reuse"]
    assert reuse["jobs"] == [{"job_id": source.id, "obstacle": None}]
    assert reuse["of"] == 10 * 2


def test_a_clone_takes_the_recipe_that_the_source_was_tuned_to(
    api: Api, scenes: Scenes, store: Store
) -> None:
    source = scenes.finished(DIGITS[:3], trainer_parameters=by(Recipe(learning_rate=0.5), tuning_samples=4))
    assert recipe_of(source) == Recipe(), "what the scene says it was tuned to"
    job = api.post(f"/v1/jobs/{source.id}/clone", json={}).json()
    assert recipe_in(store.get_job(job["id"]).spec) == Recipe()
    told = api.post(f"/v1/jobs/{source.id}/clone", json={"recipe": {"epochs": 2}}).json()
    assert told["spec"]["trainer"]["parameters"]["recipe"]["epochs"] == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"add_tasks": ["no such"]}, "/add_tasks/0"),
        ({"add_tasks": [DIGITS[0]]}, "/add_tasks/0"),
        ({"drop_tasks": [DIGITS[4]]}, "/drop_tasks/0"),
        ({"drop_tasks": list(DIGITS[:3])}, "/drop_tasks"),
        ({"budgets_snt": [0.1]}, "/budgets_snt/0"),
        ({"problem": "cancer"}, "/problem"),
    ],
)
def test_a_clone_that_cannot_be_is_refused_where_it_is_wrong(
    api: Api, scenes: Scenes, body: dict[str, Any], pointer: str
) -> None:
    source = finished_digits(scenes)
    answer = api.post(f"/v1/jobs/{source.id}/clone", json=body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_clone_is_priced_less_what_it_copies_and_not_stored(api: Api, scenes: Scenes, store: Store) -> None:
    source = finished_digits(scenes, trainer_parameters=by(get_problem("digits").recipe))
    path = f"/v1/jobs/{source.id}/clone/estimate"
    changes = {"add_tasks": [DIGITS[3]], "n_confirmation_seeds": 0, **EXHAUSTIVE}
    told = api.post(path, json=changes).json()
    assert [job.id for job in store.list_jobs()] == [source.id]
    assert [one["job_id"] for one in told["reuse"]["jobs"]] == [source.id]
    whole = estimated(
        api, {"tasks": list(DIGITS[:4]), "n_seeds": source.spec.n_seeds, "n_confirmation_seeds": 0}
    )
    assert 0 < told["search"]["lower"]["trainings"] < whole["search"]["lower"]["trainings"]
    wrong = api.post(path, json={"add_tasks": ["nothing"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/add_tasks/0")
    assert api.post(f"/v1/jobs/{MISSING}/clone/estimate", json={}).status_code == 404


def test_the_same_key_clones_once(api: Api, scenes: Scenes, store: Store) -> None:
    source = finished_digits(scenes)
    send = {"json": {"add_tasks": [DIGITS[3]]}, "headers": {"Idempotency-Key": "once"}}
    first, second = (api.post(f"/v1/jobs/{source.id}/clone", **send) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    assert len(store.list_jobs()) == 2
    assert api.post(f"/v1/jobs/{MISSING}/clone", json={}).status_code == 404


def test_reusing_a_job_that_is_not_there_or_on_another_problem_is_refused(api: Api, scenes: Scenes) -> None:
    source = finished_digits(scenes)
    for problem, reused, words in (
        ("digits", MISSING, "There is no job"),
        ("breast-cancer", source.id, "on the problem 'digits'"),
        ("digits", "nonsense", ""),
    ):
        answer = api.post("/v1/jobs", json={"problem": problem, "reuse_jobs": [reused]})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/reuse_jobs/0"
        assert words in error["message"]


def test_what_other_jobs_know_is_not_counted_and_why_they_know_no_more_is_said(
    api: Api, store: Store, scenes: Scenes
) -> None:
    tasks = tuple(task for task in get_problem("digits").tasks if task.name in DIGITS[:3])
    source = api.post(
        "/v1/jobs", json={"problem": "digits", **EXHAUSTIVE, "tasks": [t.name for t in tasks], "n_seeds": 2}
    ).json()
    claim = store.claim_job("test")
    assert claim is not None
    scenes.claims[source["id"]] = claim
    recipe = recipe_in(store.get_job(source["id"]).spec)
    store.record_preparation(claim, data_digest="0f", versions={}, settled={"recipe": asdict(recipe)})
    scenes.add(claim, claim.job.spec.candidates.networks or ())
    scenes.plan(claim, claim.job.spec.candidates.networks or (), claim.job.spec.search_seeds, Purpose.SEARCH)
    scenes.train(claim.job)
    body: dict[str, Any] = {"tasks": list(DIGITS[:4]), "n_seeds": 2, "n_confirmation_seeds": 0}
    body["reuse_jobs"] = [source["id"][:-1]]
    told = estimated(api, body)
    assert (told["reuse"]["reusable"], told["reuse"]["of"]) == (20, 38)
    assert told["total"]["upper"]["trainings"] == 18
    other = estimated(api, {**body, "seed": 1})
    assert other["reuse"]["reusable"] == 0
    assert other["total"]["upper"]["trainings"] == 38
    assert "its seed is 0 and this job's is 1" in other["reuse"]["jobs"][0]["obstacle"]
    job = api.post("/v1/jobs", json={"problem": "digits", **EXHAUSTIVE, **body}).json()
    assert job["spec"]["reuse_jobs"] == [source["id"]]
    assert api.get(f"/v1/jobs/{job['id']}/ledger").json()["reuse"]["reusable"] == 20
    known = set(store.reusable_trials(job["id"]))
    trials = store.trials(source["id"], states={TrialState.SUCCEEDED})
    assert known == {trial.key for trial in trials}


def test_the_page_of_a_job_tells_what_was_spent_and_saved(api: Api, scenes: Scenes) -> None:
    job = scenes.running(DIGITS[:3], training_budget=TrainingBudget(trainings=40), n_confirmation_seeds=0)
    scenes.train(job, 10)
    page = api.get(f"/jobs/{job.id}").text
    assert "10 of 10 networks trained so far." in page
    assert "of 40, 25 %" in page
    assert "saved against exhaustive" not in page
    scenes.store.skip_trials(scenes.claims[job.id], [t.id for t in scenes.store.trials(job.id)[10:]])
    reason = StopReason.TRAINING_BUDGET_SPENT
    scenes.store.enter_state(scenes.claims[job.id], JobState.SUCCEEDED, stop_reason=reason)
    page = api.get(f"/jobs/{job.id}").text
    spent = "The training budget was spent with 10 of 10 networks trained in 50 % of the epochs"
    assert spent in page
    assert "saved against exhaustive" not in page


def test_the_page_of_a_job_names_what_it_reuses(api: Api, scenes: Scenes) -> None:
    source = scenes.finished(DIGITS[:3], n_confirmation_seeds=0)
    job = scenes.submitted(DIGITS[:3], reuse_jobs=(source.id,))
    claim = scenes.store.claim_job("test")
    assert claim is not None
    scenes.store.record_preparation(claim, data_digest="0" * 64, versions={})
    candidates = job.spec.candidates.networks or ()
    scenes.add(claim, candidates)
    wanted = [TrialRequest(network, seed) for seed in job.spec.search_seeds for network in candidates]
    assert scenes.store.plan_reused(claim, wanted, planned_epochs=[25] * 20) == 20
    page = api.get(f"/jobs/{job.id}").text
    assert f'href="/jobs/{source.id}"' in page
    assert "Outcome copied" in page
    assert "20 trainings copied from other jobs" in page
    assert "6 reused" in page
    trial = api.get(f"/v1/jobs/{job.id}/trials").json()["items"][0]
    assert trial["reused_from"]["job_id"] == source.id
    told = api.get(f"/v1/jobs/{job.id}/ledger").json()
    assert (told["charged"]["trainings"], told["reused"]["trainings"]) == (0, 20)
    assert told["savings"]["share"] is None, "the search is not over"
