"""The solver as strategies are given it: what to choose under an estimate, and under draws of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grouping.domain.constraints import Constraints
from grouping.domain.groupings import Solution
from grouping.domain.scores import FloatArray, LossTable
from grouping.solver.confidence.solved_draws import choose_in_draws
from grouping.solver.exact.instance import build_instance
from grouping.solver.exact.table_solver import TableSolver


class BudgetSolver:
    """Chooses networks for several inference budgets at once; holds nothing."""

    def __call__(self, table: LossTable, budgets_snt: Sequence[float]) -> tuple[Solution, ...]:
        """One best grouping for each inference budget, without looking for ties.

        Raises:
            InvalidInputError, SolverError: as `grouping.solver.solve`.
        """
        made = TableSolver(table)
        return tuple(made.solve(budget, max_ties=1) for budget in budgets_snt)

    def in_draws(
        self, table: LossTable, draws: FloatArray, budgets_snt: Sequence[float]
    ) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Rows of the table to choose for each draw at each inference budget, ``[D][B]``.

        Optimal for up to ten tasks, and for more where a short search proves it.

        Args:
            table: completely measured or predicted networks; its losses are replaced by those of each draw.
            draws: ``[D, N, T]`` losses; read where the table has losses.
            budgets_snt: inference budgets.

        Returns:
            Rows; none where nothing covers every task within the budget.
        """
        instance = build_instance(table, Constraints())
        weighted = np.where(np.isfinite(table.validation), draws, 0.0)[:, instance.rows] * table.weights
        blocks = Constraints().blocks(table.task_names)
        by_block = np.stack([weighted[..., list(block)].sum(axis=-1) for block in blocks], axis=-1)
        chosen = choose_in_draws(instance, budgets_snt, by_block)
        return tuple(tuple(tuple(instance.rows[list(one)].tolist()) for one in draw) for draw in chosen)


solve_budgets = BudgetSolver()
"""The one there is."""
