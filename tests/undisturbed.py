"""A small job that nothing disturbed, and what a disturbed one must have in common with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.problems.problem import DATA_SEED
from grouping.problems.registry import get_problem
from grouping.search import Plan, networks_to_measure
from grouping.store import Claim, Store, open_store
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks
from grouping_workers.job.planner import planner_of
from grouping_workers.job.stack_size import FIRST_STACK
from grouping_workers.job.training_queue import PREFETCH
from tests.recipes import recipe_in
from tests.services import small_spec, submit

SPEC = small_spec(epochs=40)
WORKERS = 2
STACK = FIRST_STACK
"""The most trials that are trained together here, and so lost with one worker."""
IN_FLIGHT = STACK * (WORKERS + PREFETCH)
"""Trials that may be lost with the driver: a stack per worker, and one that waits there."""


@contextmanager
def undisturbed_job(folder: Path, migrated: Path) -> Iterator[tuple[Store, Job]]:
    """The job carried out in this process, in a database of its own, a copy of a migrated SQLite file.

    Neither Ray nor any other process has a part in it, so none can disturb it.
    """
    path = folder / "grouping.db"
    path.write_bytes(migrated.read_bytes())
    store = open_store(f"sqlite:///{path}")
    job = submit(store, SPEC)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a training actor: the order of sums depends on it
    _carry_out(store, job)
    torch.set_num_threads(threads)
    yield store, job
    store.close()


def _carry_out(store: Store, job: Job) -> None:
    problem = get_problem(SPEC.problem)
    tasks = tuple(task for task in problem.tasks if task.name in SPEC.tasks)
    data = TrainingData.from_dataset(problem.load(DATA_SEED), tasks)
    claim = store.claim_job("undisturbed", lease_s=3600)
    assert claim is not None
    store.enter_state(claim, JobState.PREPARING)
    store.record_preparation(claim, data_digest="0" * 64, versions={})
    networks = networks_to_measure(SearchTerms.of_job(job.spec))
    costs = measure_costs(data.n_features, tasks, networks, recipe_in(SPEC))
    measured = [
        MeasuredNetwork(
            Network(network.group, network.size, cost.cost_snt), cost.encoder_multiply_adds, cost.widths
        )
        for network, cost in zip(networks, costs, strict=True)
    ]
    store.add_networks(claim, measured)
    while (plan := planner_of(store, job).next_plan()).requests:
        _train(store, claim, plan, data)
    store.enter_state(claim, JobState.SUCCEEDED, stop_reason=plan.reason)


def _train(store: Store, claim: Claim, plan: Plan, data: TrainingData) -> None:
    if store.get_job(claim.job.id).state is not plan.state:
        store.enter_state(claim, plan.state)
    store.plan_trials(claim, plan.requests, planned_epochs=[recipe_in(SPEC).epochs] * len(plan.requests))
    planned = [trial for trial in store.trials(claim.job.id) if not trial.state.is_final]
    store.start_trials(claim, [trial.id for trial in planned])
    outcomes = train_networks(data, plan.requests, recipe_in(SPEC))
    store.record_outcomes(claim, dict(zip([trial.id for trial in planned], outcomes, strict=True)))


def assert_undamaged(store: Store, job: Job, undisturbed: tuple[Store, Job], *, may_lose: int) -> None:
    """The scores are those of the undisturbed job, and no more than `may_lose` trainings were repeated."""
    reference, reference_job = undisturbed
    expected = {
        (t.network, t.purpose, t.seed, t.fidelity): t.scores for t in reference.trials(reference_job.id)
    }
    trials = store.trials(job.id)
    assert {(t.network, t.purpose, t.seed, t.fidelity): t.scores for t in trials} == expected
    assert store.get_job(job.id).state is JobState.SUCCEEDED
    assert sum(t.attempts for t in trials) - len(trials) <= may_lose
    numbers = [event.number for event in store.events(job.id, limit=10_000)]
    assert numbers == list(range(1, len(numbers) + 1))
