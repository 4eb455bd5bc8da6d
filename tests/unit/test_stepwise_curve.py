"""A curve that is solved while it is read, and pages that are sent while they are rendered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.errors import SolverError
from grouping.solver import CurvePoint, CurveSolver, curve_around, solve, solve_curve
from grouping.use_cases.stepwise_curve import StepwiseCurve, thinned
from grouping_api.web.rendering import WAIT, sent
from tests.tables import random_table

BUDGETS = (1.0, 2.0, 3.0)


def curve_of(
    solver: CurveSolver | None = None, asked: list[float] | None = None, budgets: tuple[float, ...] = BUDGETS
) -> StepwiseCurve:
    """A curve of a small table; each budget that is solved is noted."""
    made = solver or CurveSolver(random_table(1))

    def steps(budgets_snt: Sequence[float], smaller: CurvePoint | None) -> Iterator[CurvePoint]:
        for point in made.points(budgets_snt, smaller, None):
            if asked is not None:
                asked.append(point.solution.budget_snt)
            yield point

    return StepwiseCurve(steps, budgets, made.baselines)


class FailingOnce(CurveSolver):
    """Solver that fails at one budget the first time."""

    def __init__(self, failing: float) -> None:
        super().__init__(random_table(1))
        self.failing: float | None = failing

    def point(
        self, budget_snt: float, smaller: CurvePoint | None, *, time_limit_s: float | None = None
    ) -> CurvePoint:
        if budget_snt == self.failing:
            self.failing = None
            raise SolverError("no time")
        return super().point(budget_snt, smaller, time_limit_s=time_limit_s)


def test_what_is_read_step_by_step_is_the_curve() -> None:
    curve = curve_of(budgets=(3.0, 1.0, 2.0))
    assert list(curve.points()) == list(solve_curve(random_table(1), BUDGETS).points)
    assert curve.so_far() == solve_curve(random_table(1), BUDGETS)


def test_each_budget_is_solved_once_and_only_what_is_read() -> None:
    asked: list[float] = []
    curve = curve_of(asked=asked)
    first = curve.points()
    next(first)
    assert len(curve.so_far().points) == 1
    assert list(curve.points()) == [*curve.so_far().points]
    assert len(list(first)) == 2
    assert tuple(asked) == BUDGETS


def test_readers_who_take_turns_get_the_same_points() -> None:
    curve = curve_of()
    first, second = curve.points(), curve.points()
    taken = [next(first), next(second), next(second), next(first), next(first), next(second)]
    points = solve_curve(random_table(1), BUDGETS).points
    assert [point.solution for point in taken] == [points[place].solution for place in (0, 0, 1, 1, 2, 2)]


def test_a_budget_without_an_answer_is_tried_again_by_the_next_reader() -> None:
    curve = curve_of(FailingOnce(2.0))
    with pytest.raises(SolverError, match="no time"):
        list(curve.points())
    assert len(curve.so_far().points) == 1
    assert len(list(curve.points())) == 3


def test_the_solves_of_a_curve_share_its_time() -> None:
    shares: list[float] = []

    class Noting(CurveSolver):
        def point(
            self, budget_snt: float, smaller: CurvePoint | None, *, time_limit_s: float | None = None
        ) -> CurvePoint:
            assert time_limit_s is not None
            shares.append(time_limit_s)
            return super().point(budget_snt, smaller)

    list(Noting(random_table(1)).points(BUDGETS, None, time.monotonic() + 900.0))
    assert shares[0] <= 300 < 400 < shares[1] <= 450 < shares[2] <= 900


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
