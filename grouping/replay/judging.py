"""Judgement of recommendations: the loss of a recommended grouping, on the whole table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from grouping.domain.groupings import Grouping
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.predicted_losses import PredictedLosses
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.errors import InvalidInputError
from grouping.replay.oracle import Oracle, RevealedLosses
from grouping.solver import solve_budgets


@dataclass(frozen=True, eq=False)
class Reference:
    """Best groupings of the whole table at `B` inference budgets.

    Attributes:
        budgets_snt: the budgets, ascending.
        validation: ``[B]``, least total validation loss L*.
        test: ``[B]``, total test loss of that grouping; NaN where the table has no test losses.
    """

    budgets_snt: tuple[float, ...]
    validation: FloatArray = field(repr=False)
    test: FloatArray = field(repr=False)


def find_reference(table: ScoreTable, budgets_snt: Sequence[float]) -> Reference:
    """Solve the whole table for each budget.

    Raises:
        InvalidInputError: if a budget is too small for any grouping, or the least loss is not positive, so
            that there is no relative regret.
    """
    budgets = tuple(sorted(set(budgets_snt)))
    solutions = solve_budgets(table, budgets)
    if too_small := [s.budget_snt for s in solutions if s.grouping is None]:
        raise InvalidInputError(
            f"No grouping of this table fits an inference budget of {too_small[-1]:g}: leave it out."
        )
    groupings = [solution.require_grouping() for solution in solutions]
    validation = np.array([grouping.total_loss(table, table.cell_losses) for grouping in groupings])
    if (validation <= 0).any():
        raise InvalidInputError(
            "The least total loss is not positive, so a regret relative to it says nothing. If the values "
            "are gains (higher is better), say so."
        )
    test = np.array([grouping.total_loss(table, table.cell_test_losses) for grouping in groupings])
    return Reference(budgets, validation, test)


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges what can be recommended from a part of the table.

    Attributes:
        oracle: the table.
        reference: its best groupings.
    """

    oracle: Oracle
    reference: Reference

    def losses(
        self, rows: Sequence[int], budgets: Sequence[int], answers: RevealedLosses, seed: int
    ) -> tuple[FloatArray, FloatArray]:
        """Compute true losses of the groupings that are best by the revealed validation losses.

        Args:
            rows: networks that are measured.
            budgets: positions of inference budgets in the reference.
            answers: which losses trainings revealed; also decides which network serves a task.
            seed: seed of the search, which decides the same.

        Returns:
            Total validation and test losses, one for each of the budgets; NaN where no grouping of these
            networks covers every task within the budget.
        """
        validation, test = np.full((2, len(budgets)), np.nan)
        truth = self.oracle.truth
        if not truth.membership[list(rows)].any(axis=0).all():
            return validation, test
        part = truth.select(list(rows))
        known = self._revealed(part, rows, answers, seed)
        wanted = [self.reference.budgets_snt[b] for b in budgets]
        for i, solution in enumerate(solve_budgets(known, wanted)):
            if solution.grouping is not None:
                validation[i] = solution.grouping.total_loss(part, part.cell_losses)
                test[i] = _test_loss(solution.grouping, part)
        return validation, test

    def _revealed(
        self, part: ScoreTable, rows: Sequence[int], answers: RevealedLosses, seed: int
    ) -> LossTable:
        if answers is RevealedLosses.MEAN or len(part.seeds) < 2:
            return part
        return PredictedLosses(part.tasks, part.networks, self.oracle.losses(answers, seed)[list(rows)])


def _test_loss(grouping: Grouping, table: ScoreTable) -> float:
    return grouping.total_loss(table, table.cell_test_losses)
