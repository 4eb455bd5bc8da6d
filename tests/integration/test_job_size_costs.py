"""Sizes whose cost the service measures, once, while it prepares a job of a trainer of its file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.errors import TrainingError
from grouping.store import Store
from grouping.trainers import discover_trainers
from grouping.trainers.registered import TRAINERS_VARIABLE
from grouping.wire.event_texts import event_details, event_title
from grouping_workers.job.control import Control
from grouping_workers.job.executor import Lost, Trained, TrainingOrder
from tests.in_process import LocalExecutor, run_of
from tests.integration.conftest import Api

MACS = {"resnet50": 4.0e9, "resnet18": 1.8e9, "resnet34": 3.2e9}
TRAINERS = '[trainers.mine]\npython = "mine.py:train"\nepochs = 20\n'
TRAIN = f"""
import pathlib

def train(tasks, seed, size_name, fidelity):
    with (pathlib.Path(__file__).parent / "told").open("a") as file:
        file.write(f"{{size_name}} {{'+'.join(tasks)}} {{fidelity}}\\n")
    result = {{"validation": {{task: 0.5 / len(tasks) for task in tasks}}}}
    if not (pathlib.Path(__file__).parent / "silent").exists():
        result["cost_snt"] = {MACS!r}[size_name]
    return result
"""
ASKED: dict[str, Any] = {
    "trainer": {"name": "mine"},
    "tasks": [{"name": "wear"}, {"name": "heat"}],
    "strategy": {"name": "exhaustive"},
    "budgets_snt": [1, 2],
    "n_seeds": 1,
    "n_confirmation_seeds": 0,
    "sizes": [
        {"name": "resnet50", "cost": 1},
        {"name": "resnet18", "width": 0.5, "cost": "measured"},
        {"name": "resnet34", "cost": 0.8},
    ],
}


@pytest.fixture(autouse=True)
def trainers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the file of trainers of the service."""
    (tmp_path / "trainers.toml").write_text(TRAINERS)
    (tmp_path / "mine.py").write_text(TRAIN)
    monkeypatch.setenv(TRAINERS_VARIABLE, str(tmp_path / "trainers.toml"))
    discover_trainers.cache_clear()
    yield tmp_path
    discover_trainers.cache_clear()


def submitted(api: Api, **changes: Any) -> dict[str, Any]:
    answer = api.post("/v1/jobs", json=ASKED | changes)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def told(folder: Path) -> list[str]:
    return (folder / "told").read_text().splitlines()


def costs_of(job: Job) -> dict[str, float]:
    return {size.name: size.cost for size in job.spec.sizes}


def test_a_size_costs_what_its_training_reports_over_the_full_size(
    api: Api, store: Store, trainers: Path
) -> None:
    asked = submitted(api)
    assert [(size["cost"], size["is_to_be_measured"]) for size in asked["spec"]["sizes"]] == [
        (1, False),
        (0.5, True),
        (0.8, False),
    ]
    page = api.get(f"/jobs/{asked['id']}").text
    assert '<span class="quiet">to be measured</span>' in page
    file = api.get(f"/jobs/{asked['id']}/search.toml").text
    assert tomllib.loads(file)["sizes"][1] == {"name": "resnet18", "cost": "measured", "width": 0.5}
    run_of(store, LocalExecutor()).run()
    job = store.get_job(asked["id"])
    assert job.state is JobState.SUCCEEDED
    assert costs_of(job) == pytest.approx({"resnet50": 1, "resnet18": 0.45, "resnet34": 0.8})
    assert not any(size.is_to_be_measured for size in job.spec.sizes)
    assert told(trainers)[:2] == ["resnet50 wear 0.05", "resnet18 wear 0.05"]
    assert all(line.endswith(" 1.0") for line in told(trainers)[2:])
    table = store.score_table(job.score_table_id)
    assert {n.name(): n.cost_snt for n in table.networks} == pytest.approx(
        {
            "wear": 1,
            "heat": 1,
            "heat+wear": 1,
            "wear@0.5": 0.45,
            "heat@0.5": 0.45,
            "wear@0.8": 0.8,
            "heat@0.8": 0.8,
        }
    )
    assert len(store.trials(job.id)) == 7, "what measured is no training of the job"
    (event,) = [event for event in store.events(job.id) if event.kind == "sizes_measured"]
    assert event.data["costs"] == pytest.approx(costs_of(job))
    assert (event_title(event), "resnet18 0.45," in event_details(event)) == ("Costs of sizes measured", True)


def test_a_clone_has_the_measured_costs_or_measures_them_itself(api: Api, store: Store) -> None:
    job_id = submitted(api)["id"]

    def cloned() -> dict[str, Any]:
        answer = api.post(f"/v1/jobs/{job_id}/clone", json={"n_seeds": 2})
        assert answer.status_code == 202, answer.text
        size: dict[str, Any] = answer.json()["spec"]["sizes"][1]
        return size

    assert cloned()["is_to_be_measured"]
    run_of(store, LocalExecutor()).run()
    size = cloned()
    assert (size["is_to_be_measured"], size["cost"]) == (False, pytest.approx(0.45))


def test_costs_that_are_measured_stay_also_where_the_job_is_given_back(
    api: Api, store: Store, trainers: Path
) -> None:
    job_id = submitted(api)["id"]
    control, executor = Control(), LocalExecutor()

    def stop_at_first_trial(order: TrainingOrder) -> None:
        if order.number > 0:
            control.stop.set()

    executor.before_training = stop_at_first_trial
    run_of(store, executor, control).run()
    measured = costs_of(store.get_job(job_id))
    assert measured["resnet18"] == pytest.approx(0.45)
    (trainers / "silent").touch()
    run_of(store, LocalExecutor()).run()
    job = store.get_job(job_id)
    assert (job.state, costs_of(job)) == (JobState.SUCCEEDED, measured)


def test_nothing_is_measured_any_more_once_the_job_is_cancelled(api: Api, store: Store) -> None:
    job_id = submitted(api)["id"]
    executor = LocalExecutor()

    def cancel(order: TrainingOrder) -> None:
        store.request_cancel(job_id)

    executor.before_training = cancel
    run_of(store, executor).run()
    job = store.get_job(job_id)
    assert (job.state, job.spec.sizes[1].is_to_be_measured) == (JobState.CANCELLED, True)


class Losing(LocalExecutor):
    """Loses the worker of the first orders."""

    def __init__(self, n_lost: int) -> None:
        super().__init__()
        self.n_lost = n_lost

    def collect(self, timeout_s: float) -> list[Trained | Lost]:
        answers = super().collect(timeout_s)
        if answers and self.n_lost:
            self.n_lost -= 1
            return [Lost(answer.number, "The worker was lost.") for answer in answers]
        return answers


def test_a_measurement_that_is_lost_is_repeated_but_not_for_ever(api: Api, store: Store) -> None:
    job_id = submitted(api)["id"]
    run_of(store, Losing(2)).run()
    assert store.get_job(job_id).state is JobState.SUCCEEDED
    submitted(api)
    with pytest.raises(TrainingError, match="'resnet50' was not measured: The worker was lost"):
        run_of(store, Losing(3)).run()


def test_a_trainer_that_reports_no_cost_fails_the_job_with_the_reason(
    api: Api, store: Store, trainers: Path
) -> None:
    submitted(api)
    (trainers / "silent").touch()
    with pytest.raises(
        TrainingError, match=r"'resnet50' was not measured: its training reports no cost_snt\."
    ):
        run_of(store, LocalExecutor()).run()


def test_what_cannot_be_measured_is_refused_where_it_is_asked_for(api: Api) -> None:
    full, small = ASKED["sizes"][:2]
    for sizes, trainer, pointer, words in (
        ([{**full, "cost": "measured", "width": 1}], "mine", "/sizes/0/cost", "its cost is 1"),
        ([full, {"name": "small", "cost": "measured"}], "mine", "/sizes/1/cost", "give it a width"),
        ([full, small], "external", "/sizes/1/cost", "name a trainer of the service"),
    ):
        parameters = {"data": "v1"} if trainer == "external" else {}
        request = ASKED | {"sizes": sizes, "trainer": {"name": trainer, "parameters": parameters}}
        answer = api.post("/v1/jobs", json=request)
        assert answer.status_code == 422, answer.text
        (fault,) = answer.json()["errors"]
        assert fault["pointer"] == pointer
        assert words in fault["message"]
    estimated = api.post("/v1/jobs/estimate", json=ASKED)
    assert estimated.status_code == 200, estimated.text
