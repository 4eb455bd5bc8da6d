"""Baseline that trains every task by itself: the second one of Standley et al. (2020), section 5.

Every task in a full-size network, and in smaller ones where the candidates have them: with half-size
networks the baseline exists for half of the inference budget too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.forecast import Forecast, count_kinds


@dataclass(frozen=True, slots=True)
class AllAlone:
    """Trains the single-task networks and nothing else."""

    name: ClassVar[str] = "all-alone"
    title: ClassVar[str] = "All alone"
    description: ClassVar[str] = (
        "Trains every task in networks of its own, of every allowed size, and nothing else. A baseline "
        "without a search."
    )

    lists_candidates: ClassVar[bool] = False

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request the single-task networks of every size."""
        return Proposal.of(evidence.request(evidence.candidates.singles))

    def forecast(self, evidence: Evidence) -> Forecast:
        """Forecast exactly the requested trainings."""
        counts = count_kinds(evidence.request(evidence.candidates.singles))
        return Forecast(counts, counts)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return the measured losses; nothing is predicted."""
        return LossEstimate.of_measured(evidence.full)
