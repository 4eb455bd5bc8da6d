"""A job names its trainer: listed, refused or accepted, priced, cloned, and trained with a real Ray."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grouping.client import Client
from grouping.domain.jobs.job import JobState
from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.problems.registry import ENTRY_POINT_GROUP as PROBLEMS
from grouping.problems.registry import discover_problems
from grouping.store import Store
from grouping.trainers import discover_trainers, trainer_of
from grouping.trainers.registry import ENTRY_POINT_GROUP as TRAINERS
from tests.contracts.test_trainers import OWN
from tests.integration.conftest import Api
from tests.plug_ins import install, write_distribution
from tests.services import service

PROBLEM = """

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from grouping.domain.tasks import Task
from grouping.problems.problem import Problem


def never(seed):
    raise AssertionError("a trainer of its own loads its own data")


SINES = Problem("sines", "Sines", "Made by the trainer.", tuple(map(Task.regression, "abc")), never)


@dataclass(frozen=True)
class Strength:
    strength: Annotated[float, Field(gt=0)] = 1.0


class Tested(Worker):
    def one(self, request):
        outcome = super().one(request)
        scores = tuple(replace(score, test_loss=score.validation_loss) for score in outcome.scores)
        return replace(outcome, scores=scores)


class Tuned(Ridge):
    name = "ridge-tuned"
    parameters = Strength

    def setup(self):
        return replace(super().setup(), key="tested", build=Tested)

    def epochs_of(self, n_tasks, fidelity):
        return 7 * n_tasks
"""
POINTS = f"[{TRAINERS}]\nridge = ridge:Ridge\ntuned = ridge:Tuned\n[{PROBLEMS}]\nsines = ridge:SINES"
SMALL: dict[str, Any] = {
    "problem": "sines",
    "strategy": {"name": "exhaustive"},
    "n_seeds": 2,
    "n_confirmation_seeds": 3,
    "budgets_snt": [1.0, 2.0],
}
RIDGE = {"name": "ridge", "parameters": {}}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution with two trainers and the problem that they train."""
    install(monkeypatch, tmp_path, "ridge", OWN + PROBLEM, POINTS)
    for found in (discover_trainers, discover_problems):
        found.cache_clear()
    yield
    sys.modules.pop("ridge", None)
    for found in (discover_trainers, discover_problems):
        found.cache_clear()


def refusal(api: Api, trainer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = api.post("/v1/jobs", json={**SMALL, **fields, "trainer": trainer})
    assert answer.status_code == 422, answer.text
    return dict(answer.json())


@pytest.mark.usefixtures("installed")
def test_trainers_are_listed_with_their_parameters(api: Api) -> None:
    items = {item["name"]: item for item in api.get("/v1/trainers").json()["items"]}
    assert list(items) == [DEFAULT_TRAINER, "external", "ridge", "ridge-tuned"]
    assert [item["measures_affinities"] for item in items.values()] == [True, False, False, False]
    assert items["ridge-tuned"]["parameters"]["properties"]["strength"]["exclusiveMinimum"] == 0
    assert items[DEFAULT_TRAINER]["parameters"]["properties"].keys() == {
        "recipe",
        "tuning_samples",
        "train_share",
    }


@pytest.mark.usefixtures("installed")
def test_a_trainer_that_cannot_do_the_job_is_refused_at_once_and_nothing_is_stored(
    api: Api, store: Store
) -> None:
    unknown = refusal(api, {"name": "none"})
    assert unknown["known"] == [DEFAULT_TRAINER, "external", "ridge", "ridge-tuned"]
    assert unknown["errors"][0]["pointer"] == "/trainer/name"
    for strategy in ("tag", "cosine", "first-order"):
        blind = refusal(api, RIDGE, strategy={"name": strategy})
        assert blind["errors"][0]["pointer"] == "/trainer/name"
        assert blind["detail"].endswith(f"Trainers that do: {DEFAULT_TRAINER}.")
    wrong = refusal(api, {"name": "ridge-tuned", "parameters": {"strength": -1}})
    assert wrong["errors"][0]["pointer"] == "/trainer/parameters/strength"
    recipe = refusal(api, {"name": DEFAULT_TRAINER, "parameters": {"epochs": 3}})
    assert recipe["errors"][0]["pointer"] == "/trainer/parameters"
    faulty: list[tuple[dict[str, Any], str]] = [
        ({"recipe": {"epochs": 0}}, "/recipe/epochs"),
        ({"recipe": {"epcohs": 3}}, "/recipe/epcohs"),
        ({"recipe": {"sharing": {"name": "none"}}}, "/recipe/sharing/name"),
        ({"recipe": {"epochs": 2, "schedule": {"name": "continual"}}}, "/recipe/epochs"),
        ({"tuning_samples": 101}, "/tuning_samples"),
        ({"train_share": 0}, "/train_share"),
    ]
    for parameters, pointer in faulty:
        told = refusal(api, {"name": DEFAULT_TRAINER, "parameters": parameters})
        assert told["errors"][0]["pointer"] == f"/trainer/parameters{pointer}"
    for field, value in {"tuning_samples": 2, "train_share": 0.5, "recipe": {"epochs": 3}}.items():
        beside = refusal(api, RIDGE, **{field: value})
        assert beside["errors"][0]["pointer"] == f"/{field}"
        assert "trainer.parameters" in beside["detail"]
    assert store.list_jobs().items == ()


@pytest.mark.usefixtures("installed")
def test_a_job_keeps_its_trainer_with_its_parameters_and_so_does_its_clone(api: Api, store: Store) -> None:
    trainer = {"name": "ridge-tuned", "parameters": {"strength": 2.0}}
    job = api.post("/v1/jobs", json={**SMALL, "trainer": trainer}).json()
    clone = api.post(f"/v1/jobs/{job['id']}/clone", json={"drop_tasks": ["c"]}).json()
    changed = api.post(f"/v1/jobs/{job['id']}/clone", json={"trainer": RIDGE}).json()
    assert [made["spec"]["trainer"] for made in (job, clone, changed)] == [trainer, trainer, RIDGE]
    page = api.get(f"/jobs/{job['id']}").text
    assert "<dd>ridge-tuned: strength 2.0</dd>" in page
    assert "learning rate" not in page, "it has no recipe"
    told = trainer_of(store.get_job(job["id"])).job
    assert told.parameters == {"strength": 2.0}


@pytest.mark.usefixtures("installed")
def test_epochs_are_those_that_the_trainer_counts(api: Api) -> None:
    body = {**SMALL, "n_confirmation_seeds": 0, "trainer": {"name": "ridge-tuned"}}
    told = api.post("/v1/jobs/estimate", json=body).json()
    # With two seeds: three tasks alone at two sizes, three pairs and a triple.
    assert told["total"]["upper"]["epochs"] == 2 * 7 * (6 * 1 + 3 * 2 + 3)
    assert not {"tag", "cosine", "first-order"} & {option["name"] for option in told["strategies"]}
    job = api.post("/v1/jobs", json=body).json()
    ledger = api.get(f"/v1/jobs/{job['id']}/ledger").json()
    assert ledger["savings"]["exhaustive"]["epochs"] == told["exhaustive"]["epochs"] == 2 * 7 * 15


@pytest.mark.usefixtures("installed")
def test_the_form_asks_for_the_trainer_where_there_is_a_choice(api: Api, store: Store) -> None:
    page = api.get("/jobs/new?problem=sines").text
    assert '<option value="built-in" selected>PyTorch</option>' in page
    fields = {"problem": "sines", "task": ["a", "b"], "trainer": "ridge-tuned"}
    sent = api.post("/jobs", data={**fields, "trainer.ridge-tuned.strength": "0.5"}, follow_redirects=False)
    spec = store.get_job(sent.headers["location"].rpartition("/")[2]).spec
    assert (spec.trainer, spec.trainer_parameters) == ("ridge-tuned", {"strength": 0.5})
    refused = api.post("/jobs", data={**fields, "trainer.ridge-tuned.strength": "-1"})
    assert (refused.status_code, 'id="trainer.ridge-tuned.strength-fault"' in refused.text) == (422, True)


def test_a_job_for_workers_anywhere_is_submitted_by_the_form_and_says_who_trains(
    api: Api, store: Store
) -> None:
    fields = {
        "problem": "digits",
        "task": ["digit", "loop"],
        "trainer": "external",
        "trainer.external.data": "v2",
        "trainer.external.deadline_s": "3600",
        "trainer.external.resources": '{"gpus": 0.5}',
    }
    sent = api.post("/jobs", data=fields, follow_redirects=False)
    assert sent.status_code == 303, sent.text
    job = store.get_job(sent.headers["location"].rpartition("/")[2])
    given = job.spec.trainer_parameters
    assert (given["data"], given["deadline_s"], given["resources"]["gpus"]) == ("v2", 3600, 0.5)
    assert "by workers anywhere, data v2, 1 epoch" in api.get(f"/jobs/{job.id}").text
    lacking = api.post("/jobs", data={**fields, "trainer.external.data": ""})
    assert (lacking.status_code, 'id="trainer.external.data-fault"' in lacking.text) == (422, True)


@pytest.mark.slow
def test_a_trainer_of_ones_own_trains_a_job_to_its_recommendation_and_verdict(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    write_distribution(site, "ridge", OWN + PROBLEM, POINTS)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    with service(tmp_path, environment={"PYTHONPATH": path}) as running, Client(running.url) as client:
        job = client.submit(**SMALL, trainer=RIDGE).wait()
        assert (job.state, job.data.error) == (JobState.SUCCEEDED, None)
        assert job.data.spec.trainer.name == "ridge"
        for found in job.recommendations():
            assert found.solution.grouping is not None
            assert found.verdict is not None
            assert found.verdict.is_confirmed
            assert "Validation losses were compared" in found.sentence
        ledger = job.ledger()
        assert ledger.search.trainings == 10 * 2
        assert ledger.charged.epochs == ledger.charged.trainings, "each counts as one"
        tested = job.clone(trainer={"name": "ridge-tuned", "parameters": {"strength": 2.0}}).wait()
        assert tested.state is JobState.SUCCEEDED
        assert tested.ledger().reused.trainings == 0, "another trainer scored the first"
        verdicts = [found.verdict for found in tested.recommendations()]
        assert all(verdict is not None and verdict.is_confirmed for verdict in verdicts)
