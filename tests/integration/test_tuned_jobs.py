"""A job that tunes each grouping for its verdict: trained with PyTorch, interrupted, and told everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.trainings.trials import Purpose, Trial
from grouping.store import Store, open_store
from grouping_api.main import create_app
from grouping_api.settings import Settings
from grouping_workers.job.control import Control
from grouping_workers.job.executor import TrainingOrder
from tests.in_process import LocalExecutor, run_of
from tests.integration.conftest import Api
from tests.services import small_spec, submit

SPEC = small_spec(
    tasks=("digit", "loop"),
    epochs=2,
    budgets_snt=(2.0,),
    n_seeds=1,
    n_confirmation_seeds=3,
    tune="each",
    n_recipes=2,
)


def carried_out(store: Store, *, stop_every: int = 0) -> Job:
    """Carry the job out; by another process, as it were, whenever so many orders were trained."""
    job = submit(store, SPEC)
    while not store.get_job(job.id).state.is_final:
        executor, control = LocalExecutor(), Control()
        orders: list[int] = []

        def stops(order: TrainingOrder, control: Control = control, orders: list[int] = orders) -> None:
            orders.append(order.number)
            if stop_every and len(orders) == stop_every:
                control.stop.set()

        executor.before_training = stops
        run_of(store, executor, control).run()
    return store.get_job(job.id)


def outcomes(store: Store, job: Job) -> dict[object, object]:
    return {trial.key: (trial.state, trial.scores) for trial in store.trials(job.id)}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[tuple[Api, Store, Job]]:
    url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('tuned') / 'grouping.db')}"
    store = open_store(url)
    job = carried_out(store)
    assert job.state is JobState.SUCCEEDED, job.error
    yield Api(create_app(Settings(database_url=url), store)), store, job
    store.close()


def test_both_questions_are_answered_with_intervals(done: tuple[Api, Store, Job]) -> None:
    api, _, job = done
    (item,) = api.get(f"/v1/jobs/{job.id}/recommendations").json()["items"]
    assert item["verdict"]["question"] == "one recipe for all"
    assert item["verdict"]["recipes"] == []
    tuned = item["tuned"]
    assert tuned["question"] == "each its best"
    assert tuned["is_confirmed"]
    assert "at its best recipe" in item["tuned_sentence"] or "brings nothing" in item["tuned_sentence"]
    names = [one["baseline"] for one in tuned["comparisons"]]
    assert names[:2] == ["all together", "all alone"]
    for one in tuned["comparisons"]:
        low, high = one["interval"]
        assert one["n_seeds"] == 3
        assert low <= one["gain"] <= high
    assert {one["name"] for one in tuned["recipes"]} == {"recommended", *names}
    recipes = api.get(f"/v1/jobs/{job.id}").json()["settled"]["recipes"]
    assert len(recipes) == 2
    assert recipes[0]["epochs"] == 2
    assert all(0 <= one["recipe"] < 2 for one in tuned["recipes"])


def test_the_page_tells_it_too(done: tuple[Api, Store, Job]) -> None:
    api, store, job = done
    page = api.get(f"/jobs/{job.id}").text
    assert "Each its best:" in page
    assert "95 % interval" in page
    assert "To find a recipe for each" in page
    trial = next(t for t in store.trials(job.id) if t.purpose is Purpose.TUNED)
    assert f"recipe {trial.variant.recipe}, confirms" in api.get(f"/jobs/{job.id}/trials/{trial.id}").text


def test_tuning_is_in_the_ledger_and_was_estimated(done: tuple[Api, Store, Job]) -> None:
    api, store, job = done
    trials = store.trials(job.id)
    tuned = [t for t in trials if t.purpose in (Purpose.TUNING, Purpose.TUNED)]
    ledger = api.get(f"/v1/jobs/{job.id}/ledger").json()
    assert ledger["tuning"]["trainings"] == len(tuned)
    assert ledger["charged"]["epochs"] == sum(t.epochs for t in trials)
    assert all(t.epochs == t.planned_epochs for t in tuned)
    asked = {"problem": "digits", "tasks": ["digit", "loop"], "budgets_snt": [2], "n_seeds": 1}
    asked |= {"n_confirmation_seeds": 3, "tune": "each", "n_recipes": 2, "recipe": {"epochs": 2}}
    told = api.post("/v1/jobs/estimate", json=asked | {"strategy": {"name": "exhaustive"}}).json()
    assert told["tuning"]["lower"]["trainings"] <= len(tuned) <= told["tuning"]["upper"]["trainings"]
    epochs = sum(t.epochs for t in tuned)
    assert told["tuning"]["lower"]["epochs"] <= epochs <= told["tuning"]["upper"]["epochs"]
    assert "to tune each" in told["sentence"]
    without = api.post("/v1/jobs/estimate", json=asked | {"tune": "none"}).json()
    assert without["tuning"]["upper"]["trainings"] == 0


def test_whoever_takes_it_over_ends_with_the_same_scores(done: tuple[Api, Store, Job], store: Store) -> None:
    _, whole, job = done
    parts = carried_out(store, stop_every=7)
    assert outcomes(store, parts) == outcomes(whole, job)

    def of_tuning(trials: tuple[Trial, ...]) -> list[object]:
        return [t.key for t in trials if t.purpose in (Purpose.TUNING, Purpose.TUNED)]

    assert of_tuning(store.trials(parts.id)) == of_tuning(whole.trials(job.id))


def test_a_trainer_that_draws_no_recipes_is_refused(done: tuple[Api, Store, Job]) -> None:
    api, _, _ = done
    asked = {
        "trainer": {"name": "external", "parameters": {"data": "v1"}},
        "tasks": [{"name": "a"}, {"name": "b"}],
        "tune": "each",
    }
    answer = api.post("/v1/jobs", json=asked)
    assert answer.status_code == 422, answer.text
    assert "draws no recipes" in answer.text
    assert "/tune" in answer.text
