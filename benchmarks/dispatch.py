"""What Ray costs: trainings on long-lived actors against the same trainings in a plain loop, in one run.

    python benchmarks/dispatch.py

The first 12 networks of the digits problem at ten epochs, once each on one actor, after one training that
warms the worker up. The ratio is wall time on the actor over wall time in the loop, round by round.
"""

from __future__ import annotations

import dataclasses
import time

import ray
import torch
from _machine import describe_machine, spread

from grouping.domain.networks import list_candidates
from grouping.domain.trials import TrialRequest
from grouping.problems.registry import get_problem
from grouping.training.data import TrainingData
from grouping.training.loop import train_network
from workers.cluster import ActorPool, PreparedData, connect
from workers.messages import Train

ROUNDS = 5


def main() -> None:
    """Print both times and their ratio."""
    print(describe_machine())
    torch.set_num_threads(1)
    problem = get_problem("digits")
    dataset = problem.load(0)
    names = [task.name for task in problem.tasks]
    recipe = dataclasses.replace(problem.recipe, epochs=10)
    requests = [TrialRequest(network, 0) for network in list_candidates(names, max_group_size=5)[:12]]
    connect(None, 1)
    data, tensors = (
        PreparedData.put(dataset, problem.tasks),
        TrainingData.from_dataset(dataset, problem.tasks),
    )
    pool = ActorPool(1)

    def on_actor(wanted: list[TrialRequest]) -> float:
        started = time.perf_counter()
        for n, request in enumerate(wanted):
            pool.submit(Train(str(n), request, recipe), data)
        while pool.is_busy:
            pool.collect(1.0)
        return time.perf_counter() - started

    def in_loop(wanted: list[TrialRequest]) -> float:
        started = time.perf_counter()
        for request in wanted:
            train_network(tensors, request, recipe)
        return time.perf_counter() - started

    on_actor(requests[:1])
    in_loop(requests[:1])
    pairs = [(on_actor(requests), in_loop(requests)) for _ in range(ROUNDS)]
    ray.shutdown()
    print(f"{len(requests)} trainings, seconds, median (min to max) over {ROUNDS} rounds, seed 0")
    print(f"actor {spread([a for a, _ in pairs])}, loop {spread([b for _, b in pairs])}")
    print(f"actor/loop {spread([a / b for a, b in pairs])}")


if __name__ == "__main__":
    main()
