"""Trainings over HTTP, for workers anywhere: leased, kept, reported on, and refused when too late."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import httpx
import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.store import Store
from grouping.store.database import Database
from grouping.trainers.external import External
from grouping.trainers.trainer import TrainerRequest
from tests.integration.conftest import Api, Scenes

NAMES = ("depth", "edges")
N_TRIALS = 5 * 2
"""Two tasks alone at two sizes, and together, with two seeds."""


def parameters(**given: Any) -> dict[str, Any]:
    return dict(External.complete(TrainerRequest("digits", (), 2, {"data": "v1", **given})))


@pytest.fixture
def job(scenes: Scenes) -> Job:
    return scenes.running(NAMES, trainer="external", trainer_parameters=parameters(deadline_s=60))


def ask(api: Api, **more: Any) -> httpx.Response:
    return api.post("/v1/leases", json={"worker": "me", **more})


def leased(api: Api, **more: Any) -> dict[str, Any]:
    answer = ask(api, **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def report(api: Api, lease: dict[str, Any], how: str, **body: Any) -> httpx.Response:
    return api.post(f"/v1/leases/{lease['token']}/{how}", json=body)


def losses(lease: dict[str, Any]) -> dict[str, float]:
    return dict.fromkeys(lease["tasks"], 0.25)


def test_every_training_is_leased_with_all_that_it_needs_and_its_scores_are_kept(
    api: Api, job: Job, store: Store
) -> None:
    seen = []
    while (answer := ask(api)).status_code == 200:
        lease = answer.json()
        seen.append((lease["network"], lease["seed"]))
        assert lease["job_id"] == job.id
        assert lease["tasks"] == [task for task in NAMES if task in lease["network"]]
        told = (lease["fidelity"], lease["purpose"], lease["deadline_s"], lease["epochs"])
        assert told == (1.0, "search", 60.0, 25)
        assert lease["parameters"]["data"] == "v1"
        beat = report(api, lease, "heartbeat", progress=[{"step": 1, "values": {"loss": 0.5}}], log="hello\n")
        assert not beat.json()["is_cancelled"]
        assert beat.json()["expires_at"] >= lease["expires_at"]
        assert store.trial_log(job.id, lease["trial_id"]).text == "hello\n"
        assert store.trial_progress(job.id, lease["trial_id"]) == (Progress(1, {"loss": 0.5}),)
        body = {"validation": losses(lease), "validation_metrics": losses(lease), "epochs": 7, "seconds": 2.5}
        done = report(api, lease, "complete", **body)
        assert done.json() == {"state": "succeeded"}
        assert report(api, lease, "complete", **body).json() == done.json()
    assert (answer.status_code, answer.content) == (204, b"")
    trials = store.trials(job.id)
    assert len(set(seen)) == len(seen) == len(trials) == N_TRIALS
    for trial in trials:
        assert (trial.state, trial.epochs, trial.seconds) == (TrialState.SUCCEEDED, 7, 2.5)
        assert {score.task for score in trial.scores} == trial.network.group
        assert {score.validation_metric for score in trial.scores} == {0.25}
    assert store.ledger(job.id).trainings == N_TRIALS


def test_the_time_of_a_training_is_measured_unless_it_is_told(api: Api, job: Job, store: Store) -> None:
    lease = leased(api)
    time.sleep(0.05)
    report(api, lease, "complete", validation=losses(lease))
    assert 0.05 <= store.trials(job.id)[0].seconds < 30


def test_a_failure_a_divergence_and_a_training_given_back_are_told_apart(
    api: Api, job: Job, store: Store
) -> None:
    again = leased(api)
    assert report(api, again, "fail", error="no room\nfor it", retry=True).json() == {"state": "planned"}
    given_back = leased(api)
    assert (given_back["trial_id"], given_back["attempt"]) == (again["trial_id"], 2)
    assert api.post(f"/v1/leases/{given_back['token']}/give-back").json() == {"state": "planned"}
    diverged = leased(api)
    assert (diverged["trial_id"], diverged["attempt"]) == (again["trial_id"], 2)
    said = report(api, diverged, "fail", error="the loss is infinite", is_diverged=True, epochs=3)
    assert said.json() == {"state": "diverged"}
    failed = leased(api)
    assert report(api, failed, "fail", error="out of memory").json() == {"state": "failed"}
    first, second = store.trials(job.id)[:2]
    assert (first.state, first.epochs, first.attempts) == (TrialState.DIVERGED, 3, 2)
    assert (second.state, second.error) == (TrialState.FAILED, "out of memory")
    assert store.ledger(job.id).trainings == 3


def test_what_comes_too_late_is_refused_with_a_code_of_its_own(
    api: Api, job: Job, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = leased(api)
    now_s = Database.now_s
    monkeypatch.setattr(Database, "now_s", lambda *arguments: now_s(*arguments) + late["lease_s"])
    assert leased(api)["trial_id"] == late["trial_id"]
    for how, body in (
        ("complete", {"validation": losses(late)}),
        ("fail", {"error": "too late"}),
        ("heartbeat", {}),
        ("give-back", {}),
    ):
        refused = report(api, late, how, **body)
        assert (refused.status_code, refused.json()["code"]) == (409, "lease_lost"), how
        assert "drop its result" in refused.json()["detail"]
    assert store.trials(job.id)[0].scores == ()


def test_the_end_of_a_job_is_told_to_its_workers(api: Api, job: Job) -> None:
    lease = leased(api)
    api.post(f"/v1/jobs/{job.id}/cancel")
    assert report(api, lease, "heartbeat").json()["is_cancelled"]
    assert ask(api).status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"validation": {"depth": 0.1}}, "one score for each task"),
        ({"validation": {}}, "/validation"),
        ({"validation": {"depth": 0.1, "edges": "low"}}, "/validation/edges"),
        ({"validation": {"depth": 0.1, "edges": 0.2}, "accuracy": 1}, "/accuracy"),
        ({"validation": {"depth": 0.1, "edges": 0.2}, "epochs": 10**12}, "at most"),
        ({"validation": {"depth": 0.1, "edges": 0.2}, "test": {"depth": 1}}, "no loss of 'edges'"),
        ({"validation": {"depth": 0.1, "edges": 0.2}, "cost_snt": 0}, "/cost_snt"),
    ],
)
def test_a_result_that_breaks_a_rule_is_refused_and_the_lease_stays(
    api: Api, job: Job, body: dict[str, Any], field: str
) -> None:
    lease = leased(api)
    while len(lease["tasks"]) < 2:
        lease = leased(api)
    refused = report(api, lease, "complete", **body)
    assert refused.status_code == 422
    assert field in refused.text
    assert report(api, lease, "complete", validation=losses(lease)).status_code == 200


def test_jobs_that_nobody_can_be_assigned_to_are_refused(api: Api, scenes: Scenes) -> None:
    unknown = ask(api, job_ids=["0" * 32])
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    own = scenes.running()
    refused = ask(api, job_ids=[own.id])
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert "trained by the service itself" in refused.json()["detail"]
    assert ask(api).status_code == 204


def test_a_worker_is_leased_what_fits_into_it(api: Api, scenes: Scenes) -> None:
    scenes.running(NAMES, trainer="external", trainer_parameters=parameters(resources={"gpus": 2, "cpus": 4}))
    assert ask(api, resources={"gpus": 1, "cpus": 8}).status_code == 204
    assert ask(api, resources={"gpus": 2, "cpus": 4}).status_code == 200
    assert ask(api).status_code == 200


def test_memory_that_a_worker_does_not_state_is_not_limited(api: Api, scenes: Scenes) -> None:
    scenes.running(
        NAMES, trainer="external", trainer_parameters=parameters(resources={"gpus": 1, "memory_gib": 64})
    )
    assert ask(api, resources={"gpus": 1, "memory_gib": 63}).status_code == 204
    assert ask(api, resources={"gpus": 1}).status_code == 200


def test_a_worker_learns_what_waits_and_what_it_lacks(api: Api, scenes: Scenes) -> None:
    def waiting(status: int = 200, **asked: Any) -> Any:
        answer = api.post("/v1/leases/waiting", json=asked)
        assert answer.status_code == status, answer.text
        return answer.json()

    assert waiting(resources={}) == {"trainings": 0, "fitting": 0, "too_large": [], "sentence": ""}
    needs = parameters(resources={"gpus": 2, "cpus": 4, "memory_gib": 8, "custom": {"a100": 1}})
    job = scenes.running(NAMES, trainer="external", trainer_parameters=needs)
    enough = {"gpus": 2, "cpus": 4, "custom": {"a100": 2}}
    found = waiting(resources=enough)
    assert (found["trainings"], found["fitting"], found["sentence"]) == (N_TRIALS, N_TRIALS, "")
    assert waiting()["fitting"] == N_TRIALS
    found = waiting(job_ids=[job.id], resources={"gpus": 1, "cpus": 4, "memory_gib": 7.5})
    assert (found["trainings"], found["fitting"]) == (N_TRIALS, 0)
    assert found["sentence"] == (
        "10 trainings wait that are too large for this worker: 10 need 2 GPU (has 1), "
        "8 GiB of memory (has 7.5), 1 a100 (has 0)."
    )
    leased(api, resources=enough)
    assert waiting()["trainings"] == N_TRIALS - 1
    waiting(404, job_ids=["0" * 32])
    waiting(409, job_ids=[scenes.running().id])


def test_a_worker_that_waits_gets_the_training_that_is_planned_meanwhile(api: Api, scenes: Scenes) -> None:
    job = scenes.running(NAMES, trainer="external", trainer_parameters=parameters())
    leases = [leased(api) for _ in range(N_TRIALS)]
    claim = scenes.claims[job.id]
    networks = [network.network for network in scenes.store.networks(job.score_table_id)][:1]
    timer = threading.Timer(0.5, scenes.plan, (claim, networks, (77,), Purpose.SEARCH))
    timer.start()
    lease = leased(api, wait_s=60)
    timer.join()
    assert (lease["seed"], lease["token"] in {other["token"] for other in leases}) == (77, False)


def test_a_worker_does_not_wait_for_a_job_that_has_ended(api: Api, job: Job, scenes: Scenes) -> None:
    scenes.store.request_cancel(job.id)
    scenes.store.enter_state(scenes.claims[job.id], JobState.CANCELLED)
    started = time.monotonic()
    assert ask(api, job_ids=[job.id], wait_s=60).status_code == 204
    assert time.monotonic() - started < 30


def test_hundreds_of_waiting_workers_hold_no_thread(api: Api, store: Store) -> None:
    async def crowd() -> tuple[list[int], float]:
        transport = httpx.ASGITransport(api.app)
        async with httpx.AsyncClient(transport=transport, base_url=api.base_url, timeout=120) as client:
            waiting = [
                asyncio.create_task(client.post("/v1/leases", json={"worker": str(n), "wait_s": 5}))
                for n in range(200)
            ]
            await asyncio.sleep(1)
            started = time.monotonic()
            assert (await client.get("/v1/jobs")).status_code == 200
            took_s = time.monotonic() - started
            assert not any(task.done() for task in waiting)
            return [(await task).status_code for task in waiting], took_s

    statuses, took_s = asyncio.run(crowd())
    assert set(statuses) == {204}
    assert took_s < 5


def test_a_key_of_idempotency_leases_nothing_twice_but_the_token_repeats_reports(
    api: Api, job: Job, store: Store
) -> None:
    """As the documentation says: asking again is asking for another training."""
    key = {"Idempotency-Key": "the same"}
    first, second = (api.post("/v1/leases", json={"worker": "me"}, headers=key).json() for _ in range(2))
    assert first["trial_id"] != second["trial_id"]
    answers = [report(api, first, "complete", validation=losses(first)) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"state": "succeeded"}] * 2
    assert store.ledger(job.id).trainings == 2
