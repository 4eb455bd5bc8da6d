"""A curve that is solved while it is read, budget by budget, so that what is known can be shown at once."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence

from grouping.solver import Curve, CurvePoint, CurveSolver

MOST_BUDGETS = 31
"""Most budgets of a curve that somebody waits for; with more, every second or third is solved, and so on."""
CURVE_TIME_S = 30.0
"""Wall time in seconds that is shared out among the solves of such a curve."""


class StepwiseCurve:
    """Curve whose points are solved when they are first read; safe to read from several threads.

    Each budget is solved once, by the reader who comes to it first, while the others wait. What a reader
    leaves unread stays unsolved.

    Args:
        solver: what solves.
        budgets_snt: positive budgets.
        time_limit_s: most wall time of one solve.
    """

    def __init__(self, solver: CurveSolver, budgets_snt: Sequence[float], *, time_limit_s: float) -> None:
        self.budgets_snt = tuple(sorted(set(budgets_snt)))
        self._solver = solver
        self._time_limit_s = min(time_limit_s, CURVE_TIME_S / max(1, len(self.budgets_snt)))
        self._solved: list[CurvePoint] = []
        self._lock = threading.Lock()

    def points(self) -> Iterator[CurvePoint]:
        """Yield a point per budget, ascending, solving those that are not solved yet.

        Raises:
            SolverError: as `CurveSolver.point`; the next reader tries that budget again.
        """
        for place, budget in enumerate(self.budgets_snt):
            with self._lock:
                if place == len(self._solved):
                    smaller = self._solved[-1] if self._solved else None
                    point = self._solver.point(budget, smaller, time_limit_s=self._time_limit_s)
                    self._solved.append(point)
            yield self._solved[place]

    def so_far(self) -> Curve:
        """Return the curve of the budgets that are solved."""
        return Curve(tuple(self._solved), self._solver.baselines)


def thinned(budgets_snt: Sequence[float], most: int = MOST_BUDGETS) -> tuple[float, ...]:
    """Return at most about `most` of ascending budgets, evenly spread, with the first and the last."""
    step = max(1, math.ceil((len(budgets_snt) - 1) / (most - 1)))
    return tuple(dict.fromkeys((*budgets_snt[::step], *budgets_snt[-1:])))
