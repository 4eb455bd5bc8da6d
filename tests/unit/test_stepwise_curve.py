"""A curve that is solved while it is read, and pages that are sent while they are rendered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.errors import SolverError
from grouping.solver import CurvePoint, CurveSolver, curve_around, solve, solve_curve
from grouping.use_cases.stepwise_curve import CURVE_TIME_S, StepwiseCurve, thinned
from grouping_api.web.rendering import WAIT, sent
from tests.tables import random_table

BUDGETS = (1.0, 2.0, 3.0)


class Counting(CurveSolver):
    """Solver that notes what it is asked, and fails at first where it is told to."""

    def __init__(self, failing: float | None = None) -> None:
        super().__init__(random_table(1))
        self.asked: list[tuple[float, float | None]] = []
        self.failing = failing

    def point(
        self, budget_snt: float, smaller: CurvePoint | None, *, time_limit_s: float | None = None
    ) -> CurvePoint:
        self.asked.append((budget_snt, time_limit_s))
        if budget_snt == self.failing:
            self.failing = None
            raise SolverError("no time")
        return super().point(budget_snt, smaller, time_limit_s=time_limit_s)


def test_what_is_read_step_by_step_is_the_curve() -> None:
    curve = StepwiseCurve(CurveSolver(random_table(1)), (3.0, 1.0, 2.0), time_limit_s=10)
    assert list(curve.points()) == list(solve_curve(random_table(1), BUDGETS).points)
    assert curve.so_far() == solve_curve(random_table(1), BUDGETS)


def test_each_budget_is_solved_once_and_only_what_is_read() -> None:
    solver = Counting()
    curve = StepwiseCurve(solver, BUDGETS, time_limit_s=60)
    first = curve.points()
    next(first)
    assert len(curve.so_far().points) == 1
    assert list(curve.points()) == [*curve.so_far().points]
    assert len(list(first)) == 2
    assert solver.asked == [(budget, CURVE_TIME_S / 3) for budget in BUDGETS]


def test_a_budget_without_an_answer_is_tried_again_by_the_next_reader() -> None:
    curve = StepwiseCurve(Counting(failing=2.0), BUDGETS, time_limit_s=1)
    with pytest.raises(SolverError, match="no time"):
        list(curve.points())
    assert len(curve.so_far().points) == 1
    assert len(list(curve.points())) == 3


def test_the_curve_around_a_solution_is_that_of_its_budget() -> None:
    table = random_table(2)
    assert curve_around(table, solve(table, 2.0)) == solve_curve(table, [2.0])


@given(st.integers(1, 400), st.integers(2, 40))
def test_thinned_budgets_are_few_and_keep_both_ends(n: int, most: int) -> None:
    budgets = tuple(0.5 * (i + 1) for i in range(n))
    kept = thinned(budgets, most)
    assert len(kept) <= most + 1
    assert (kept[0], kept[-1]) == (budgets[0], budgets[-1])
    assert kept == tuple(sorted(set(kept) & set(budgets)))
    assert kept == budgets or len(budgets) > most


def test_what_stands_above_a_wait_is_sent_before_what_follows_is_made() -> None:
    made = []

    def pieces() -> Iterator[str]:
        for piece in ("head", str(WAIT), "slow ", "tail"):
            made.append(piece)
            yield piece

    parts = sent(pieces())
    assert next(parts) == f"head{WAIT}"
    assert made == ["head", WAIT]
    assert list(parts) == ["slow tail"]
