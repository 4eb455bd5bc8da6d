"""Jobs whose networks are trained by an engine that is measured, or named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from grouping.domain.jobs.job import JobState
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import TrialRequest
from grouping.problems.problem import DATA_SEED
from grouping.problems.registry import get_problem
from grouping.store import open_store
from grouping.trainers.built_in import recipe_of
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks
from grouping.training.engines.comparison import choose
from tests.recipes import by, recipe_in
from tests.services import dispatcher, small_spec, submit, wait_until_final

pytestmark = pytest.mark.slow

TWO = small_spec(tasks=("loop", "edges"), n_seeds=4, n_confirmation_seeds=0, epochs=2)


def test_a_long_job_measures_its_engines_once_and_tells_the_figures(tmp_path: Path, sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    spec = dataclasses.replace(TWO, trainer_parameters=by(dataclasses.replace(recipe_in(TWO), epochs=40)))
    with dispatcher(sqlite_url, tmp_path / "log"):
        job = wait_until_final(store, submit(store, spec))
        short = wait_until_final(store, submit(store, TWO))
    assert (job.state, short.state) == (JobState.SUCCEEDED, JobState.SUCCEEDED)
    (told,) = [event.data for event in store.events(job.id) if event.kind == "engine_chosen"]
    times = {Engine(name): ms for name, ms in told["step_ms"].items()}
    assert set(times) == {Engine.STACKED, Engine.VMAP, Engine.SEQUENTIAL}
    assert job.settled["engine"] == choose(Engine.STACKED, times).engine
    assert told["reason"] == choose(Engine.STACKED, times).reason
    assert short.settled["engine"] == Engine.STACKED
    assert "engine_chosen" not in [event.kind for event in store.events(short.id)]
    store.close()


def test_the_seeds_of_a_network_are_trained_as_one_where_the_service_names_it(
    tmp_path: Path, sqlite_url: str
) -> None:
    store = open_store(sqlite_url)
    crossed = dataclasses.replace(recipe_in(TWO), sharing=Method("cross-stitch"))
    spec = dataclasses.replace(TWO, trainer_parameters=by(crossed))
    with dispatcher(sqlite_url, tmp_path / "log", "--engine", "vmap", workers=1):
        job = wait_until_final(store, submit(store, spec))
    assert (job.state, job.settled["engine"]) == (JobState.SUCCEEDED, Engine.VMAP)
    (told,) = [event.data for event in store.events(job.id) if event.kind == "engine_chosen"]
    assert told == {"engine": "vmap", "reason": "named by the service", "step_ms": {}}
    problem = get_problem("digits")
    tasks = tuple(task for task in problem.tasks if task.name in spec.tasks)
    data = TrainingData.from_dataset(problem.load(DATA_SEED), tasks)
    both = [trial for trial in store.trials(job.id) if len(trial.network.group) == 2]
    requests = [TrialRequest(trial.network, trial.seed) for trial in both]
    assert len(both) == 4
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a training actor: the order of sums depends on it
    as_one, by_rule = (
        train_networks(data, requests, recipe_of(job), engine=engine) for engine in (Engine.VMAP, Engine.AUTO)
    )
    torch.set_num_threads(before)
    assert [trial.scores for trial in both] == [outcome.scores for outcome in as_one]
    assert [trial.scores for trial in both] != [outcome.scores for outcome in by_rule]
    store.close()
