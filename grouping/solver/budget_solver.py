"""`BudgetSolver`: the solver that a strategy is given, for estimated losses and for draws of them."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.domain.constraints import Constraints, standing_demands
from grouping.domain.groupings import Solution
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray
from grouping.solver.confidence.draw_solver import choose_in_draws
from grouping.solver.exact.instance import build_instance, by_block
from grouping.solver.exact.table_solver import TableSolver


class BudgetSolver:
    """Chooses networks for several inference budgets at once; keeps no state.

    Args:
        constraints: what a grouping must satisfy beside the budget, as far as a table tells; see
            `Constraints.known_in`.
    """

    def __init__(self, constraints: Constraints | None = None) -> None:
        self._constraints = constraints or Constraints()

    def __call__(self, table: LossTable, budgets_snt: Sequence[float]) -> tuple[Solution, ...]:
        """Find one best grouping for each inference budget, without looking for ties.

        Raises:
            InvalidInputError, SolverError: as `grouping.solver.solve`.
        """
        made = TableSolver(table, constraints=self._constraints.known_in(table))
        return tuple(made.solve(budget, max_ties=1) for budget in budgets_snt)

    def in_draws(
        self, table: LossTable, draws: FloatArray, budgets_snt: Sequence[float]
    ) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Choose rows of the table for each draw at each inference budget, ``[D][B]``.

        The choice is optimal for up to ten tasks, and for more where a short search proves it.

        Args:
            table: completely measured or predicted networks; its losses are replaced by those of each draw.
            draws: ``[D, N, T]`` losses; read where the table has losses.
            budgets_snt: inference budgets.

        Returns:
            Rows; none where nothing covers every task within the budget.
        """
        demands = standing_demands(table).merge(self._constraints.known_in(table))
        instance = build_instance(table, demands)
        by_cell = draws[:, table.cells.rows, table.cells.columns]
        chosen = choose_in_draws(instance, budgets_snt, by_block(table, demands, instance, by_cell))
        return tuple(tuple(tuple(instance.rows[list(one)].tolist()) for one in draw) for draw in chosen)


solve_budgets = BudgetSolver()
"""The one without constraints."""
