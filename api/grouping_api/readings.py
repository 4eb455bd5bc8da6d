"""Score tables and what is derived from them, computed once per revision.

A table grows while its job runs, so everything is kept under the revision it was read at. Solving never
holds a transaction: the scores are read first. Who asks for what is being computed waits for it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar, cast

import numpy as np

from grouping.domain.affinity import AffinityMatrix
from grouping.domain.affinity_methods import METHODS
from grouping.domain.groupings import Solution
from grouping.domain.jobs import Job
from grouping.domain.scores import ScoreTable
from grouping.domain.trials import Purpose
from grouping.domain.verdicts import Verdict, judge
from grouping.errors import NotMeasuredError, UnknownNameError
from grouping.solver import (
    Confidence,
    Curve,
    Explanation,
    PairwiseEstimate,
    Ranked,
    Recommendation,
    assess_confidence,
    best_groupings,
    cheapest_cover,
    default_budgets,
    explain,
    recommend,
    solve,
    solve_curve,
    solve_pairwise,
)
from grouping.store import Store, TableInfo
from grouping.strategies.affinity.from_table import table_affinity
from grouping.wire.solving import ConfidenceIn, Demands, PairwiseRequest
from grouping_api.affinity_reasons import how_to_measure
from grouping_api.pair_plans import PairPlan, plan_pairs
from grouping_api.settings import Settings

CACHE_SIZE = 64
CACHE_BYTES = 256 * 2**20
"""The most that kept score tables take, which may be large; all else is small."""
N_EVEN_BUDGETS = 8
EXPLANATION_TIME_S = 2.0
"""Wall time after which an explanation asks no further question."""
PLAIN = Demands()

T = TypeVar("T")


class Readings:
    """Reads score tables and solves them, with a small cache; safe to use from several threads."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._time_limit_s = settings.solve_time_limit_s
        self._kept: OrderedDict[Hashable, object] = OrderedDict()
        self._pending: dict[Hashable, Future[object]] = {}
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

    def demanded(self, info: TableInfo, demands: Demands) -> ScoreTable:
        """The scores with the weights and the cost that are asked for.

        Raises:
            InvalidInputError: if the table does not have what is asked for.
        """
        if demands.is_plain:
            return self.table(info)
        return self._once(
            ("demanded", info.id, info.revision, demands.key), lambda: demands.applied_to(self.table(info))
        )

    def budgets(self, info: TableInfo, demands: Demands = PLAIN) -> tuple[float, ...]:
        """The usual budgets of a table, in the unit that is asked for."""
        usual = default_budgets if demands.cost is None else _even_budgets
        return self._once(
            ("budgets", info.id, info.revision, demands.key), lambda: usual(self.demanded(info, demands))
        )

    def curve(
        self, info: TableInfo, budgets_snt: Sequence[float] | None = None, demands: Demands = PLAIN
    ) -> Curve:
        """Groupings over budgets; those of `budgets` unless given."""
        budgets = self.budgets(info, demands) if budgets_snt is None else tuple(budgets_snt)
        return self._once(
            ("curve", info.id, info.revision, budgets, demands.key),
            lambda: solve_curve(self.demanded(info, demands), budgets, **self._options(demands)),
        )

    def solution(self, info: TableInfo, budget_snt: float, demands: Demands = PLAIN) -> Solution:
        """The grouping for one budget."""
        return self._once(
            ("solution", info.id, info.revision, budget_snt, demands.key),
            lambda: solve(self.demanded(info, demands), budget_snt, **self._options(demands)),
        )

    def pairwise_solution(self, info: TableInfo, request: PairwiseRequest) -> Solution:
        """The grouping of all groups, estimated from singles and pairs; see `solve_pairwise`.

        Raises:
            InvalidInputError: if the table has too few or too many tasks, or a demand names none of them.
        """
        return self._once(
            ("pairwise", info.id, info.revision, request.key),
            lambda: solve_pairwise(
                PairwiseEstimate.from_table(self.table(info).on_common_seeds().with_weights(request.weights)),
                request.budget_snt,
                constraints=request.to_constraints(),
                time_limit_s=self._time_limit_s,
            ),
        )

    def ranked(self, info: TableInfo, budget_snt: float, k: int, demands: Demands = PLAIN) -> Ranked:
        """The `k` best groupings for one budget."""
        return self._once(
            ("ranked", info.id, info.revision, budget_snt, k, demands.key),
            lambda: best_groupings(self.demanded(info, demands), budget_snt, k, **self._options(demands)),
        )

    def explanation(self, info: TableInfo, budget_snt: float, demands: Demands = PLAIN) -> Explanation:
        """Why these networks, for one budget."""
        constraints, objective = demands.to_constraints(), demands.objective
        return self._once(
            ("explanation", info.id, info.revision, budget_snt, demands.key),
            lambda: explain(
                self.demanded(info, demands),
                self.solution(info, budget_snt, demands),
                constraints=constraints,
                objective=objective,
                time_limit_s=min(EXPLANATION_TIME_S, self._time_limit_s),
            ),
        )

    def confidence(
        self, info: TableInfo, budget_snt: float, options: ConfidenceIn, demands: Demands = PLAIN
    ) -> Confidence:
        """How often the grouping for one budget stays the best under the noise of the scores.

        Raises:
            InvalidInputError: if no grouping exists, or the noise is not known from seeds and not given.
        """
        constraints, objective = demands.to_constraints(), demands.objective
        return self._once(
            ("confidence", info.id, info.revision, budget_snt, options.model_dump_json(), demands.key),
            lambda: assess_confidence(
                self.demanded(info, demands),
                budget_snt,
                constraints=constraints,
                objective=objective,
                time_limit_s=self._time_limit_s,
                **options.model_dump(),
            ),
        )

    def _options(self, demands: Demands) -> dict[str, Any]:
        return {
            "constraints": demands.to_constraints(),
            "objective": demands.objective,
            "time_limit_s": self._time_limit_s,
        }

    def affinity(self, info: TableInfo, method: str) -> AffinityMatrix:
        """The affinity matrix by one of `METHODS`.

        Raises:
            UnknownNameError: if there is no such method.
            NotMeasuredError: if no joint run of the table measured it; says what would.
        """
        if method not in METHODS:
            raise UnknownNameError("affinity method", method, tuple(METHODS))
        if METHODS[method].is_from_table:
            return self._once(
                ("affinity", info.id, info.revision, method),
                lambda: table_affinity(self.table(info), method),
            )
        if reason := self.unmeasured_affinities(info).get(method):
            raise NotMeasuredError(reason)
        return self._joint_affinities(info)[method]

    def pair_plan(self, info: TableInfo, method: str) -> PairPlan | None:
        """How to measure the pairs that a matrix lacks; None if it lacks none, or pairs add nothing to it."""
        if not METHODS[method].is_of_pairs:
            return None
        job = self._store.find_job_of_table(info.id)
        return self._once(
            ("pair plan", info.id, info.revision, job is not None and job.state.is_final),
            lambda: plan_pairs(self._store, self.table(info), job),
        )

    def unmeasured_affinities(self, info: TableInfo) -> Mapping[str, str]:
        """Methods that `affinity` has nothing of for this table, each with the reason in sentences."""
        return {
            name: f"{name} was not measured for this score table. {how}"
            for name, how in self.ways_to_measure(info).items()
        }

    def ways_to_measure(self, info: TableInfo) -> Mapping[str, str]:
        """Methods that `affinity` has nothing of, each with what would measure it, or why nothing can."""
        sharing = self._sharing(info)
        return {name: how_to_measure(METHODS[name], sharing) for name in self._unmeasured(info)}

    def offered_affinities(self, info: TableInfo) -> tuple[str, ...]:
        """Methods that a reader may want to see of this table.

        Those from the scores and those that were measured; of the others, those that the recipe of the
        table's job does not rule out.
        """
        sharing, missing = self._sharing(info), self._unmeasured(info)
        return tuple(
            name
            for name, method in METHODS.items()
            if name not in missing or method.needs_sharing in (None, sharing)
        )

    def _unmeasured(self, info: TableInfo) -> tuple[str, ...]:
        measured = self._joint_affinities(info)
        return tuple(
            name
            for name, method in METHODS.items()
            if not method.is_from_table and not (name in measured and measured[name].is_known)
        )

    def _sharing(self, info: TableInfo) -> str | None:
        """The way of sharing of the networks of the table's job; None for an imported table."""
        return None if info.job_id is None else self._store.get_job(info.job_id).recipe.sharing.name

    def _joint_affinities(self, info: TableInfo) -> Mapping[str, AffinityMatrix]:
        return self._once(
            ("joint affinities", info.id, info.revision), lambda: self._store.affinities(info.id)
        )

    def recommendations(self, job: Job, info: TableInfo) -> tuple[Recommendation, ...]:
        """What is recommended for each budget of a job, on what has been trained so far."""

        def compute() -> tuple[Recommendation, ...]:
            confirmation, budgets = self._confirmation(job, info), job.spec.budgets_snt
            return recommend(self.table(info), confirmation, budgets, time_limit_s=self._time_limit_s)

        return self._once(("recommendations", info.id, info.revision), compute)

    def verdict(self, job: Job, info: TableInfo, solution: Solution) -> Verdict | None:
        """What fresh seeds say of a choice that a job asked for; None where they say nothing."""
        confirmation = self._confirmation(job, info)
        if solution.grouping is None or confirmation is None:
            return None
        return judge(solution.grouping, solution.budget_snt, confirmation)

    def _confirmation(self, job: Job, info: TableInfo) -> ScoreTable | None:
        """Scores of the fresh seeds; None without any."""
        table = self.table(info, Purpose.CONFIRMATION) if job.spec.n_confirmation_seeds else None
        return table if table is not None and table.seeds else None

    def _once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gives: kept, under way for somebody else, or computed now. Errors are not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast(T, self._kept[key])
            pending = self._pending.get(key)
            if pending is None:
                self._pending[key] = mine = Future[object]()
        if pending is not None:
            return cast(T, pending.result())
        try:
            value = compute()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            self._kept[key] = value
            while len(self._kept) > CACHE_SIZE or self._n_bytes() > CACHE_BYTES:
                self._kept.popitem(last=False)
        mine.set_result(value)
        return value

    def _n_bytes(self) -> int:
        tables = (value for value in self._kept.values() if isinstance(value, ScoreTable))
        return sum(table.validation_losses.nbytes + table.test_losses.nbytes for table in tables)


def _even_budgets(table: ScoreTable) -> tuple[float, ...]:
    """Budgets in the unit of a further cost: from a cover to every task alone, in even steps."""
    cover = cheapest_cover(table)
    alone = [table.find_position(frozenset({name})) for name in table.task_names]
    last = sum(float(table.costs_snt[n]) if n is not None else float(table.costs_snt.max()) for n in alone)
    if cover is None or cover >= last:
        return (cover or last,)
    steps = np.linspace(cover, last, N_EVEN_BUDGETS)[1:]
    return tuple(dict.fromkeys((cover, *(float(f"{step:.3g}") for step in steps))))
