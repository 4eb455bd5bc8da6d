"""What is compared for a job, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec, TrainingBudget
from grouping.domain.trainings.engines import LEAST_SEEDS, Engine, engine_of_stack
from grouping.domain.trainings.recipes import Recipe
from grouping.problems.registry import get_problem
from grouping.trainers import DEFAULT_TRAINER, TrainerJob, trainer_of
from grouping.training.trainer import TrainingSession, work_of
from tests.pools import NoWorkers
from tests.recipes import by

RECIPE = Recipe(epochs=10)
SPEC = JobSpec(
    "digits",
    ("a", "b", "c", "d"),
    n_seeds=6,
    single_sizes=(),
    max_group_size=4,
    trainer_parameters=by(RECIPE),
)


def job(spec: JobSpec, operator: Mapping[str, Mapping[str, str]] | None = None) -> TrainerJob:
    return trainer_of(Job("0" * 32, spec, JobState.PREPARING, "1" * 32), operator).job


def begin(told: TrainerJob) -> TrainingSession:
    problem = get_problem("digits")
    tasks = tuple(task for task in problem.tasks if task.name in told.tasks)
    return TrainingSession(told, tasks, problem.load(), RECIPE)


def test_a_job_is_as_much_work_as_training_every_candidate() -> None:
    work = work_of(job(SPEC), RECIPE)
    assert (work.n_networks, work.n_seeds, work.n_epochs) == (15, 6, 15 * 6 * 10)
    assert work.network.group == {"a", "b"}


@pytest.mark.parametrize(
    ("budget", "n_networks", "n_epochs"),
    [
        (TrainingBudget(trainings=24), 4, 240),
        (TrainingBudget(trainings=2), 1, 20),
        (TrainingBudget(epochs=100), 15, 100),
        (TrainingBudget(trainings=10_000, epochs=10_000_000), 15, 900),
    ],
)
def test_a_training_budget_bounds_the_work(budget: TrainingBudget, n_networks: int, n_epochs: int) -> None:
    work = work_of(job(replace(SPEC, training_budget=budget)), RECIPE)
    assert (work.n_networks, work.n_epochs) == (n_networks, n_epochs)


def test_seeds_are_not_trained_as_one_where_a_budget_in_seconds_parts_them() -> None:
    work = work_of(job(replace(SPEC, training_budget=TrainingBudget(seconds=60))), RECIPE)
    assert work.n_seeds == 1


def test_a_single_task_is_a_network() -> None:
    assert work_of(job(replace(SPEC, tasks=("a",))), RECIPE).network.group == {"a"}


def test_an_engine_that_is_named_is_not_measured() -> None:
    spec = replace(SPEC, tasks=("digit", "loop"))
    session = begin(job(spec, {DEFAULT_TRAINER: {"engine": "sequential"}}))
    prepared = session.prepare(NoWorkers())
    assert prepared.settled["engine"] == "sequential"
    (event,) = prepared.events
    assert event == (
        "engine_chosen",
        {"engine": "sequential", "reason": "named by the service", "step_ms": {}},
    )


def test_what_was_settled_is_not_asked_again() -> None:
    told = replace(job(replace(SPEC, tasks=("digit", "loop"))), settled={"engine": "vmap"})
    assert begin(told).prepare(NoWorkers()).settled == {"engine": "vmap"}


def test_where_no_worker_is_free_the_rule_says_the_engine() -> None:
    session = begin(job(replace(SPEC, tasks=("digit", "loop"))))
    prepared = session.prepare(NoWorkers())
    assert prepared.settled["engine"] is None
    assert not prepared.events


def test_a_few_seeds_are_trained_one_after_another_where_many_are_trained_as_one() -> None:
    assert engine_of_stack(Engine.VMAP, LEAST_SEEDS) is Engine.VMAP
    assert engine_of_stack(Engine.VMAP, LEAST_SEEDS - 1) is Engine.SEQUENTIAL
    assert engine_of_stack(Engine.SEQUENTIAL, 64) is Engine.SEQUENTIAL


def test_a_job_that_stacks_leaves_to_the_rule_what_cannot_be_stacked() -> None:
    assert {engine_of_stack(Engine.STACKED, n) for n in (1, 64)} == {Engine.AUTO}
