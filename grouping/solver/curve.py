"""Loss over inference budget: the best grouping for each budget, beside baselines that need no search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.domain.constraints import Constraints, Objective, under_objective
from grouping.domain.costs import most_within
from grouping.domain.groupings import Grouping, Solution, SolutionStatus
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import SolverError
from grouping.solver.deadlines import deadline_in, is_past, share_s
from grouping.solver.exact.feasibility import cheapest_cover
from grouping.solver.exact.programme import DEFAULT_SOLVER
from grouping.solver.exact.table_solver import TableSolver

BUDGET_STEP_SNT = 0.5
N_EVEN_BUDGETS = 8
MOST_BUDGETS = 80
"""Most steps between the budgets of a curve that are not named."""
COVER_TIME_S = 2.0
"""Wall time for the cover that such a curve begins with: it need not be the cheapest."""
MOST_PICKS = 5_000
"""Networks that are picked for the random groupings of a budget; on tables of many tasks fewer are drawn."""


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
    """Return the budgets of a curve, from the cheapest cover to every task alone.

    In SNT they go by halves, from the cover rounded up to one SNT per task; where these were more than
    `MOST_BUDGETS`, by whole SNT, by twos, fives, tens, and so on. In the unit of a further cost they are
    evenly spaced, to the cost of the best grouping of all.
    """
    if table.cost_unit != "SNT":
        return _even_budgets(table)
    cheapest = cheapest_cover(table, time_limit_s=COVER_TIME_S)
    last = float(len(table.tasks))
    first = last if cheapest is None else math.ceil(cheapest / BUDGET_STEP_SNT - 1e-9) * BUDGET_STEP_SNT
    steps = (BUDGET_STEP_SNT * factor * 10**power for power in range(4) for factor in (1, 2, 4, 10))
    step = next(step for step in steps if (last - first) / step <= MOST_BUDGETS)
    found = [first + step * i for i in range(max(0, math.floor((last - first) / step + 1e-9)) + 1)]
    return tuple(dict.fromkeys((*found, max(first, last))))


def _even_budgets(table: ScoreTable) -> tuple[float, ...]:
    cover, last = cheapest_cover(table, time_limit_s=COVER_TIME_S), _cost_of_best(table)
    if cover is None or cover >= last:
        return (cover or last,)
    steps = np.linspace(cover, last, N_EVEN_BUDGETS)[1:]
    return tuple(dict.fromkeys((cover, *(float(f"{step:.3g}") for step in steps))))


def _cost_of_best(table: ScoreTable) -> float:
    """Return the cost of the networks that serve each task best: no larger budget lowers the loss."""
    order = np.lexsort((table.costs_snt[table.cells.rows], table.cell_losses, table.cells.columns))
    _, first = np.unique(table.cells.columns[order], return_index=True)
    return float(table.costs_snt[np.unique(table.cells.rows[order[first]])].sum())


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
            solution = _kept(before, budget_snt)
        if before is not None and solution.status is SolutionStatus.FEASIBLE:
            solution = _keep_better(before, solution)
        is_dominated = before is not None and before.loss is not None and before.loss == solution.loss
        return _point(self._solver.table, solution, *self._draws, is_dominated=is_dominated)

    def points(
        self, budgets_snt: Sequence[float], smaller: CurvePoint | None, deadline: float | None
    ) -> Iterator[CurvePoint]:
        """Solve for budgets one after another.

        Args:
            budgets_snt: the budgets, ascending.
            smaller: point of the next smaller budget; None for none.
            deadline: a time of `time.monotonic`; each solve may take an equal share of what is left.

        Raises:
            InvalidInputError, SolverError: as `solve`.
        """
        for place, budget in enumerate(budgets_snt):
            before = None if smaller is None else smaller.solution
            if before is not None and before.grouping is not None and is_past(deadline):
                smaller = CurvePoint(_kept(before, budget), smaller.test_loss if smaller else None)
            else:
                share = share_s(deadline, len(budgets_snt) - place)
                smaller = self.point(budget, smaller, time_limit_s=share)
            yield smaller


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
        time_limit_s: wall time of all solves together, of which each may take an equal share of what is
            left. Where it leaves a worse answer than a smaller budget has, that of the smaller one is kept.
        n_random: how many random groupings are drawn for each budget.
        seed: seed of the random groupings; those of a budget do not depend on the other budgets.

    Raises:
        InvalidInputError, UnknownNameError, SolverError: as `solve`.
    """
    deadline = deadline_in(time_limit_s)
    made = CurveSolver(
        table, constraints=constraints, objective=objective, solver=solver, n_random=n_random, seed=seed
    )
    budgets = sorted(set(made.default_budgets() if budgets_snt is None else budgets_snt))
    return Curve(tuple(made.points(budgets, None, deadline)), made.baselines)


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
    cells, losses = table.cells, table.cell_losses
    costs, slack = table.costs_snt, most_within(budget_snt) - budget_snt
    complete = np.flatnonzero(table.is_complete)
    complete = complete[np.argsort(costs[complete], kind="stable")]
    rank = np.full(len(costs), len(costs))  # those that fit come first everywhere
    rank[complete] = np.arange(complete.size)
    order = np.lexsort((rank[cells.rows], cells.columns))
    order = order[table.is_complete[cells.rows[order]]]
    pools = np.split(cells.rows[order], np.searchsorted(cells.columns[order], np.arange(1, len(table.tasks))))
    pools.append(complete)
    costs_of = [costs[pool] for pool in pools]
    totals: list[float] = []
    n_picks = 0
    for _ in range(n_draws):
        if totals and n_picks > MOST_PICKS:
            break
        left = budget_snt
        served = np.full(len(table.tasks), np.inf)
        while n_picks <= 2 * MOST_PICKS:
            open_tasks = np.flatnonzero(np.isinf(served))
            at = int(generator.choice(open_tasks)) if open_tasks.size else -1
            n_fitting = int(np.searchsorted(costs_of[at], left + slack, side="right"))
            if not n_fitting:
                break
            n = int(pools[at][generator.integers(n_fitting)])
            own = cells.of_row(n)
            served[cells.columns[own]] = np.fmin(served[cells.columns[own]], losses[own])
            left -= costs[n]
            n_picks += 1
        if np.isfinite(served).all():
            totals.append(float(np.dot(served, table.weights)))
    if not totals:
        return None
    return RandomLosses(len(totals), float(np.mean(totals)), max(totals))


def _kept(smaller: Solution, budget_snt: float) -> Solution:
    """Return the answer of a smaller budget as one for a budget that there was no time to solve for."""
    return replace(smaller, budget_snt=budget_snt, status=SolutionStatus.FEASIBLE, bound=None, ties=())


def _keep_better(smaller: Solution, larger: Solution) -> Solution:
    if smaller.loss is None or larger.loss is None or larger.loss <= smaller.loss:
        return larger
    bound = None if larger.bound is None else min(larger.bound, smaller.loss)
    return replace(larger, grouping=smaller.grouping, loss=smaller.loss, bound=bound)


def _test_loss(table: ScoreTable, grouping: Grouping | None) -> float | None:
    if grouping is None:
        return None
    loss = grouping.total_loss(table, table.cell_test_losses)
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
            loss = grouping.total_loss(table, table.cell_losses)
            points.append(BaselinePoint(name, grouping.cost_snt, loss, _test_loss(table, grouping)))
    return tuple(points)
