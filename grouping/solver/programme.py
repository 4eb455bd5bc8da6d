"""The 0/1 programme of task grouping, handed to any solver PuLP knows.

Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?", ICML 2020, section 3:
choose networks S of total inference cost at most `b` so that every task is served by its best network,

    minimise    sum over n, t of  w_t L[n, t] y[n, t]
    subject to  sum over n of y[n, t] = 1        for every task t        (each task is served once)
                y[n, t] <= x[n]                  for every cell          (only by a chosen network)
                sum over n of c_n x[n] <= b                              (inference budget)
                x[n] in {0, 1},  0 <= y[n, t] <= 1

`y` may stay continuous: for fixed `x` some optimum serves each task from one network. Networks may share
tasks. Unlike the paper's branch and bound, the answer carries a bound, and losses may be weighted.

Variables are named by index: task names such as ``a b`` and ``a_b`` would collide in PuLP.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pulp

from grouping.domain.groupings import BUDGET_TOLERANCE
from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray
from grouping.errors import InvalidInputError, SolverError, UnknownNameError

DEFAULT_SOLVER = "HiGHS"
CBC = "CBC"
"""The CBC that comes with the extra ``mtl-grouping[cbc]``, which PuLP does not find by itself."""
_PROOF_TOLERANCE = {
    "mip_feasibility_tolerance": 1e-9,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}


def solver_names() -> tuple[str, ...]:
    """Names of the PuLP solvers that work on this machine, the default first."""
    found = set(pulp.listSolvers(onlyAvailable=True)) - {"PULP_CBC_CMD"}  # PuLP deprecates its own CBC
    if importlib.util.find_spec("cbcbox") is not None:
        found.add(CBC)
    return tuple(sorted(found, key=lambda name: (name != DEFAULT_SOLVER, name)))


def make_solver(name: str, time_limit_s: float | None) -> pulp.LpSolver:
    """Build a PuLP solver that closes the whole gap.

    Raises:
        UnknownNameError: if no such solver is installed.
    """
    available = solver_names()
    if name not in available:
        raise UnknownNameError("solver", name, available, pointer="/solver")
    options = {"msg": False, "timeLimit": time_limit_s}
    if name == DEFAULT_SOLVER:
        # One thread: HiGHS keeps one scheduler per process, and programmes are solved from several threads.
        return pulp.HiGHS(**options, gapRel=0.0, gapAbs=0.0, threads=1, **_PROOF_TOLERANCE)
    if name == CBC:
        import cbcbox

        return pulp.COIN_CMD(path=cbcbox.cbc_bin_path(), **options, gapRel=0.0, gapAbs=0.0)
    return pulp.getSolver(name, **options, gapRel=0.0)


@dataclass(frozen=True, slots=True)
class ProgrammeResult:
    """What the solver said.

    Attributes:
        rows: chosen rows; None when it found none.
        bound: lower bound on the objective; None when it gave none.
        is_proven: whether the solver proved optimality or infeasibility.
    """

    rows: tuple[int, ...] | None
    bound: float | None
    is_proven: bool


class CoverProgramme:
    """The programme of one score table and budget; solved again after `exclude`.

    Args:
        losses: ``[N, T]`` weighted losses, NaN where a network cannot serve a task.
        costs_snt: ``[N]``.
        budget_snt: the inference budget.
        solver: PuLP's name of the solver.
        time_limit_s: wall time of one solve.
    """

    def __init__(
        self,
        losses: FloatArray,
        costs_snt: FloatArray,
        budget_snt: float,
        *,
        solver: str = DEFAULT_SOLVER,
        time_limit_s: float | None = None,
    ) -> None:
        self._solver = make_solver(solver, time_limit_s)
        self._problem = pulp.LpProblem("grouping", pulp.LpMinimize)
        add = self._problem.add_variable
        self._chosen = [add(f"x_{n}", cat="Binary") for n in range(len(costs_snt))]
        cells = [(int(n), int(t)) for n, t in np.argwhere(~np.isnan(losses))]
        serves = {(n, t): add(f"y_{n}_{t}", 0, 1) for n, t in cells}
        # Solvers work to absolute tolerances: losses are counted from the best of their task, in units of
        # the largest difference, so that their own size and unit do not matter.
        floors = np.array([_least(losses[:, t]) for t in range(losses.shape[1])])
        with np.errstate(over="ignore"):
            shifted = losses - floors
        largest = max((float(shifted[cell]) for cell in cells), default=0.0)
        if not np.isfinite(largest):
            raise InvalidInputError("The losses of a task differ by more than a number can hold.")
        self._unit = largest if largest > 0 else 1.0
        self._floor = float(floors.sum())
        self._problem += pulp.lpSum(float(shifted[cell]) / self._unit * y for cell, y in serves.items())
        for t in range(losses.shape[1]):
            self._problem += pulp.lpSum(serves[n, u] for n, u in cells if u == t) == 1
        for (n, _), y in serves.items():
            self._problem += y <= self._chosen[n]
        cost = pulp.lpSum(float(c) * x for c, x in zip(costs_snt, self._chosen, strict=True))
        self._problem += cost <= budget_snt + BUDGET_TOLERANCE * max(1.0, budget_snt)

    def exclude(self, rows: Sequence[int]) -> None:
        """Forbid this set of rows and every superset of it (which cannot serve better at less cost)."""
        self._problem += pulp.lpSum(self._chosen[n] for n in rows) <= len(rows) - 1

    def solve(self) -> ProgrammeResult:
        """Solve to proven optimality or until the time limit.

        Raises:
            SolverError: if the solver fails.
        """
        problem = self._problem
        try:
            problem.solve(self._solver)
        except pulp.PulpSolverError as error:
            raise SolverError(f"The solver {self._solver.name} failed: {error}") from error
        if problem.status == pulp.LpStatusInfeasible:
            return ProgrammeResult(None, None, is_proven=True)
        rows = tuple(n for n, x in enumerate(self._chosen) if (x.value() or 0.0) > 0.5)
        is_proven = problem.sol_status == pulp.LpSolutionOptimal
        # An objective without any term has no value in PuLP: every choice is then as good as the best.
        scaled = float(pulp.value(problem.objective) or 0.0) if is_proven else self._bound()
        bound = None if scaled is None else scaled * self._unit + self._floor
        return ProgrammeResult(rows or None, bound, is_proven)

    def _bound(self) -> float | None:
        """Scaled lower bound after an early stop: the tree's, where HiGHS tells it, or the relaxation's."""
        bounds = []
        if isinstance(self._solver, pulp.HiGHS):
            bounds.append(float(self._problem.solverModel.getInfo().mip_dual_bound))
        relaxed = self._problem.deepcopy()
        relaxed.solve(pulp.HiGHS(msg=False, mip=False, threads=1))
        if relaxed.status == pulp.LpStatusOptimal:
            bounds.append(float(pulp.value(relaxed.objective) or 0.0))
        finite = [bound for bound in bounds if np.isfinite(bound)]
        return max(finite) if finite else None


def _least(losses: FloatArray) -> float:
    known = losses[~np.isnan(losses)]
    return float(known.min()) if known.size else 0.0


def cheapest_cover(networks: Sequence[Network], tasks: Sequence[str]) -> float | None:
    """Cost in SNT of the cheapest networks that together hold every task; None if none do.

    The set cover programme: minimise ``sum c_n x_n`` with ``sum over n of task t of x_n >= 1``. Only the
    cheapest network of each group matters, so the others are left out.
    """
    cheapest: dict[frozenset[str], float] = {}
    for network in networks:
        known = cheapest.get(network.group)
        cheapest[network.group] = network.cost_snt if known is None else min(known, network.cost_snt)
    groups = sorted(cheapest, key=lambda group: (cheapest[group], sorted(group)))
    if set(tasks) - frozenset[str]().union(*groups):
        return None
    problem = pulp.LpProblem("cover", pulp.LpMinimize)
    chosen = [problem.add_variable(f"x_{n}", cat="Binary") for n in range(len(groups))]
    problem += pulp.lpSum(cheapest[group] * x for group, x in zip(groups, chosen, strict=True))
    for task in tasks:
        problem += pulp.lpSum(x for group, x in zip(groups, chosen, strict=True) if task in group) >= 1
    problem.solve(make_solver(DEFAULT_SOLVER, None))
    if problem.status != pulp.LpStatusOptimal:
        raise SolverError("The cheapest cover could not be computed.")
    return float(sum(cheapest[group] for group, x in zip(groups, chosen, strict=True) if x.value() > 0.5))
