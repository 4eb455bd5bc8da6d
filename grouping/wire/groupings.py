"""Answers with groupings, solutions, verdicts and curves."""

from __future__ import annotations

from typing import Any

from pydantic import AliasPath, Field, model_validator

from grouping.domain.groupings import SolutionStatus
from grouping.domain.verdicts.headroom import Headroom
from grouping.domain.verdicts.verdict import Question
from grouping.wire.base_types import Finite, Joined, Output, Sentence
from grouping.wire.derived import Derived, answered
from grouping.wire.scores import MetricOut


class ChosenNetworkOut(Output):
    """A network of a grouping."""

    name: str
    group: list[str]
    size: float
    cost_snt: float
    serves: list[str] = Field(description="Tasks whose predictions come from this network.")
    helpers: list[str] = Field(
        description="Tasks it is trained on only to help the others; another network serves them."
    )


class GroupingOut(Output):
    """The chosen networks, and which of them serves each task."""

    networks: list[ChosenNetworkOut] = Field(validation_alias="chosen")
    serving: dict[str, str] = Field(
        validation_alias="serving_names", description="For each task, the name of the network that serves it."
    )
    cost_snt: float
    is_partition: bool = Field(description="Whether no task is trained in two networks.")
    description: Sentence = Field(
        validation_alias="describe", description="One line per network, for people."
    )


class InfeasibilityOut(Output):
    """Reasons why no grouping exists."""

    reason: str
    uncovered_tasks: list[str]
    cheapest_cover_snt: Finite = Field(
        description="The least budget that would do under the constraints; null if none does."
    )
    conflicts: list[str] = Field(
        description="Demands that cannot be met together; giving up any one of them would do."
    )


class SolutionOut(Output):
    """The solver's answer for one inference budget."""

    budget_snt: float
    status: SolutionStatus
    loss: Finite = Field(description="Weighted total validation loss; lower is better.")
    bound: Finite = Field(description="No grouping within the budget has a lower loss than this.")
    gap: Finite = Field(description="(loss - bound) / loss; 0 when proven.")
    cost_snt: Finite
    grouping: GroupingOut | None
    ties: list[GroupingOut] = Field(description="Other groupings with the same loss.")
    has_more_ties: bool
    infeasibility: InfeasibilityOut | None
    solver: str


class RandomLossesOut(Output):
    """Weighted total validation losses of random groupings within a budget."""

    n_draws: int
    mean: Finite
    worst: Finite


class CurvePointOut(SolutionOut):
    """The answer for one budget of a curve."""

    test_loss: Finite = Field(description="Weighted total test loss; reported, never decided on.")
    is_dominated: bool = Field(description="Whether a smaller budget reaches the same loss.")
    random: RandomLossesOut | None = Field(
        description="Losses of random groupings; null if none fits the budget."
    )

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, point: Any) -> Any:
        """Flatten a point of the domain, which holds its solution, into one object."""
        return Joined(point, point.solution) if hasattr(point, "solution") else point


class BaselineOut(Output):
    """A choice of networks that needs no search."""

    name: str
    cost_snt: float
    loss: Finite
    test_loss: Finite


FINDINGS = "Sentences about what was read and changes the answer, such as networks that take no part."


class CurveOut(Output):
    """Groupings over inference budgets; the loss never rises with the budget."""

    score_table_id: str = Field(validation_alias=AliasPath("table", "id"))
    revision: int = Field(validation_alias=AliasPath("table", "revision"))
    points: list[CurvePointOut]
    baselines: list[BaselineOut]
    held: list[str] = Field(description="Demands that each grouping keeps to beside its budget, as phrases.")
    findings: list[str] = Field(default_factory=list, description=FINDINGS)


class GroupingAnswer(SolutionOut):
    """A solve of one revision of a score table."""

    score_table_id: str = Field(validation_alias=AliasPath("table", "id"))
    revision: int = Field(validation_alias=AliasPath("table", "revision"))
    held: list[str] = Field(description="Demands that it keeps to beside the budget, as phrases.")
    findings: list[str] = Field(default_factory=list, description=FINDINGS)


class SplitGainOut(Output):
    """Gain over several splits of the data, with one fresh seed on each."""

    gain: Finite = Field(description="Mean over splits of (baseline - grouping) / abs(baseline).")
    standard_error: Finite = Field(
        description="Corrected for the rows that splits share, after Nadeau and Bengio (2003)."
    )
    t: Finite
    n_splits: int = Field(description="Splits on which both were trained.")
    n_wanted: int = Field(description="Splits that the job asks for.")


class ComparisonOut(Output):
    """Comparison of the recommended grouping with a baseline of equal cost, on test losses of fresh seeds."""

    baseline: str
    grouping_loss: Finite
    baseline_loss: Finite
    gain: Finite = Field(description="Mean over seeds of (baseline - grouping) / abs(baseline).")
    standard_error: Finite
    t: Finite = Field(description="Paired t statistic; null where there is no spread to measure.")
    n_seeds: int
    interval: tuple[Finite, Finite] = Field(
        description="Interval of 95 % of the gain over training seeds; null with fewer than two."
    )
    is_same: bool = Field(description="Whether the baseline is the grouping itself.")
    is_beaten: bool = Field(
        description="Whether the gain may be claimed: over seeds, and over splits where there are several."
    )
    over_splits: SplitGainOut | None = Field(description="Null where the job has one split.")


class FreshLossOut(Output):
    """Total loss of a grouping on fresh seeds."""

    loss: Finite
    standard_error: Finite
    n_seeds: int


class FoundRecipeOut(Output):
    """Best recipe that was found for one of the groupings that are compared."""

    name: str
    recipe: int = Field(description="Its number in `settled.recipes` of the job; 0 is that of the job.")
    loss: Finite = Field(description="Mean total validation loss on the seeds of the tuning.")


class VerdictOut(Output):
    """Whether the recommended grouping is worth it, judged on fresh seeds."""

    sentence: Sentence
    question: Question = Field(description="Whether all had the one recipe of the job, or each its best.")
    is_confirmed: bool
    is_worth_it: bool
    comparisons: list[ComparisonOut]
    missing: list[str]
    alone: FreshLossOut | None = Field(
        description="Its loss on fresh seeds, where the job compares it with no baseline."
    )
    recipes: list[FoundRecipeOut] = Field(description="The recipe found for each; none under one recipe.")
    random: ComparisonOut | None = Field(
        description="Comparison with random groupings of the same shape under the recipe found for it."
    )


class TaskValueOut(Output):
    """A task in the unit of its metric: means on the validation rows over the search seeds."""

    task: str
    metric: MetricOut
    reference: Finite = Field(description="Value to compare with; null for none.")
    alone: Finite = Field(description="Value in its own full-size network; null where it is not known.")
    value: Finite = Field(description="Value in the network that serves it; null where it is not known.")


@answered(Headroom, nested={})
class HeadroomOut(Output, Derived):
    """How much lower the validation loss may still get by training on, in shares of it."""

    sentence: str = Field(description="The same in words.")


class RecommendationOut(Output):
    """Recommendation for one inference budget."""

    budget_snt: float
    solution: SolutionOut
    verdict: VerdictOut | None
    tuned: VerdictOut | None = Field(
        description="The verdict with each at its best recipe; null where nothing is tuned."
    )
    values: list[TaskValueOut] = Field(description="The tasks that have a metric, in its unit.")
    sentence: str
    tuned_sentence: str = Field(description="The same in words; empty where nothing is tuned.")
    headroom: HeadroomOut | None = Field(
        description="What may still be missed by stopping the search; null where its strategy has not said."
    )
    held: list[str] = Field(description="Demands that it keeps to beside the budget, as phrases.")
    not_held: list[str] = Field(
        description="Constraints of the job that the scores do not allow to hold yet, as phrases."
    )


class RecommendationList(Output):
    """Recommendations for all budgets of a job; preliminary until the job is finished."""

    job_id: str = Field(validation_alias="id")
    score_table_id: str
    revision: int = Field(validation_alias=AliasPath("table", "revision"))
    is_final: bool = Field(validation_alias=AliasPath("state", "is_final"))
    items: list[RecommendationOut]
