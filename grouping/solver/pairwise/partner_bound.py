"""A lower bound on every grouping from each task's best partners; it generates no groups."""

from __future__ import annotations

import numpy as np
import pulp

from grouping.domain.costs import most_within
from grouping.domain.tables.score_table import FloatArray
from grouping.solver.exact.instance import PRECISION
from grouping.solver.exact.programme import DEFAULT_SOLVER, make_solver
from grouping.solver.pairwise.arrays import PairArrays


def bound_by_best_partners(
    best: FloatArray, arrays: PairArrays, group_cost_snt: float, budget_snt: float
) -> float:
    """Bound the loss of any grouping: in a group of s, no task does better than with its s - 1 best partners.

    The relaxation chooses how many groups of each size there are and which tasks each size serves.

    Args:
        best: ``[N, sizes]``: least loss of a task in a group of 2, 3, ... tasks; infinite where none.
        arrays: the scaled estimate.
        group_cost_snt: inference cost of any group.
        budget_snt: the most the grouping may cost.

    Returns:
        A lower bound in the unit of the losses, 0 at least.
    """
    n, n_sizes = best.shape
    single_losses = arrays.single_losses
    problem = pulp.LpProblem("best_partners", pulp.LpMinimize)
    count = [problem.add_variable(f"n_{s}", 0) for s in range(n_sizes)]
    serves = {
        (i, s): problem.add_variable(f"a_{i}_{s}", 0) for i, s in np.argwhere(np.isfinite(best)).tolist()
    }
    alone = {
        (row, i): problem.add_variable(f"x_{row}", 0)
        for row, i in np.argwhere(np.isfinite(single_losses)).tolist()
    }
    problem += pulp.lpSum(float(best[key]) * a for key, a in serves.items()) + pulp.lpSum(
        float(single_losses[key]) * x for key, x in alone.items()
    )
    for i in range(n):
        servers = [a for (task, _), a in serves.items() if task == i]
        problem += pulp.lpSum([*servers, *(x for (_, task), x in alone.items() if task == i)]) >= 1
    for s in range(n_sizes):
        served = [a for (_, size), a in serves.items() if size == s]
        problem += pulp.lpSum(served) <= (s + 2) * count[s]
    for (_, s), a in serves.items():
        problem += a <= count[s]
    spent = pulp.lpSum(float(arrays.single_costs[row]) * x for (row, _), x in alone.items())
    budget = most_within(budget_snt)
    problem += spent + group_cost_snt * pulp.lpSum(count) <= budget
    problem.solve(make_solver(DEFAULT_SOLVER, None))
    if problem.status != pulp.LpStatusOptimal:
        return 0.0
    return max(0.0, float(pulp.value(problem.objective) or 0.0) - PRECISION)
