"""Score tables and what is derived from them, computed once per revision.

A table grows while its job runs, so everything is kept under the revision it was read at. Solving never
holds a transaction: the scores are read first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar, cast

from api.settings import Settings
from grouping.domain.affinity import METHODS, AffinityMatrix
from grouping.domain.groupings import Solution
from grouping.domain.jobs import Job
from grouping.domain.scores import ScoreTable
from grouping.domain.trials import Purpose
from grouping.errors import UnknownNameError
from grouping.solver import Curve, Recommendation, recommend, solve, solve_curve
from grouping.store import Store, TableInfo

CACHE_SIZE = 64

T = TypeVar("T")


class Readings:
    """Reads score tables and solves them, with a small cache; safe to use from several threads."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._time_limit_s = settings.solve_time_limit_s
        self._kept: OrderedDict[Hashable, object] = OrderedDict()
        self._lock = threading.Lock()

    def info(self, table_id: str) -> TableInfo:
        """What a table is.

        Raises:
            NotFoundError: if there is none.
        """
        return self._store.get_table_info(table_id)

    def table(self, info: TableInfo, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0) -> ScoreTable:
        """The scores of one kind of trials."""
        return self._once(
            ("table", info.id, info.revision, purpose, fidelity),
            lambda: self._store.score_table(info.id, purpose=purpose, fidelity=fidelity),
        )

    def curve(self, info: TableInfo, budgets_snt: Sequence[float] | None = None) -> Curve:
        """Groupings over budgets; the usual budgets unless given."""
        budgets = None if budgets_snt is None else tuple(budgets_snt)
        return self._once(
            ("curve", info.id, info.revision, budgets),
            lambda: solve_curve(self.table(info), budgets, time_limit_s=self._time_limit_s),
        )

    def solution(self, info: TableInfo, budget_snt: float) -> Solution:
        """The grouping for one budget."""
        return self._once(
            ("solution", info.id, info.revision, budget_snt),
            lambda: solve(self.table(info), budget_snt, time_limit_s=self._time_limit_s),
        )

    def affinity(self, info: TableInfo, method: str) -> AffinityMatrix:
        """The affinity matrix by one of `METHODS`.

        Raises:
            UnknownNameError: if there is no such method.
        """
        if method not in METHODS:
            raise UnknownNameError("affinity method", method, tuple(METHODS))
        return self._once(
            ("affinity", info.id, info.revision, method), lambda: METHODS[method](self.table(info))
        )

    def recommendations(self, job: Job, info: TableInfo) -> tuple[Recommendation, ...]:
        """What is recommended for each budget of a job, on what has been trained so far."""

        def compute() -> tuple[Recommendation, ...]:
            confirmation = None
            if job.spec.n_confirmation_seeds:
                confirmation = self.table(info, Purpose.CONFIRMATION)
            known = confirmation if confirmation is not None and confirmation.seeds else None
            return recommend(self.table(info), known, job.spec.budgets_snt, time_limit_s=self._time_limit_s)

        return self._once(("recommendations", info.id, info.revision), compute)

    def _once(self, key: Hashable, compute: Callable[[], T]) -> T:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast(T, self._kept[key])
        value = compute()
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > CACHE_SIZE:
                self._kept.popitem(last=False)
        return value
