"""Answers with stored groupings, and with the difference between two of them."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from pydantic import AliasPath, Field, model_validator

from grouping.domain.groupings import SolutionStatus
from grouping.wire.base_types import Finite, Joined, NetworkLabel, NextPage, Output, Sentences
from grouping.wire.explanations import ExplanationData
from grouping.wire.groupings import FINDINGS, BaselineOut, GroupingOut, SolutionOut
from grouping.wire.solving import GroupingRequest


class TaskLossOut(Output):
    """The losses of a task in the network that serves it; lower is better."""

    task: str
    network: str
    validation_loss: Finite
    standard_error: Finite = Field(
        description="Standard error of the validation loss; null with fewer than two seeds."
    )
    test_loss: Finite = Field(description="Reported, never decided on.")


class ChangeOut(BaselineOut):
    """A baseline that needs no search, and the difference of the grouping from it."""

    change: Finite = Field(
        description="(loss - baseline) / abs(baseline); below 0 the grouping is better, at its own cost."
    )
    is_equal_cost: bool | None = Field(
        default=None,
        description="Whether the grouping costs as much as the baseline; null in answers that were kept "
        "before this was told.",
    )


class AlternativeOut(Output):
    """One of the best groupings."""

    rank: int = Field(description="1 is the best.")
    loss: Finite
    excess: Finite = Field(description="(loss - best) / abs(best).")
    grouping: GroupingOut


class RivalOut(Output):
    """Networks that are the best in some draws."""

    networks: list[NetworkLabel] = Field(validation_alias=AliasPath("grouping", "networks"))
    frequency: float = Field(description="Share of the draws.")


class ConfidenceOut(Output):
    """Share of draws in which the grouping stays the best when scores are drawn again with their noise."""

    n_resamples: int = Field(description="Number of times that the scores were drawn and solved.")
    tolerance: float
    noise: str = Field(description="How the noise was obtained.")
    is_exact: bool = Field(
        default=True,
        description="Whether the draws were solved exactly; else by local search, so that the regrets are at "
        "least what is told, and the frequencies at most.",
    )
    frequency_unchanged: Finite = Field(
        default=None,
        description="Part of the draws in which the grouping stays the best as it stands, each task served "
        "as recommended; null in answers that were kept before this was told.",
    )
    frequency_optimal: float = Field(
        description="Part of the draws in which its networks are the best, if each task may be served by "
        "another of them."
    )
    frequency_within_tolerance: float = Field(
        description="Part of the draws in which the grouping as it stands is within the tolerance of the "
        "least loss."
    )
    mean_regret: Finite = Field(
        description="Mean of the regret: loss of the grouping as it stands minus the least loss of the draw."
    )
    regret_95: Finite = Field(description="95 % quantile of the regret over the draws.")
    mean_regret_part: Finite = Field(
        default=None,
        description="Mean of the regret as a part of the least loss of the draw; null if that is 0 "
        "in a draw, and in answers that were kept before this was told.",
    )
    regret_95_part: Finite = Field(
        default=None, description="95 % quantile of that part; null where `mean_regret_part` is."
    )
    loss_interval: tuple[Finite, Finite] = Field(
        description="Interval of its loss that holds 95 % of the draws."
    )
    optimism: Finite = Field(description="Expected increase of its loss on fresh seeds.")
    alternatives: list[RivalOut] = Field(
        description="Networks that are the best in other draws, most frequent first."
    )
    sentences: Sentences


class GroupingAnswerBody(SolutionOut):
    """Answer of a stored grouping, as it was when it was solved."""

    task_losses: list[TaskLossOut]
    baselines: list[ChangeOut]
    alternatives: list[AlternativeOut] = Field(description="The k best groupings, this one first.")
    has_proven_alternatives: bool = Field(
        description="Whether no other grouping is better than the last alternative."
    )
    explanation: list[str] = Field(description="Reasons for these networks, in sentences.")
    explanation_data: ExplanationData = Field(description="Reasons for these networks, as data.")
    confidence: ConfidenceOut | None = Field(description="Null where it was not requested.")
    held: list[str] = Field(
        default_factory=list,
        description="Demands that it keeps to beside the budget, as phrases; empty in answers that were kept "
        "before this was told.",
    )
    findings: list[str] = Field(default_factory=list, description=FINDINGS)


class StoredGroupingOut(GroupingAnswerBody):
    """A stored solve of a score table."""

    id: str
    score_table_id: str = Field(validation_alias="table_id")
    revision: int = Field(description="Revision of the score table that was solved.")
    created_at: datetime = Field(validation_alias="created_s")
    request: GroupingRequest

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, stored: Any) -> Any:
        """Flatten a record of the store, which holds the answer as JSON, into one object."""
        return Joined(stored, SimpleNamespace(**stored.answer)) if hasattr(stored, "answer") else stored


class GroupingSummary(Output):
    """A stored grouping in short."""

    id: str
    score_table_id: str = Field(validation_alias="table_id")
    revision: int
    created_at: datetime = Field(validation_alias="created_s")
    request: GroupingRequest
    status: SolutionStatus = Field(validation_alias=AliasPath("answer", "status"))
    loss: Finite = Field(validation_alias=AliasPath("answer", "loss"))
    gap: Finite = Field(validation_alias=AliasPath("answer", "gap"))
    cost_snt: Finite = Field(validation_alias=AliasPath("answer", "cost_snt"))
    networks: list[str] = Field(validation_alias="network_names")


class GroupingPage(Output):
    """Stored groupings of a table, newest first."""

    items: list[GroupingSummary]
    next_page_token: NextPage


class ExplanationOut(Output):
    """Explanation of a grouping."""

    grouping_id: str
    sentences: list[str]
    data: ExplanationData


class TaskChangeOut(Output):
    """A task in the two groupings that are compared."""

    task: str
    a_network: str | None
    b_network: str | None
    a_loss: Finite
    b_loss: Finite
    change: Finite = Field(description="b - a; below 0 the second is better.")


class GroupingComparison(Output):
    """Difference of the second grouping from the first."""

    a: GroupingSummary
    b: GroupingSummary
    loss_change: Finite = Field(description="b - a; null where the losses are not comparable.")
    cost_change: Finite = Field(description="b - a; null where the costs are not comparable.")
    in_both: list[str]
    only_a: list[str]
    only_b: list[str]
    tasks: list[TaskChangeOut]
    notes: list[str] = Field(description="What to keep in mind, such as that the tables differ.")
