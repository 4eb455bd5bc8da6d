"""The cheapest candidates that serve every block, as a weighted set cover programme in PuLP.

    minimise    sum c[n] x[n]
    subject to  sum over n that can serve b of x[n] >= 1   for every block b   (= 1 in a partition)
                sum c[n, r] x[n] <= limit[r],   x[n] in {0, 1}

Losses play no part, so a candidate is left out if another serves all its blocks and costs no more in any way.
"""

from __future__ import annotations

import numpy as np
import pulp

from grouping.domain.scores import FloatArray
from grouping.errors import SolverError
from grouping.solver.exact.instance import BoolArray, Instance, IntArray
from grouping.solver.exact.programme import DEFAULT_SOLVER, make_solver

_MOST_DOMINATORS = 4_000
_CHUNK = 256


def find_cover(
    instance: Instance,
    limits: FloatArray,
    *,
    solver: str = DEFAULT_SOLVER,
    time_limit_s: float | None = None,
) -> tuple[tuple[int, ...] | None, bool]:
    """Find the cheapest cover by the first resource, forced candidates included.

    Args:
        instance: candidates.
        limits: ``[R]``.
        solver: PuLP's name of the solver.
        time_limit_s: wall time.

    Returns:
        The candidates, None if none was found; and whether that is proven: cheapest, or that there is none.

    Raises:
        SolverError: if the solver fails.
    """
    if instance.is_contradictory or (limits < 0).any():
        return None, True
    serves = np.isfinite(instance.losses)
    usable = np.asarray((instance.costs <= limits).all(axis=1))
    kept = np.flatnonzero(usable)
    if not serves[kept].any(axis=0).all():
        return None, True
    if not instance.is_partition:
        kept = _undominated(serves, instance.costs, instance.is_forced, kept)
    problem = pulp.LpProblem("cover", pulp.LpMinimize)
    chosen = [problem.add_variable(f"x_{n}", cat="Binary") for n in range(len(kept))]
    problem += pulp.lpSum(float(c) * x for c, x in zip(instance.costs[kept, 0], chosen, strict=True) if c)
    for b in range(instance.n_blocks):
        servers = pulp.lpSum(chosen[i] for i in np.flatnonzero(serves[kept, b]).tolist())
        problem += (servers == 1) if instance.is_partition else (servers >= 1)
    for r in np.flatnonzero(np.isfinite(limits)).tolist():
        used = zip(instance.costs[kept, r], chosen, strict=True)
        problem += pulp.lpSum(float(c) * x for c, x in used if c) <= float(limits[r])
    for i in np.flatnonzero(instance.is_forced[kept]).tolist():
        problem += chosen[i] == 1
    while True:
        try:
            problem.solve(make_solver(solver, time_limit_s))
        except pulp.PulpSolverError as error:
            raise SolverError(f"The solver {solver} failed on the cheapest cover: {error}") from error
        if problem.status == pulp.LpStatusInfeasible:
            return None, True
        index = [i for i, x in enumerate(chosen) if (x.value() or 0.0) > 0.5]
        rows = kept[index]
        if not serves[rows].any(axis=0).all():  # an early stop may leave no incumbent
            return None, False
        if (instance.costs[rows].sum(axis=0) <= limits).all():
            return tuple(rows.tolist()), problem.sol_status == pulp.LpSolutionOptimal
        problem += pulp.lpSum(chosen[i] for i in index) <= len(index) - 1  # passes a limit by a tolerance


def _undominated(serves: BoolArray, costs: FloatArray, is_forced: BoolArray, rows: IntArray) -> IntArray:
    """Drop rows of which another serves every block at no more cost; of equal ones the first stays."""
    order = np.lexsort((rows, costs[rows].sum(axis=1), -serves[rows].sum(axis=1)))
    packed = np.packbits(serves, axis=1)
    kept = np.zeros(0, dtype=np.int64)
    for start in range(0, len(order), _CHUNK):
        part = rows[order[start : start + _CHUNK]]
        against = np.concatenate([kept[:_MOST_DOMINATORS], part])
        inside = np.ones((len(part), len(against)), dtype=np.bool_)
        for word in range(packed.shape[1]):
            inside &= (packed[part, None, word] & ~packed[None, against, word]) == 0
        for r in range(costs.shape[1]):
            inside &= costs[None, against, r] <= costs[part, None, r]
        own = len(against) - len(part)
        inside[:, own:] = np.tril(inside[:, own:], k=-1)  # only those before it
        kept = np.concatenate([kept, part[~inside.any(axis=1) | is_forced[part]]])
    return np.sort(kept)
