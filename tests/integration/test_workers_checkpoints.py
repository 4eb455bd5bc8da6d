"""Whatever is killed in the middle of a training, it goes on from its checkpoint to the same scores."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.networks import NetworkKey
from grouping.domain.trainings.faults import QUARANTINE_AFTER
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TaskScore, TrialRequest, TrialState
from grouping.problems.problem import DATA_SEED
from grouping.problems.registry import get_problem
from grouping.store import Store
from grouping.trainers import Trainer
from grouping.trainers.built_in import recipe_of
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks
from tests.patience import wait_for
from tests.recipes import by
from tests.services import (
    dispatcher,
    kill_alone,
    kill_descendant,
    small_spec,
    submit,
)

pytestmark = pytest.mark.slow

EPOCHS = 120
SPEC = dataclasses.replace(
    small_spec(tasks=("loop", "edges"), n_seeds=1, n_confirmation_seeds=0),
    trainer_parameters=by(Recipe(hidden=(16, 16), epochs=EPOCHS)),
)


class Checkpoints:
    """The epochs that the checkpoints of a job tell, followed from outside."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: dict[str, int] = {}
        self.steps_back: list[tuple[int, int]] = []

    def epoch(self) -> int:
        """The epoch of the checkpoint that got farthest; 0 without one."""
        for path in self._folder.glob("*/*.safetensors"):
            try:
                with safe_open(path, framework="pt") as file:
                    epoch = int(file.metadata()["epoch"])
            except (FileNotFoundError, SafetensorError, RuntimeError):
                continue  # replaced, or removed with the end of the job
            before = self._last.get(path.name, 0)
            if epoch < before:
                self.steps_back.append((before, epoch))
            self._last[path.name] = epoch
        return max(self._last.values(), default=0)

    def wait_for(self, epoch: int) -> None:
        """Until some training has come that far."""
        wait_for(lambda: self.epoch() >= epoch, f"a checkpoint at epoch {epoch}", 120.0)


def undisturbed(job: Job) -> dict[NetworkKey, tuple[TaskScore, ...]]:
    """What the networks of the job score when nothing is ever stopped, here and one by one."""
    problem = get_problem(SPEC.problem)
    tasks = tuple(task for task in problem.tasks if task.name in SPEC.tasks)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    data = TrainingData.from_dataset(problem.load(DATA_SEED), tasks)
    (seed,) = job.spec.search_seeds
    scores = {}
    for network in job.spec.candidates.networks or ():
        (outcome,) = train_networks(data, [TrialRequest(network, seed)], recipe_of(job))
        scores[network.key] = outcome.scores
    torch.set_num_threads(threads)
    return scores


def test_workers_and_a_dispatcher_killed_however_often_cost_no_training_its_epochs(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    job = submit(store, SPEC)
    options = ("--checkpoints", str(tmp_path / "checkpoints"), "--checkpoint-s", "0.1")
    seen = Checkpoints(tmp_path / "checkpoints")

    with dispatcher(sqlite_url, tmp_path / "one", *options, workers=1, lease_s=4) as first:
        for n in range(1, 10):  # more often than a training may die at one place
            seen.wait_for(10 * n)
            kill_descendant(first.pid, "ray::TrainingActor")
        seen.wait_for(min(seen.epoch() + 10, EPOCHS - 1))
        kill_alone(first)  # a worker that still wrote would put its own epochs over those of the next one
    with dispatcher(sqlite_url, tmp_path / "two", *options, workers=1):
        while not store.get_job(job.id).state.is_final:
            seen.epoch()
    assert store.get_job(job.id).state is JobState.SUCCEEDED
    trials = store.trials(job.id)
    assert max(trial.attempts for trial in trials) > QUARANTINE_AFTER + Trainer.max_attempts
    assert not store.get_job(job.id).is_degraded
    assert not seen.steps_back, "nothing was trained again"
    expected = undisturbed(store.get_job(job.id))
    assert {t.network.key: t.scores for t in trials} == expected
    assert {(trial.state, trial.epochs) for trial in trials} == {(TrialState.SUCCEEDED, EPOCHS)}
    assert store.ledger(job.id).epochs == EPOCHS * len(trials)
    assert not list((tmp_path / "checkpoints").iterdir()), "removed with the end of the job"
