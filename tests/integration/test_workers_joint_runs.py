"""Joint runs through a real dispatcher and a real Ray: from the training to the matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from grouping.domain.affinities.joint_runs import GRADIENT_METHODS
from grouping.domain.jobs.job import JobState, StopReason
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.problems.registry import get_problem
from grouping.solver import solve
from grouping.store import migrate, open_store
from grouping.trainers.built_in import recipe_of
from grouping.training.data import TrainingData
from grouping.training.loop import train_network
from tests.services import dispatcher, small_spec, submit, wait_for_trials, wait_until_final

pytestmark = pytest.mark.slow


def test_a_tag_job_measures_chooses_and_survives_the_death_of_its_dispatcher(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'grouping.db'}"
    migrate(url)
    store = open_store(url)
    tasks = ("digit", "loop", "rotation", "edges")
    spec = small_spec(
        tasks=tasks, strategy="tag", max_group_size=4, n_seeds=2, n_confirmation_seeds=0, epochs=4
    )
    job = submit(store, spec)
    with dispatcher(url, tmp_path / "log", workers=1, lease_s=4) as first:
        wait_for_trials(store, job, 1)
        first.kill()
    with dispatcher(url, tmp_path / "log", workers=1):
        job = wait_until_final(store, job)
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.SEARCH_COMPLETE)

    trials = store.trials(job.id)
    assert all(trial.state is TrialState.SUCCEEDED for trial in trials)
    joint = [trial for trial in trials if trial.measures_affinity]
    assert [(trial.network.group, trial.seed) for trial in joint] == [(frozenset(tasks), s) for s in (0, 1)]
    matrices = store.affinities(job.score_table_id)
    assert tuple(matrices) == GRADIENT_METHODS
    assert all(np.isfinite(m.standard_errors[~np.eye(4, dtype=bool)]).all() for m in matrices.values())

    table = store.score_table(job.score_table_id)
    for budget in spec.budgets_snt:
        for network in solve(table, budget).require_grouping().networks:
            assert table.find_position(*network.key) is not None

    problem = get_problem("digits")
    chosen = tuple(task for task in problem.tasks if task.name in tasks)
    data = TrainingData.from_dataset(problem.load(0), chosen)
    plain = _train_on_one_thread(data, TrialRequest(joint[0].network, 0), recipe_of(job))
    assert joint[0].scores == plain.scores, "measuring changed no score"
    store.close()


def _train_on_one_thread(data: TrainingData, request: TrialRequest, recipe: Recipe) -> TrialOutcome:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a training actor: the order of sums depends on it
    try:
        return train_network(data, request, recipe)
    finally:
        torch.set_num_threads(before)
