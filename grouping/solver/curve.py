"""Loss over inference budget: the best grouping for each budget, beside baselines that need no search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.domain.constraints import Constraints, Objective, under_objective
from grouping.domain.costs import most_within
from grouping.domain.groupings import Grouping, Solution, SolutionStatus
from grouping.domain.scores import ScoreTable
from grouping.errors import SolverError
from grouping.solver.exact.feasibility import cheapest_cover
from grouping.solver.exact.programme import DEFAULT_SOLVER
from grouping.solver.exact.table_solver import TableSolver

BUDGET_STEP_SNT = 0.5


@dataclass(frozen=True, slots=True)
class RandomLosses:
    """Weighted total validation losses of random groupings within a budget; see `draw_random`.

    Attributes:
        n_draws: number of groupings drawn.
        mean: mean of their losses.
        worst: largest of their losses.
    """

    n_draws: int
    mean: float
    worst: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The best grouping for one inference budget.

    Attributes:
        solution: the solver's answer, chosen on validation losses.
        test_loss: weighted total test loss of that grouping; None where unknown. Reported, never decided on.
        is_dominated: whether a smaller budget reaches the same loss.
        random: losses of random groupings within the budget; None if none was found.
    """

    solution: Solution
    test_loss: float | None
    is_dominated: bool = False
    random: RandomLosses | None = None


@dataclass(frozen=True, slots=True)
class BaselinePoint:
    """A choice of networks that needs no search, with its cost and losses.

    Attributes:
        name: name of the baseline, such as ``all together``.
        cost_snt: inference cost.
        loss: weighted total validation loss.
        test_loss: weighted total test loss; None where unknown.
    """

    name: str
    cost_snt: float
    loss: float
    test_loss: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Best groupings over ascending inference budgets; the loss never rises with the budget.

    Attributes:
        points: one per budget, ascending.
        baselines: those whose networks are in the table.
    """

    points: tuple[CurvePoint, ...]
    baselines: tuple[BaselinePoint, ...]


def default_budgets(table: ScoreTable) -> tuple[float, ...]:
    """Return budgets of a curve, by halves: from the cheapest cover, rounded up, to one SNT per task."""
    cheapest = cheapest_cover(table)
    last = float(len(table.tasks))
    first = last if cheapest is None else math.ceil(cheapest / BUDGET_STEP_SNT - 1e-9) * BUDGET_STEP_SNT
    steps = max(0, round((last - first) / BUDGET_STEP_SNT))
    return tuple(first + BUDGET_STEP_SNT * i for i in range(steps + 1))


class CurveSolver:
    """Solves a curve budget by budget, in ascending order.

    Args:
        table: the score table.
        constraints: what a grouping must satisfy beside the budget. The baselines do not heed them.
        objective: raw weighted sum of losses, or relative to the losses alone.
        solver: PuLP's name of the solver.
        n_random: how many random groupings are drawn for each budget.
        seed: seed of the random groupings; those of a budget do not depend on the other budgets.

    Raises:
        InvalidInputError, UnknownNameError: as `solve`, for what is wrong whatever the budget.
    """

    def __init__(
        self,
        table: ScoreTable,
        *,
        constraints: Constraints | None = None,
        objective: Objective = Objective.SUM,
        solver: str = DEFAULT_SOLVER,
        n_random: int = 100,
        seed: int = 0,
    ) -> None:
        self._solver = TableSolver(table, constraints=constraints, objective=objective, solver=solver)
        self._draws = n_random, seed

    def default_budgets(self) -> tuple[float, ...]:
        """Return the budgets of a curve; see `default_budgets`."""
        return default_budgets(self._solver.table)

    @property
    def baselines(self) -> tuple[BaselinePoint, ...]:
        """Those whose networks are in the table."""
        return _baselines(self._solver.table)

    def point(
        self, budget_snt: float, smaller: CurvePoint | None, *, time_limit_s: float | None = None
    ) -> CurvePoint:
        """Solve for a budget; each search starts from what the smaller budgets have found.

        Args:
            budget_snt: the budget, positive.
            smaller: point of the next smaller budget; None for the first.
            time_limit_s: wall time. Where it leaves a worse answer than the smaller budget has, the answer of
                the smaller budget is kept.

        Raises:
            InvalidInputError, SolverError: as `solve`.
        """
        before = None if smaller is None else smaller.solution
        try:
            solution = self._solver.solve(budget_snt, time_limit_s=time_limit_s)
        except SolverError:
            if before is None or before.grouping is None:
                raise
            solution = replace(
                before, budget_snt=budget_snt, status=SolutionStatus.FEASIBLE, bound=None, ties=()
            )
        if before is not None and solution.status is SolutionStatus.FEASIBLE:
            solution = _keep_better(before, solution)
        is_dominated = before is not None and before.loss is not None and before.loss == solution.loss
        return _point(self._solver.table, solution, *self._draws, is_dominated=is_dominated)


def solve_curve(
    table: ScoreTable,
    budgets_snt: Sequence[float] | None = None,
    *,
    constraints: Constraints | None = None,
    objective: Objective = Objective.SUM,
    solver: str = DEFAULT_SOLVER,
    time_limit_s: float | None = None,
    n_random: int = 100,
    seed: int = 0,
) -> Curve:
    """Solve for several budgets; each search starts from what the smaller budgets have found.

    Args:
        table: the score table.
        budgets_snt: positive budgets in any order; `default_budgets` unless given.
        constraints: what a grouping must satisfy beside the budget. The baselines do not heed them.
        objective: raw weighted sum of losses, or relative to the losses alone.
        solver: PuLP's name of the solver.
        time_limit_s: wall time of each solve. Where it leaves a worse answer than a smaller budget has,
            the answer of the smaller budget is kept.
        n_random: how many random groupings are drawn for each budget.
        seed: seed of the random groupings; those of a budget do not depend on the other budgets.

    Raises:
        InvalidInputError, UnknownNameError, SolverError: as `solve`.
    """
    made = CurveSolver(
        table, constraints=constraints, objective=objective, solver=solver, n_random=n_random, seed=seed
    )
    points: list[CurvePoint] = []
    for budget in sorted(set(made.default_budgets() if budgets_snt is None else budgets_snt)):
        points.append(made.point(budget, points[-1] if points else None, time_limit_s=time_limit_s))
    return Curve(tuple(points), made.baselines)


def curve_around(
    table: ScoreTable,
    solution: Solution,
    *,
    objective: Objective = Objective.SUM,
    n_random: int = 100,
    seed: int = 0,
) -> Curve:
    """Return the curve of one budget that is solved already: its random groupings, and the baselines.

    Args:
        table: the score table.
        solution: the answer for the budget, by the same objective.
        objective: raw weighted sum of losses, or relative to the losses alone.
        n_random: how many random groupings are drawn.
        seed: seed of the random groupings.
    """
    table = under_objective(table.on_common_seeds(), objective)
    return Curve((_point(table, solution, n_random, seed),), _baselines(table))


def _point(
    table: ScoreTable, solution: Solution, n_random: int, seed: int, *, is_dominated: bool = False
) -> CurvePoint:
    random = draw_random(table, solution.budget_snt, n_random, np.random.default_rng(seed))
    return CurvePoint(solution, _test_loss(table, solution.grouping), is_dominated, random)


def draw_random(
    table: ScoreTable, budget_snt: float, n_draws: int, generator: np.random.Generator
) -> RandomLosses | None:
    """Draw random groupings within a budget and return their losses; None if none was found.

    A draw takes, while a task is not covered, a network uniformly from those that hold a random uncovered
    task and still fit, then any that fit; it is discarded if it gets stuck.
    """
    costs, losses = table.costs_snt, np.where(table.is_complete[:, None], table.validation, np.nan)
    holders = [np.flatnonzero(~np.isnan(losses[:, t])) for t in range(len(table.tasks))]
    complete = np.flatnonzero(table.is_complete)
    totals = []
    for _ in range(n_draws):
        left = budget_snt
        served = np.full(len(table.tasks), np.inf)
        while True:
            open_tasks = np.flatnonzero(np.isinf(served))
            pool = holders[generator.choice(open_tasks)] if open_tasks.size else complete
            pool = pool[costs[pool] <= left + most_within(budget_snt) - budget_snt]
            if not pool.size:
                break
            n = generator.choice(pool)
            served = np.fmin(served, losses[n])
            left -= costs[n]
        if np.isfinite(served).all():
            totals.append(float(np.dot(served, table.weights)))
    if not totals:
        return None
    return RandomLosses(len(totals), float(np.mean(totals)), max(totals))


def _keep_better(smaller: Solution, larger: Solution) -> Solution:
    if smaller.loss is None or larger.loss is None or larger.loss <= smaller.loss:
        return larger
    bound = None if larger.bound is None else min(larger.bound, smaller.loss)
    return replace(larger, grouping=smaller.grouping, loss=smaller.loss, bound=bound)


def _test_loss(table: ScoreTable, grouping: Grouping | None) -> float | None:
    if grouping is None:
        return None
    loss = grouping.total_loss(table, table.test)
    return None if np.isnan(loss) else loss


def _baselines(table: ScoreTable) -> tuple[BaselinePoint, ...]:
    names = table.task_names
    wanted = {
        "all together": [table.find_position(frozenset(names))],
        "all alone": [table.find_position(frozenset({name})) for name in names],
        "all alone, half size": [table.find_position(frozenset({name}), 0.5) for name in names],
    }
    points = []
    for name, found in wanted.items():
        rows = [row for row in found if row is not None and table.is_complete[row]]
        if len(rows) == len(found) and not (name != "all together" and len(names) == 1):
            grouping = Grouping.from_rows(table, rows)
            loss = grouping.total_loss(table, table.validation)
            points.append(BaselinePoint(name, grouping.cost_snt, loss, _test_loss(table, grouping)))
    return tuple(points)
