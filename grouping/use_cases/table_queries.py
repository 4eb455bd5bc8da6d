"""Queries of score tables and of what is derived from them, each computed once per revision.

A table grows while its job runs, so each result is kept for the revision that was read. Solving never
holds a transaction: the scores are read before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grouping.clustering import ClusteringComparison, compare_clusterings
from grouping.domain.affinity import AffinityMatrix
from grouping.domain.constraints import Constraints, standing_demands, without_standing
from grouping.domain.groupings import Solution
from grouping.domain.jobs import Job
from grouping.domain.scores import ScoreTable
from grouping.domain.search_state import SearchTerms
from grouping.domain.trials import EARLY_FIDELITY, Purpose
from grouping.domain.verdicts import Verdict, judge
from grouping.solver import (
    Confidence,
    Curve,
    CurveSolver,
    Explanation,
    PairwiseEstimate,
    Ranked,
    Recommendation,
    assess_confidence,
    best_groupings,
    cheapest_cover,
    curve_around,
    default_budgets,
    explain,
    recommend,
    solve,
    solve_curve,
    solve_pairwise,
    tunings_of,
)
from grouping.store import Store, TableInfo
from grouping.strategies.affinity.from_table import table_affinity
from grouping.strategies.prediction.rank_check import RankCheck, check_ranks
from grouping.use_cases.kept import Kept, once_per_revision
from grouping.use_cases.measure_pairs import PairPlan, plan_pairs
from grouping.use_cases.stepwise_curve import StepwiseCurve, thinned
from grouping.wire.solving import ConfidenceIn, Demands, PairwiseRequest

N_EVEN_BUDGETS = 8
USUAL_BUDGET_SNT = 2.0
"""Default budget for comparing clusterings: the least at which there is anything to cluster."""
EXPLANATION_TIME_S = 2.0
"""Wall time in seconds after which an explanation examines no further question."""
PLAIN = Demands()


class TableQueries:
    """Queries of the score tables of a store, solved where they must be; safe to use from several threads.

    Args:
        store: store that holds the tables.
        time_limit_s: most wall time of one solve; a solve that it ends reports its optimality gap.
    """

    def __init__(self, store: Store, *, time_limit_s: float) -> None:
        self.kept = Kept()
        self._store = store
        self._time_limit_s = time_limit_s

    def info(self, table_id: str) -> TableInfo:
        """Return the description of a score table.

        Raises:
            NotFoundError: if there is no such table.
        """
        return self._store.get_table_info(table_id)

    def job(self, info: TableInfo) -> Job | None:
        """Return the job that fills a table, as it stands; None for an imported table."""
        return self._store.find_job_of_table(info.id)

    @once_per_revision
    def table(self, info: TableInfo, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0) -> ScoreTable:
        """Read the scores of the trials with one purpose and fidelity."""
        return self._store.score_table(info.id, purpose=purpose, fidelity=fidelity)

    @once_per_revision
    def demanded(self, info: TableInfo, demands: Demands) -> ScoreTable:
        """Return the scores with the demanded weights and cost.

        Raises:
            InvalidInputError: if the table lacks what the demands name.
        """
        return self.table(info) if demands.is_plain else demands.applied_to(self.table(info))

    @once_per_revision
    def budgets(self, info: TableInfo, demands: Demands = PLAIN) -> tuple[float, ...]:
        """Return the default inference budgets of a table, in the unit of the demanded cost."""
        usual = default_budgets if demands.cost is None else _even_budgets
        return usual(self.demanded(info, demands))

    @once_per_revision
    def curve(
        self, info: TableInfo, budgets_snt: Sequence[float] | None = None, demands: Demands = PLAIN
    ) -> Curve:
        """Solve for several inference budgets; for those of `budgets` unless given."""
        budgets = self.budgets(info, demands) if budgets_snt is None else tuple(budgets_snt)
        return solve_curve(self.demanded(info, demands), budgets, **self._options(info, demands))

    @once_per_revision
    def stepwise_curve(self, info: TableInfo, demands: Demands = PLAIN) -> StepwiseCurve:
        """Prepare the curve of the default budgets, at most about `MOST_BUDGETS`, and those of the job.

        Raises:
            InvalidInputError: if the demands cannot be read on this table; nothing is solved yet.
        """
        job = self.job(info)
        budgets = (*thinned(self.budgets(info, demands)), *self._budgets_of(job, demands))
        options = self._options(info, demands)
        time_limit_s = options.pop("time_limit_s")
        solver = CurveSolver(self.demanded(info, demands), **options)
        return StepwiseCurve(solver, budgets, time_limit_s=time_limit_s)

    def offered_budgets(self, info: TableInfo, demands: Demands = PLAIN) -> tuple[float, ...]:
        """Return the budgets that are offered: those of the table's job, or some of the default ones."""
        return self._budgets_of(self.job(info), demands) or thinned(self.budgets(info, demands))

    @staticmethod
    def _budgets_of(job: Job | None, demands: Demands) -> tuple[float, ...]:
        return () if job is None or demands.cost is not None else job.spec.budgets_snt

    @once_per_revision
    def curve_around(self, info: TableInfo, budget_snt: float, demands: Demands = PLAIN) -> Curve:
        """Return the curve of one budget alone: its `solution`, random groupings, and the baselines."""
        solution = self.solution(info, budget_snt, demands)
        return curve_around(self.demanded(info, demands), solution, objective=demands.objective)

    @once_per_revision
    def solution(self, info: TableInfo, budget_snt: float, demands: Demands = PLAIN) -> Solution:
        """Solve for one inference budget."""
        return solve(self.demanded(info, demands), budget_snt, **self._options(info, demands))

    @once_per_revision
    def pairwise_solution(self, info: TableInfo, request: PairwiseRequest) -> Solution:
        """Solve over all groups, with losses estimated from singles and pairs; see `solve_pairwise`.

        Raises:
            InvalidInputError: if the table has too few or too many tasks, or a demand names an unknown task.
        """
        table = self.table(info).on_common_seeds().with_weights(request.weights)
        if not request.standing_demands:
            table = without_standing(table)
        return solve_pairwise(
            PairwiseEstimate.from_table(table),
            request.budget_snt,
            constraints=self.pairwise_constraints(info, request),
            time_limit_s=self._time_limit_s,
        )

    def pairwise_constraints(self, info: TableInfo, request: PairwiseRequest) -> Constraints:
        """Return what a solve over all groups must satisfy, but for what tasks demand themselves."""
        asked = request.to_constraints()
        return self._of_job(info).merge(asked) if request.standing_demands else asked

    @once_per_revision
    def ranked(self, info: TableInfo, budget_snt: float, k: int, demands: Demands = PLAIN) -> Ranked:
        """Find the `k` best groupings for one budget."""
        return best_groupings(self.demanded(info, demands), budget_snt, k, **self._options(info, demands))

    @once_per_revision
    def explanation(self, info: TableInfo, budget_snt: float, demands: Demands = PLAIN) -> Explanation:
        """Explain the grouping for one budget."""
        options = self._options(info, demands) | {"time_limit_s": min(EXPLANATION_TIME_S, self._time_limit_s)}
        return explain(self.demanded(info, demands), self.solution(info, budget_snt, demands), **options)

    @once_per_revision
    def confidence(
        self, info: TableInfo, budget_snt: float, options: ConfidenceIn, demands: Demands = PLAIN
    ) -> Confidence:
        """Estimate how often the grouping for one budget stays the best under the noise of the scores.

        Raises:
            InvalidInputError: if no grouping exists, or the noise is neither given nor measured by seeds.
        """
        table = self.demanded(info, demands)
        return assess_confidence(table, budget_snt, **self._options(info, demands), **options.model_dump())

    def constraints(self, info: TableInfo, demands: Demands = PLAIN) -> Constraints:
        """Return what a grouping must satisfy: the constraints of the table's job, and what is demanded.

        Those of the job hold as far as the scores tell, unless the demands drop them; a number that is
        demanded replaces that of the job. What tasks demand themselves is not among them.
        """
        asked = demands.to_constraints()
        if not demands.standing_demands:
            return asked
        return self._of_job(info).known_in(self.demanded(info, demands)).merge(asked)

    def held(self, info: TableInfo, demands: Demands = PLAIN) -> tuple[str, ...]:
        """Return everything that a solve holds to beside the budget, as phrases."""
        standing = standing_demands(self.demanded(info, demands))
        return tuple(standing.merge(self.constraints(info, demands)).sentences())

    def _of_job(self, info: TableInfo) -> Constraints:
        job = self.job(info)
        return Constraints() if job is None else job.spec.constraints

    def _options(self, info: TableInfo, demands: Demands) -> dict[str, Any]:
        return {
            "constraints": self.constraints(info, demands),
            "objective": demands.objective,
            "time_limit_s": self._time_limit_s,
        }

    @once_per_revision
    def table_affinity(self, info: TableInfo, method: str) -> AffinityMatrix:
        """Compute the affinity matrix by a method that reads scores only; see `read_affinity`."""
        return table_affinity(self.table(info), method)

    @once_per_revision
    def joint_affinities(self, info: TableInfo) -> Mapping[str, AffinityMatrix]:
        """Read the affinity matrices that joint runs measured, by method name."""
        return self._store.affinities(info.id)

    def comparison(
        self, info: TableInfo, matrix: AffinityMatrix, budget_snt: float | None
    ) -> ClusteringComparison:
        """Compare clusterings of an affinity matrix with the exact grouping.

        Args:
            info: the table.
            matrix: affinities of its tasks.
            budget_snt: inference budget; the middle one of the table's job, or 2 SNT, unless given.
        """
        budget = self.usual_budget(info) if budget_snt is None else budget_snt
        return compare_clusterings(self.table(info), matrix, self.solution(info, budget))

    def usual_budget(self, info: TableInfo) -> float:
        """Return the default inference budget for comparing clusterings."""
        job = self.job(info)
        return USUAL_BUDGET_SNT if job is None else job.spec.budgets_snt[len(job.spec.budgets_snt) // 2]

    def rank_check(self, info: TableInfo) -> RankCheck:
        """Compare the short passes of a table with its full trainings."""
        return check_ranks(self.table(info, fidelity=EARLY_FIDELITY), self.table(info))

    def pair_plan(self, info: TableInfo) -> PairPlan | None:
        """Plan how to measure the full-size singles and pairs that a table lacks; None if it lacks none."""
        job = self.job(info)
        return self._pair_plan(info, job is not None and job.state.is_final)

    @once_per_revision
    def _pair_plan(self, info: TableInfo, _is_over: bool) -> PairPlan | None:
        return plan_pairs(self._store, self.table(info), self.job(info))

    @once_per_revision
    def recommendations(self, info: TableInfo) -> tuple[Recommendation, ...]:
        """Recommend a grouping for each budget of the table's job, on what has been trained so far."""
        job = self._store.get_job(info.job_id or "")
        confirmation, budgets = self._confirmation(job, info), job.spec.budgets_snt
        found = recommend(
            self.table(info),
            confirmation,
            budgets,
            constraints=job.spec.constraints,
            baselines=job.spec.equal_cost_baselines,
            splits=job.fresh_splits,
            time_limit_s=self._time_limit_s,
        )
        return found if job.spec.tuning is None else self._tuned(job, found)

    def _tuned(self, job: Job, found: Sequence[Recommendation]) -> tuple[Recommendation, ...]:
        """Add the verdicts with each at its best recipe."""
        state = self._store.search_state(job.id, with_reuse=False)
        tunings = tunings_of(SearchTerms.of_job(job.spec), state, found)
        verdicts = {tuning.budget_snt: tuning.verdict for tuning in tunings}
        return tuple(replace(item, tuned=verdicts.get(item.budget_snt)) for item in found)

    def verdict(self, job: Job, info: TableInfo, solution: Solution) -> Verdict | None:
        """Judge a grouping of a job by fresh seeds; None without a grouping or without their scores."""
        confirmation = self._confirmation(job, info)
        if solution.grouping is None or confirmation is None:
            return None
        baselines = job.spec.equal_cost_baselines
        return judge(solution.grouping, solution.budget_snt, confirmation, baselines, job.fresh_splits)

    def _confirmation(self, job: Job, info: TableInfo) -> ScoreTable | None:
        """Read the scores of the fresh seeds; None without any."""
        table = self.table(info, Purpose.CONFIRMATION) if job.spec.n_confirmation_seeds else None
        return table if table is not None and table.seeds else None


def _even_budgets(table: ScoreTable) -> tuple[float, ...]:
    """Return evenly spaced budgets in the unit of a further cost, from a cover to every task alone."""
    cover = cheapest_cover(table)
    alone = [table.find_position(frozenset({name})) for name in table.task_names]
    last = sum(float(table.costs_snt[n]) if n is not None else float(table.costs_snt.max()) for n in alone)
    if cover is None or cover >= last:
        return (cover or last,)
    steps = np.linspace(cover, last, N_EVEN_BUDGETS)[1:]
    return tuple(dict.fromkeys((cover, *(float(f"{step:.3g}") for step in steps))))
