"""The 0/1 programme of task grouping, handed to any solver PuLP knows.

Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?", ICML 2020, section 3:
choose networks S of total inference cost at most `b` so that every task is served by its best network,

    minimise    sum over n, t of  L[n, t] y[n, t]
    subject to  sum over n of y[n, t] = 1        for every task t        (each task is served once)
                y[n, t] <= x[n]                  for every cell          (only by a chosen network)
                sum over n of c[n, r] x[n] <= limit[r]                   (inference budget, further limits)
                x[n] in {0, 1},  0 <= y[n, t] <= 1

`y` may stay continuous: for fixed `x` some optimum serves each task from one network. Networks may share
tasks, unless a partition is asked for: then ``y[n, t] = x[n]``. Tasks that must be served together count as
one (see `grouping.solver.exact.instance`).

It is built for the few candidates that the bounds of `grouping.solver.exact.column_generation` leave over.
Variables are named by index: task names such as ``a b`` and ``a_b`` would collide in PuLP.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import highspy
import numpy as np
import pulp
from numpy.typing import NDArray

from grouping.errors import SolverError, UnknownNameError
from grouping.solver.exact.instance import Instance

DEFAULT_SOLVER = "HiGHS"
CBC = "CBC"
"""The CBC that comes with the extra ``mtl-grouping[cbc]``, which PuLP does not find by itself."""
_PROOF_TOLERANCE = {
    "mip_feasibility_tolerance": 1e-9,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}


_FROM_A_GOOD_START = {"mip_heuristic_effort": 0.0, "mip_allow_restart": False}


def solver_names() -> tuple[str, ...]:
    """Return the names of the PuLP solvers that work on this machine, the default first."""
    found = set(pulp.listSolvers(onlyAvailable=True)) - {"PULP_CBC_CMD"}  # PuLP deprecates its own CBC
    if importlib.util.find_spec("cbcbox") is not None:
        found.add(CBC)
    return tuple(sorted(found, key=lambda name: (name != DEFAULT_SOLVER, name)))


class _StartedHighs(pulp.HiGHS):  # type: ignore[misc]
    """HiGHS that begins with the values that the variables have, which PuLP does not tell it."""

    def callSolver(self, lp: pulp.LpProblem) -> None:  # noqa: N802
        start = highspy.HighsSolution()
        start.col_value = [variable.varValue or 0.0 for variable in lp.variables()]
        lp.solverModel.setSolution(start)
        super().callSolver(lp)


def make_solver(
    name: str, time_limit_s: float | None, *, gap: float = 0.0, is_started: bool = False
) -> pulp.LpSolver:
    """Build a PuLP solver that closes the whole gap.

    Args:
        name: PuLP's name of the solver.
        time_limit_s: wall time.
        gap: difference to the bound that HiGHS may leave.
        is_started: whether HiGHS begins with the values of the variables.

    Raises:
        UnknownNameError: if no such solver is installed.
    """
    if name == DEFAULT_SOLVER:
        # One thread: HiGHS keeps one scheduler per process, and programmes are solved from several threads.
        made = _StartedHighs if is_started else pulp.HiGHS
        further = _FROM_A_GOOD_START if is_started else {}
        return made(
            msg=False,
            timeLimit=time_limit_s,
            gapRel=0.0,
            gapAbs=gap,
            threads=1,
            **_PROOF_TOLERANCE,
            **further,
        )
    check_solver(name)
    options = {"msg": False, "timeLimit": time_limit_s}
    if name == CBC:
        import cbcbox

        return pulp.COIN_CMD(path=cbcbox.cbc_bin_path(), **options, gapRel=0.0, gapAbs=0.0)
    return pulp.getSolver(name, **options, gapRel=0.0)


def check_solver(name: str) -> None:
    """Refuse a solver that is not installed.

    Raises:
        UnknownNameError: with the names of those that are.
    """
    if name != DEFAULT_SOLVER and name not in (available := solver_names()):
        raise UnknownNameError("solver", name, available, pointer="/solver")


@dataclass(frozen=True, slots=True)
class ProgrammeResult:
    """Answer of a PuLP solver.

    Attributes:
        chosen: chosen candidates; None when it found none.
        bound: scaled lower bound on the objective; None when it gave none.
        is_proven: whether the solver proved optimality or infeasibility.
    """

    chosen: tuple[int, ...] | None
    bound: float | None
    is_proven: bool


def solve_programme(
    instance: Instance,
    *,
    cells: NDArray[np.bool_] | None = None,
    excluded: Sequence[Sequence[int]] = (),
    start: Sequence[int] | None = None,
    solver: str = DEFAULT_SOLVER,
    time_limit_s: float | None = None,
) -> ProgrammeResult:
    """Hand an instance to a solver, to proven optimality or until the time limit.

    Args:
        instance: candidates and limits.
        cells: ``[E]``, which cells of the instance's losses may serve; all unless given.
        excluded: sets of candidates that are forbidden with all their supersets.
        start: a good choice of them, whose cells serve, from which HiGHS begins.
        solver: PuLP's name of the solver.
        time_limit_s: wall time.

    Raises:
        UnknownNameError: if the solver is not installed.
        SolverError: if it fails.
    """
    made = make_solver(solver, time_limit_s, gap=(1.0 - 1e-6) * instance.grain, is_started=start is not None)
    problem = pulp.LpProblem("grouping", pulp.LpMinimize)
    add = problem.add_variable
    chosen = [add(f"x_{n}", cat="Binary") for n in range(instance.n_candidates)]
    served = instance.losses if cells is None else instance.losses.where(cells)
    pairs = list(zip(served.cells.rows.tolist(), served.cells.columns.tolist(), strict=True))
    if instance.is_partition:
        serves = {(n, b): chosen[n] for n, b in pairs}
    else:
        serves = {(n, b): add(f"y_{n}_{b}", 0, 1) for n, b in pairs}
    problem += pulp.lpSum(loss * y for loss, y in zip(served.values.tolist(), serves.values(), strict=True))
    by_block: list[list[pulp.LpVariable]] = [[] for _ in range(instance.n_blocks)]
    for (_, b), y in serves.items():
        by_block[b].append(y)
    for servers in by_block:
        problem += pulp.lpSum(servers) == 1
    if not instance.is_partition:
        for (n, _), y in serves.items():
            problem += y <= chosen[n]
    for r, limit in enumerate(instance.limits):
        if np.isfinite(limit):
            used = zip(instance.costs[:, r], chosen, strict=True)
            problem += pulp.lpSum(float(c) * x for c, x in used if c) <= float(limit)
    for n in np.flatnonzero(instance.is_forced).tolist():
        problem += chosen[n] == 1
    for candidates in excluded:
        problem += pulp.lpSum(chosen[n] for n in candidates) <= len(candidates) - 1
    if start is not None:
        _begin_with(start, instance, chosen, serves)
    try:
        problem.solve(made)
    except pulp.PulpSolverError as error:
        raise SolverError(f"The solver {made.name} failed: {error}") from error
    if problem.status == pulp.LpStatusInfeasible:
        return ProgrammeResult(None, None, is_proven=True)
    rows = tuple(n for n, x in enumerate(chosen) if (x.value() or 0.0) > 0.5)
    if not np.isfinite(instance.value(rows)):  # an early stop may leave no incumbent
        return ProgrammeResult(None, _tree_bound(problem, made), is_proven=False)
    if problem.sol_status == pulp.LpSolutionOptimal:
        # An objective without any term has no value in PuLP: every choice is then as good as the best.
        return ProgrammeResult(rows, float(pulp.value(problem.objective) or 0.0), is_proven=True)
    return ProgrammeResult(rows, _tree_bound(problem, made), is_proven=False)


def _begin_with(
    start: Sequence[int],
    instance: Instance,
    chosen: Sequence[pulp.LpVariable],
    serves: Mapping[tuple[int, int], pulp.LpVariable],
) -> None:
    """Give the variables the values of a choice, of whose candidates each block is served by the best."""
    server = np.asarray(start)[instance.losses[list(start)].argmin(axis=0)]
    for n in start:
        chosen[n].setInitialValue(1)
    for b, n in enumerate(server.tolist()):
        if (n, b) in serves:
            serves[n, b].setInitialValue(1)


def _tree_bound(problem: pulp.LpProblem, solver: pulp.LpSolver) -> float | None:
    """Return the lower bound of a search that was stopped early, where HiGHS tells it."""
    if not isinstance(solver, pulp.HiGHS):
        return None
    bound = float(problem.solverModel.getInfo().mip_dual_bound)
    return bound if np.isfinite(bound) else None
