"""The whole curve: the best grouping for each inference budget, beside baselines that need no search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.domain.groupings import Grouping, Solution, SolutionStatus
from grouping.domain.scores import ScoreTable
from grouping.errors import SolverError
from grouping.solver.exact import solve
from grouping.solver.programme import DEFAULT_SOLVER, cheapest_cover

BUDGET_STEP_SNT = 0.5


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The answer for one budget.

    Attributes:
        solution: the solver's answer, chosen on validation losses.
        test_loss: weighted total test loss of that grouping; None where unknown. Reported, never decided on.
    """

    solution: Solution
    test_loss: float | None


@dataclass(frozen=True, slots=True)
class BaselinePoint:
    """A choice of networks that needs no search.

    Attributes:
        name: such as ``all together``.
        cost_snt: what it costs.
        loss: weighted total validation loss.
        test_loss: weighted total test loss; None where unknown.
    """

    name: str
    cost_snt: float
    loss: float
    test_loss: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Groupings over inference budgets; the loss never rises with the budget.

    Attributes:
        points: one per budget, ascending.
        baselines: those whose networks are in the table.
    """

    points: tuple[CurvePoint, ...]
    baselines: tuple[BaselinePoint, ...]


def default_budgets(table: ScoreTable) -> tuple[float, ...]:
    """From the cheapest cover, rounded up to a half, to one full-size network per task, by halves."""
    measured = [network for n, network in enumerate(table.networks) if table.is_complete[n]]
    cheapest = cheapest_cover(measured, table.task_names)
    last = float(len(table.tasks))
    first = last if cheapest is None else math.ceil(cheapest / BUDGET_STEP_SNT - 1e-9) * BUDGET_STEP_SNT
    steps = max(0, round((last - first) / BUDGET_STEP_SNT))
    return tuple(first + BUDGET_STEP_SNT * i for i in range(steps + 1))


def solve_curve(
    table: ScoreTable,
    budgets_snt: Sequence[float] | None = None,
    *,
    solver: str = DEFAULT_SOLVER,
    time_limit_s: float | None = None,
) -> Curve:
    """Solve for several budgets.

    Args:
        table: the score table.
        budgets_snt: positive budgets in any order; `default_budgets` unless given.
        solver: PuLP's name of the solver.
        time_limit_s: wall time of each solve. Where it leaves a worse answer than a smaller budget has,
            the answer of the smaller budget is kept.

    Raises:
        InvalidInputError, UnknownNameError, SolverError: as `solve`.
    """
    table = table.on_common_seeds()
    budgets = default_budgets(table) if budgets_snt is None else budgets_snt
    points: list[CurvePoint] = []
    for budget in sorted(set(budgets)):
        smaller = points[-1].solution if points else None
        try:
            solution = solve(table, budget, solver=solver, time_limit_s=time_limit_s)
        except SolverError:
            if smaller is None or smaller.grouping is None:
                raise
            solution = replace(
                smaller, budget_snt=budget, status=SolutionStatus.FEASIBLE, bound=None, ties=()
            )
        if smaller is not None and solution.status is SolutionStatus.FEASIBLE:
            solution = _keep_better(smaller, solution)
        points.append(CurvePoint(solution, _test_loss(table, solution.grouping)))
    return Curve(tuple(points), _baselines(table))


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
