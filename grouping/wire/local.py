"""Answers of commands that solve a score table on this machine: as the API's, without what only it knows."""

from __future__ import annotations

from pydantic import Field

from grouping.wire.common import Finite, Output, Sentences
from grouping.wire.groupings import BaselineOut, CurvePointOut, GroupingOut, SolutionOut
from grouping.wire.stored import ConfidenceOut


class LocalAlternative(Output):
    """One of the best groupings, the best first."""

    loss: Finite
    grouping: GroupingOut


class LocalSolution(SolutionOut):
    """The answer for one inference budget; what was not asked for is left out."""

    test_loss: Finite = Field(description="Weighted total test loss; reported, never decided on.")
    is_estimated: bool = Field(default=False, description="Whether losses are estimated from pairs.")
    alternatives: list[LocalAlternative] = Field(default_factory=list)
    has_proven_alternatives: bool = Field(
        default=False, description="Whether no other grouping is better than the last of them."
    )
    explanation: Sentences = Field(default_factory=list, description="Why these networks.")
    confidence: ConfidenceOut | None = None


class LocalCurve(Output):
    """Groupings over inference budgets; the loss never rises with the budget."""

    points: list[CurvePointOut]
    baselines: list[BaselineOut]
