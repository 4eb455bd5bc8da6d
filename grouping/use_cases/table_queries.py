"""Queries of score tables and of what is derived from them, each computed once per revision.

A table grows while its job runs, so each result is kept for the revision that was read. Solving never
holds a transaction: the scores are read before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grouping.clustering import ClusteringComparison, compare_clusterings
from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.constraints import Constraints, standing_demands, without_standing
from grouping.domain.groupings import Solution
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.objectives import Objective
from grouping.domain.tables.dominance import dominance_sentence
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.trainings.trials import EARLY_FIDELITY, Purpose
from grouping.domain.verdicts.verdict import Verdict, judge
from grouping.errors import GroupingError
from grouping.solver import (
    Confidence,
    Curve,
    CurvePoint,
    Explanation,
    PairwiseEstimate,
    Ranked,
    Recommendation,
    assess_confidence,
    best_groupings,
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
from grouping.use_cases.computing import Computing
from grouping.use_cases.estimate import expected_trainings
from grouping.use_cases.kept import Kept, once_per_revision
from grouping.use_cases.measure_pairs import PairPlan, plan_pairs
from grouping.use_cases.stepwise_curve import (
    CURVE_TIME_S,
    StepwiseCurve,
    curve_baselines,
    curve_steps,
    thinned,
)
from grouping.use_cases.task_values import TaskValues, task_values
from grouping.wire.solving import ConfidenceIn, Demands, PairwiseRequest

USUAL_BUDGET_SNT = 2.0
"""Default budget for comparing clusterings: the least at which there is anything to cluster."""
EXPLANATION_TIME_S = 2.0
"""Wall time in seconds after which an explanation examines no further question."""
SOLVING = 0.6
"""Share of the time left that a solve may take: the same request may have its answer explained, too."""
PLAIN = Demands()


class TableQueries:
    """Queries of the score tables of a store, solved where they must be; safe to use from several threads.

    Args:
        store: store that holds the tables.
        computing: where they are solved; a solve that is ended by its time reports its optimality gap.
    """

    def __init__(self, store: Store, computing: Computing) -> None:
        self.kept = Kept()
        self._store = store
        self._computing = computing

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
    def metrics(
        self, info: TableInfo, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0
    ) -> ScoreTable:
        """Read the values of the metrics, in place of losses, of the trials with one purpose and fidelity."""
        return self._store.metric_table(info.id, purpose=purpose, fidelity=fidelity)

    @once_per_revision
    def values(self, info: TableInfo) -> tuple[TaskValues, ...]:
        """Return the tasks of a job in their own units, alone and as recommended for each of its budgets."""
        return task_values(self.table(info), self.metrics(info), self.recommendations(info))

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
        return self._computing.call(default_budgets, self.demanded(info, demands))

    @once_per_revision
    def curve(
        self, info: TableInfo, budgets_snt: Sequence[float] | None = None, demands: Demands = PLAIN
    ) -> Curve:
        """Solve for several inference budgets; for those of `budgets` unless given."""
        budgets = self.budgets(info, demands) if budgets_snt is None else tuple(budgets_snt)
        return self._computing.call(
            solve_curve, self.demanded(info, demands), budgets, **self._timed(info, demands)
        )

    @once_per_revision
    def stepwise_curve(self, info: TableInfo, demands: Demands = PLAIN) -> StepwiseCurve:
        """Prepare the curve of the default budgets, at most about `MOST_BUDGETS`, and those of the job.

        Raises:
            InvalidInputError: if the demands cannot be read on this table; nothing is solved yet.
        """
        job = self.job(info)
        budgets = (*thinned(self.budgets(info, demands)), *self._budgets_of(job, demands))
        options, table = self._options(info, demands), self.demanded(info, demands)
        baselines = self._computing.call(curve_baselines, table, options)

        def steps(budgets_snt: Sequence[float], smaller: CurvePoint | None) -> Iterator[CurvePoint]:
            left_s = min(CURVE_TIME_S, self._computing.left_s)
            return self._computing.each(curve_steps, table, options, budgets_snt, smaller, left_s)

        return StepwiseCurve(steps, budgets, baselines)

    def offered_budgets(self, info: TableInfo, demands: Demands = PLAIN) -> tuple[float, ...]:
        """Return the budgets that are offered: those of the table's job, or some of the default ones."""
        return self.budgets_of_job(info, demands) or thinned(self.budgets(info, demands))

    def budgets_of_job(self, info: TableInfo, demands: Demands = PLAIN) -> tuple[float, ...]:
        """Return the budgets of a table's job; none without one, or in another unit."""
        return self._budgets_of(self.job(info), demands)

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
        options = self._timed(info, demands, SOLVING)
        return self._computing.call(solve, self.demanded(info, demands), budget_snt, **options)

    @once_per_revision
    def pairwise_solution(self, info: TableInfo, request: PairwiseRequest) -> Solution:
        """Solve over all groups, with losses estimated from singles and pairs; see `solve_pairwise`.

        Raises:
            InvalidInputError: if the table has too few or too many tasks, or a demand names an unknown task.
        """
        table = self.table(info).on_common_seeds().with_weights(request.weights)
        if not request.standing_demands:
            table = without_standing(table)
        return self._computing.call(
            solve_pairwise,
            PairwiseEstimate.from_table(table),
            request.budget_snt,
            constraints=self.pairwise_constraints(info, request),
            time_limit_s=SOLVING * self._computing.left_s,  # its last steps may go beyond it
        )

    def pairwise_constraints(self, info: TableInfo, request: PairwiseRequest) -> Constraints:
        """Return what a solve over all groups must satisfy, but for what tasks demand themselves."""
        asked = request.to_constraints()
        return self._of_job(info).merge(asked) if request.standing_demands else asked

    @once_per_revision
    def ranked(self, info: TableInfo, budget_snt: float, k: int, demands: Demands = PLAIN) -> Ranked:
        """Find the `k` best groupings for one budget."""
        options = self._timed(info, demands, SOLVING)
        return self._computing.call(best_groupings, self.demanded(info, demands), budget_snt, k, **options)

    @once_per_revision
    def explanation(self, info: TableInfo, budget_snt: float, demands: Demands = PLAIN) -> Explanation:
        """Explain the grouping for one budget."""
        table, solution = self.demanded(info, demands), self.solution(info, budget_snt, demands)
        options = self._timed(info, demands)
        options["time_limit_s"] = min(EXPLANATION_TIME_S, options["time_limit_s"])
        return self._computing.call(explain, table, solution, **options)

    @once_per_revision
    def confidence(
        self, info: TableInfo, budget_snt: float, options: ConfidenceIn, demands: Demands = PLAIN
    ) -> Confidence:
        """Estimate how often the grouping for one budget stays the best under the noise of the scores.

        Raises:
            InvalidInputError: if no grouping exists, or the noise is neither given nor measured by seeds.
        """
        table = self.demanded(info, demands)
        return self._computing.call(
            assess_confidence,
            table,
            budget_snt,
            **self._timed(info, demands, SOLVING),
            **options.model_dump(),
        )

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

    @once_per_revision
    def findings(self, info: TableInfo, demands: Demands = PLAIN) -> tuple[str, ...]:
        """Return sentences about what changes the answer of a solve: what was read, which task decides."""
        return _findings(info, self.demanded(info, demands), demands.objective)

    def pairwise_findings(self, info: TableInfo, request: PairwiseRequest) -> tuple[str, ...]:
        """Return the `findings` for a solve over all groups."""
        return _findings(info, self.table(info).with_weights(request.weights), Objective.SUM)

    def _of_job(self, info: TableInfo) -> Constraints:
        job = self.job(info)
        return Constraints() if job is None else job.spec.constraints

    def _options(self, info: TableInfo, demands: Demands) -> dict[str, Any]:
        return {"constraints": self.constraints(info, demands), "objective": demands.objective}

    def _timed(self, info: TableInfo, demands: Demands, share: float = 1.0) -> dict[str, Any]:
        """Return the options of a solve that may take a share of the time that is left."""
        return self._options(info, demands) | {"time_limit_s": share * self._computing.left_s}

    @once_per_revision
    def table_affinity(self, info: TableInfo, method: str) -> AffinityMatrix:
        """Compute the affinity matrix by a method that reads scores only; see `read_affinity`."""
        return self._computing.call(table_affinity, self.table(info), method)

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
        solution = self.solution(info, budget)
        return self._computing.call(compare_clusterings, self.table(info), matrix, solution)

    def usual_budget(self, info: TableInfo) -> float:
        """Return the default inference budget for comparing clusterings."""
        job = self.job(info)
        return USUAL_BUDGET_SNT if job is None else job.spec.budgets_snt[len(job.spec.budgets_snt) // 2]

    def expected_trainings(self, info: TableInfo) -> Mapping[Purpose, tuple[int, int]]:
        """Return the fewest and the most trainings of a table's job; none where they cannot be forecast.

        They follow from what was asked for, so they are kept whatever is trained.
        """
        return self.kept.once(("expected_trainings", info.id), lambda: self._expected_trainings(info))

    def _expected_trainings(self, info: TableInfo) -> Mapping[Purpose, tuple[int, int]]:
        try:
            return expected_trainings(self._store.get_job(info.job_id or "").spec, info.tasks)
        except GroupingError:  # such as a strategy that is not installed here
            return {}

    @once_per_revision
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
        found = self._computing.call(
            recommend,
            self.table(info),
            confirmation,
            budgets,
            constraints=job.spec.constraints,
            baselines=self._terms(job).baselines,
            splits=job.fresh_splits,
            time_limit_s=SOLVING * self._computing.left_s,
        )
        return found if job.spec.tuning is None else self._tuned(job, found)

    def _tuned(self, job: Job, found: Sequence[Recommendation]) -> tuple[Recommendation, ...]:
        """Add the verdicts with each at its best recipe."""
        state = self._store.search_state(job.id, with_reuse=False)
        tunings = tunings_of(self._terms(job), state, found)
        verdicts = {tuning.budget_snt: tuning.verdict for tuning in tunings}
        return tuple(replace(item, tuned=verdicts.get(item.budget_snt)) for item in found)

    def verdict(self, job: Job, info: TableInfo, solution: Solution) -> Verdict | None:
        """Judge a grouping of a job by fresh seeds; None without a grouping or without their scores."""
        confirmation = self._confirmation(job, info)
        if solution.grouping is None or confirmation is None:
            return None
        baselines = self._terms(job).baselines
        return judge(solution.grouping, solution.budget_snt, confirmation, baselines, job.fresh_splits)

    def _terms(self, job: Job) -> SearchTerms:
        """Return the terms of a job, without the baselines that cannot be built."""
        measured = self._store.networks(job.score_table_id)
        return SearchTerms.of_job(job.spec).among(stored.network for stored in measured)

    def _confirmation(self, job: Job, info: TableInfo) -> ScoreTable | None:
        """Read the scores of the fresh seeds; None without any."""
        table = self.table(info, Purpose.CONFIRMATION) if job.spec.n_confirmation_seeds else None
        return table if table is not None and table.seeds else None


def _findings(info: TableInfo, table: ScoreTable, objective: Objective) -> tuple[str, ...]:
    """Return what the reader found in a table, and what one task is to the sum with its present weights."""
    report = info.report or {}
    found = [sentence for sentence in report.get("findings", ()) if sentence != report.get("dominance")]
    weighed = "" if objective is Objective.RELATIVE else dominance_sentence(table)
    return (*found, *filter(None, [weighed]))
