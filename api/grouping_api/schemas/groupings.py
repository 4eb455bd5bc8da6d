"""Groupings, solutions, verdicts and curves as they are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from grouping.domain.groupings import Grouping, Solution, SolutionStatus
from grouping.domain.jobs import Job, JobState
from grouping.domain.standing import Standing
from grouping.domain.verdicts import Comparison, Verdict
from grouping.solver import Curve, Recommendation
from grouping_api.schemas.common import Output, finite


class ChosenNetworkOut(Output):
    """A network of a grouping."""

    name: str
    group: list[str]
    size: float
    cost_snt: float
    serves: list[str] = Field(description="Tasks whose predictions come from this network.")
    helpers: list[str] = Field(description="Tasks it is trained on only to help; served elsewhere.")


class GroupingOut(Output):
    """The chosen networks, and which of them serves each task."""

    networks: list[ChosenNetworkOut]
    serving: dict[str, str] = Field(description="For each task, the name of the network that serves it.")
    cost_snt: float
    is_partition: bool = Field(description="Whether no task is trained in two networks.")
    description: str = Field(description="One line per network, for people.")

    @classmethod
    def of(cls, grouping: Grouping) -> Self:
        """From the domain."""
        names = [network.name(grouping.tasks) for network in grouping.networks]
        return cls(
            networks=[
                ChosenNetworkOut(
                    name=names[n],
                    group=[task for task in grouping.tasks if task in network.group],
                    size=network.size,
                    cost_snt=network.cost_snt,
                    serves=list(grouping.served_tasks(n)),
                    helpers=list(grouping.helper_tasks(n)),
                )
                for n, network in enumerate(grouping.networks)
            ],
            serving={task: names[n] for task, n in zip(grouping.tasks, grouping.serving, strict=True)},
            cost_snt=grouping.cost_snt,
            is_partition=grouping.is_partition,
            description=grouping.describe(),
        )


class InfeasibilityOut(Output):
    """Why no grouping exists."""

    reason: str
    uncovered_tasks: list[str]
    cheapest_cover_snt: float | None = Field(
        description="The least budget that would do under the constraints; null if none does."
    )
    conflicts: list[str] = Field(
        description="Demands that cannot be met together; giving up any one of them would do."
    )


class SolutionOut(Output):
    """The solver's answer for one inference budget."""

    budget_snt: float
    status: SolutionStatus
    loss: float | None = Field(description="Weighted total validation loss; lower is better.")
    bound: float | None = Field(description="No grouping within the budget has a lower loss than this.")
    gap: float | None = Field(description="(loss - bound) / loss; 0 when proven.")
    cost_snt: float | None
    grouping: GroupingOut | None
    ties: list[GroupingOut] = Field(description="Other groupings with the same loss.")
    has_more_ties: bool
    infeasibility: InfeasibilityOut | None
    solver: str

    @classmethod
    def of(cls, solution: Solution) -> Self:
        """From the domain."""
        why = solution.infeasibility
        return cls(
            budget_snt=solution.budget_snt,
            status=solution.status,
            loss=finite(solution.loss),
            bound=finite(solution.bound),
            gap=finite(solution.gap),
            cost_snt=finite(solution.cost_snt),
            grouping=None if solution.grouping is None else GroupingOut.of(solution.grouping),
            ties=[GroupingOut.of(tie) for tie in solution.ties],
            has_more_ties=solution.has_more_ties,
            infeasibility=None
            if why is None
            else InfeasibilityOut(
                reason=why.reason,
                uncovered_tasks=list(why.uncovered_tasks),
                cheapest_cover_snt=finite(why.cheapest_cover_snt),
                conflicts=list(why.conflicts),
            ),
            solver=solution.solver,
        )


class RandomLossesOut(Output):
    """Weighted total validation losses of random groupings within a budget."""

    n_draws: int
    mean: float | None
    worst: float | None


class CurvePointOut(SolutionOut):
    """The answer for one budget of a curve."""

    test_loss: float | None = Field(description="Weighted total test loss; reported, never decided on.")
    is_dominated: bool = Field(description="Whether a smaller budget reaches the same loss.")
    random: RandomLossesOut | None = Field(description="Of random groupings; null if none fits the budget.")


class BaselineOut(Output):
    """A choice of networks that needs no search."""

    name: str
    cost_snt: float
    loss: float | None
    test_loss: float | None


class CurveOut(Output):
    """Groupings over inference budgets; the loss never rises with the budget."""

    score_table_id: str
    revision: int
    points: list[CurvePointOut]
    baselines: list[BaselineOut]

    @classmethod
    def of(cls, score_table_id: str, revision: int, curve: Curve) -> Self:
        """From the solver."""
        return cls(
            score_table_id=score_table_id,
            revision=revision,
            points=[
                CurvePointOut(
                    **SolutionOut.of(point.solution).model_dump(),
                    test_loss=finite(point.test_loss),
                    is_dominated=point.is_dominated,
                    random=None
                    if point.random is None
                    else RandomLossesOut(
                        n_draws=point.random.n_draws,
                        mean=finite(point.random.mean),
                        worst=finite(point.random.worst),
                    ),
                )
                for point in curve.points
            ],
            baselines=[
                BaselineOut(
                    name=baseline.name,
                    cost_snt=baseline.cost_snt,
                    loss=finite(baseline.loss),
                    test_loss=finite(baseline.test_loss),
                )
                for baseline in curve.baselines
            ],
        )


class GroupingAnswer(SolutionOut):
    """A solve of one score table, pinned to the revision it was solved on."""

    score_table_id: str
    revision: int


class ComparisonOut(Output):
    """The recommended grouping against a baseline of equal cost, on test losses of fresh seeds."""

    baseline: str
    grouping_loss: float | None
    baseline_loss: float | None
    gain: float | None = Field(description="Mean over seeds of (baseline - grouping) / abs(baseline).")
    standard_error: float | None
    t: float | None = Field(description="Paired t statistic; null where there is no spread to measure.")
    n_seeds: int
    is_same: bool = Field(description="Whether the baseline is the grouping itself.")
    is_beaten: bool

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        """From the domain."""
        return cls(
            baseline=comparison.baseline,
            grouping_loss=finite(comparison.grouping_loss),
            baseline_loss=finite(comparison.baseline_loss),
            gain=finite(comparison.gain),
            standard_error=finite(comparison.standard_error),
            t=finite(comparison.t),
            n_seeds=comparison.n_seeds,
            is_same=comparison.is_same,
            is_beaten=comparison.is_beaten,
        )


class VerdictOut(Output):
    """Whether the recommended grouping is worth it, judged on fresh seeds."""

    sentence: str
    is_confirmed: bool
    is_worth_it: bool
    comparisons: list[ComparisonOut]
    missing: list[str]

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """From the domain."""
        return cls(
            sentence=verdict.sentence(),
            is_confirmed=verdict.is_confirmed,
            is_worth_it=verdict.is_worth_it,
            comparisons=[ComparisonOut.of(comparison) for comparison in verdict.comparisons],
            missing=list(verdict.missing),
        )


class RecommendationOut(Output):
    """What is recommended for one inference budget."""

    budget_snt: float
    solution: SolutionOut
    verdict: VerdictOut | None
    sentence: str


class RecommendationList(Output):
    """What is recommended for each budget of a job; preliminary until the job is finished."""

    job_id: str
    score_table_id: str
    revision: int
    is_final: bool
    items: list[RecommendationOut]

    @classmethod
    def of(cls, recommendations: Sequence[Recommendation], *, job: Job, revision: int) -> Self:
        """From the solver, for a job and a revision of its score table."""
        standing = Standing.of(job)
        items = [
            RecommendationOut(
                budget_snt=item.budget_snt,
                solution=SolutionOut.of(item.solution),
                verdict=None if item.verdict is None else VerdictOut.of(item.verdict),
                sentence=recommendation_sentence(item, standing),
            )
            for item in recommendations
        ]
        return cls(
            job_id=job.id,
            score_table_id=job.score_table_id,
            revision=revision,
            is_final=job.state.is_final,
            items=items,
        )


def recommendation_sentence(recommendation: Recommendation, standing: Standing) -> str:
    """The recommendation in words, as far as the job is."""
    why = recommendation.solution.infeasibility
    if why is not None:
        if standing.state.is_final and not standing.state.is_resumable:
            return why.reason
        return f"No trained networks cover every task within this budget. {standing.more}"
    verdict = recommendation.verdict
    if verdict is not None and verdict.is_confirmed:
        return verdict.sentence() if standing.state.is_final else f"So far: {verdict.sentence()}"
    if verdict is not None and standing.state is JobState.SUCCEEDED:
        return verdict.sentence()
    return standing.unconfirmed
