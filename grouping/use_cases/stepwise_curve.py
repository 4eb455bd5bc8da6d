"""A curve that is solved while it is read, budget by budget, so that what is known can be shown at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from grouping.domain.tables.score_table import ScoreTable
from grouping.solver import BaselinePoint, Curve, CurvePoint, CurveSolver

MOST_BUDGETS = 31
"""Most budgets of a curve that somebody waits for; with more, every second or third is solved, and so on."""
CURVE_TIME_S = 30.0
"""Wall time in seconds that is shared out among the solves of such a curve."""

Steps = Callable[[Sequence[float], CurvePoint | None], Iterator[CurvePoint]]
"""What solves: it is given budgets, and the point of the next smaller one, and yields a point for each."""


class StepwiseCurve:
    """Curve whose points are solved when they are first read; safe to read from several threads.

    Each budget is solved once, by the reader who comes to it first, while the others wait. What a reader
    leaves unread stays unsolved.

    Args:
        steps: what solves.
        budgets_snt: positive budgets.
        baselines: those of the table.
    """

    def __init__(
        self, steps: Steps, budgets_snt: Sequence[float], baselines: tuple[BaselinePoint, ...]
    ) -> None:
        self.budgets_snt = tuple(sorted(set(budgets_snt)))
        self._steps = steps
        self._baselines = baselines
        self._solved: list[CurvePoint] = []
        self._lock = threading.Lock()

    def points(self) -> Iterator[CurvePoint]:
        """Yield a point per budget, ascending, solving those that are not solved yet.

        Raises:
            SolverError: as `CurveSolver.point`; the next reader tries that budget again.
        """
        steps: Iterator[CurvePoint] = iter(())
        next_of_steps = -1
        for place in range(len(self.budgets_snt)):
            with self._lock:
                if place == len(self._solved):
                    if place != next_of_steps:  # nothing is begun, or another reader went on
                        steps = self._steps(
                            self.budgets_snt[place:], self._solved[-1] if self._solved else None
                        )
                    self._solved.append(next(steps))
                    next_of_steps = place + 1
            yield self._solved[place]

    def so_far(self) -> Curve:
        """Return the curve of the budgets that are solved."""
        return Curve(tuple(self._solved), self._baselines)


def curve_steps(
    table: ScoreTable,
    options: dict[str, Any],
    budgets_snt: Sequence[float],
    smaller: CurvePoint | None,
    time_limit_s: float,
) -> Iterator[CurvePoint]:
    """Solve for budgets one after another; see `CurveSolver.points`.

    Args:
        table: the score table.
        options: those of `CurveSolver`.
        budgets_snt: the budgets, ascending.
        smaller: point of the next smaller budget; None for none.
        time_limit_s: wall time of all of them together.
    """
    return CurveSolver(table, **options).points(budgets_snt, smaller, time.monotonic() + time_limit_s)


def curve_baselines(table: ScoreTable, options: dict[str, Any]) -> tuple[BaselinePoint, ...]:
    """Return the baselines of a curve.

    Raises:
        InvalidInputError: if what is demanded cannot be read on this table.
    """
    return CurveSolver(table, **options).baselines


def thinned(budgets_snt: Sequence[float], most: int = MOST_BUDGETS) -> tuple[float, ...]:
    """Return at most about `most` of ascending budgets, evenly spread, with the first and the last."""
    step = max(1, math.ceil((len(budgets_snt) - 1) / (most - 1)))
    return tuple(dict.fromkeys((*budgets_snt[::step], *budgets_snt[-1:])))
