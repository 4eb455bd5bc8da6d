"""What Ray costs: stacks of networks on a long-lived actor against the same stacks in this process.

    python benchmarks/dispatch.py

The first 12 networks of the digits problem at ten epochs, in stacks of one, of four and of twelve, after one
training that warms the worker up. The ratio is wall time on the actor over wall time here, round by round.
What a whole job costs beside training is measured by benchmarks/runtime.py.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import ray
import torch
from _machine import describe_machine, spread

from grouping.domain.networks import list_candidates
from grouping.domain.trainings.trials import TrialRequest
from grouping.problems.registry import get_problem
from grouping.trainers import WorkerContext, WorkerSetup
from grouping.training.worker import WorkerMaker
from grouping_workers.job.executor import TrainingOrder
from grouping_workers.on_ray.actor_pool import ActorPool
from grouping_workers.on_ray.cluster import connect
from grouping_workers.settings import RaySettings

ROUNDS = 5
STACKS = (1, 4, 12)


def main() -> None:
    """Print both times and their ratio."""
    print(describe_machine())
    torch.set_num_threads(1)
    folder = tempfile.mkdtemp(prefix="grouping-dispatch-")
    problem = get_problem("digits")
    dataset = problem.load(0)
    names = [task.name for task in problem.tasks]
    recipe = dataclasses.replace(problem.recipe, epochs=10)
    requests = [TrialRequest(network, 0) for network in list_candidates(names, max_group_size=5)[:12]]
    connect(None, 1, folder)
    setup = WorkerSetup("digits", WorkerMaker("digits", problem.tasks, recipe), dataset)
    worker = setup.build(dataset, WorkerContext())
    pool = ActorPool(RaySettings(n_workers=1))

    def on_actor(stacks: list[list[TrialRequest]]) -> float:
        started = time.perf_counter()
        for number, stack in enumerate(stacks):
            pool.submit(TrainingOrder(number, {str(n): r for n, r in enumerate(stack)}), setup)
        while pool.is_busy:
            pool.collect(1.0)
        return time.perf_counter() - started

    def here(stacks: list[list[TrialRequest]]) -> float:
        started = time.perf_counter()
        for stack in stacks:
            worker.train(stack)
        return time.perf_counter() - started

    on_actor([requests[:1]])
    here([requests[:1]])
    print(f"{len(requests)} trainings, seconds, median (min to max) over {ROUNDS} rounds, seed 0")
    for size in STACKS:
        stacks = [requests[start : start + size] for start in range(0, len(requests), size)]
        pairs = [(on_actor(stacks), here(stacks)) for _ in range(ROUNDS)]
        print(
            f"stacks of {size}: actor {spread([a for a, _ in pairs])}, here {spread([b for _, b in pairs])}"
        )
        print(f"  actor/here {spread([a / b for a, b in pairs])}")
    ray.shutdown()
    Path(folder).rmdir()


if __name__ == "__main__":
    main()
