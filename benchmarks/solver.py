"""Solving time of the plain programme: HiGHS in process against CBC as a subprocess, in one run.

    python benchmarks/solver.py

Random tables of all groups at full size and half-size singles; every budget from 1 to N by halves, ties
included. Both solvers see the same tables in turn, and must give the same losses.
"""

from __future__ import annotations

import time

import numpy as np
from _machine import describe_machine, spread

from grouping.domain.networks import list_candidates
from grouping.domain.scores import ScoreTable
from grouping.domain.tasks import Task
from grouping.solver import solve_curve
from grouping.solver.programme import CBC, DEFAULT_SOLVER

SEEDS = range(5)


def random_table(seed: int, n_tasks: int) -> ScoreTable:
    """Losses around 1 with pairwise structure and noise."""
    generator = np.random.default_rng(seed)
    names = [f"task {i}" for i in range(n_tasks)]
    networks = list_candidates(names, max_group_size=n_tasks, single_sizes=(0.5,))
    effect = generator.normal(0, 0.1, (n_tasks, n_tasks))
    member = np.array([[name in network.group for name in names] for network in networks])
    sizes = np.array([network.size for network in networks])
    partners = np.maximum(1, member.sum(axis=1, keepdims=True) - 1)
    losses = 1 + (member @ effect) / partners + generator.normal(0, 0.02, member.shape)
    losses += 0.1 * (sizes < 1)[:, None]
    cube = np.where(member, losses, np.nan)[:, :, None]
    return ScoreTable(tuple(map(Task, names)), networks, (0,), cube, cube)


def main() -> None:
    """Print a row per number of tasks."""
    print(describe_machine())
    print(f"curve over all budgets, seconds, median (min to max) over {len(SEEDS)} seeds")
    for n_tasks in (4, 5, 6):
        times: dict[str, list[float]] = {DEFAULT_SOLVER: [], CBC: []}
        for seed in SEEDS:
            table = random_table(seed, n_tasks)
            losses = []
            for solver, taken in times.items():
                started = time.perf_counter()
                curve = solve_curve(table, solver=solver)
                taken.append(time.perf_counter() - started)
                losses.append([point.solution.loss for point in curve.points])
            np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9)
        ratios = [slow / fast for fast, slow in zip(times[DEFAULT_SOLVER], times[CBC], strict=True)]
        candidates = len(random_table(0, n_tasks).networks)
        print(
            f"{n_tasks} tasks, {candidates} networks: HiGHS {spread(times[DEFAULT_SOLVER])}, "
            f"CBC {spread(times[CBC])}, CBC/HiGHS {spread(ratios)}"
        )


if __name__ == "__main__":
    main()
