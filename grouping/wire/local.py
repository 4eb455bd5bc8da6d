"""Answers of commands that solve a score table on this machine; like those of the API."""

from __future__ import annotations

from pydantic import Field

from grouping.wire.base_types import Finite, Output, Sentences
from grouping.wire.groupings import FINDINGS, BaselineOut, CurvePointOut, GroupingOut, SolutionOut
from grouping.wire.stored_groupings import ConfidenceOut


class LocalAlternative(Output):
    """One of the best groupings."""

    loss: Finite
    grouping: GroupingOut


class LocalSolution(SolutionOut):
    """Answer for one inference budget; parts that were not requested are left out."""

    test_loss: Finite = Field(description="Weighted total test loss; reported, never decided on.")
    is_estimated: bool = Field(default=False, description="Whether losses are estimated from pairs.")
    alternatives: list[LocalAlternative] = Field(default_factory=list)
    has_proven_alternatives: bool = Field(
        default=False, description="Whether no other grouping is better than the last alternative."
    )
    explanation: Sentences = Field(
        default_factory=list, description="Reasons for these networks, in sentences."
    )
    confidence: ConfidenceOut | None = None
    findings: list[str] = Field(default_factory=list, description=FINDINGS)


class LocalCurve(Output):
    """Groupings over inference budgets; the loss never rises with the budget."""

    points: list[CurvePointOut]
    baselines: list[BaselineOut]
    findings: list[str] = Field(default_factory=list, description=FINDINGS)
