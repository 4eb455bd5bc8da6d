"""Exhaustive search: the "Optimal" of Standley et al. (2020), and the reference for all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal


@dataclass(frozen=True, slots=True)
class Exhaustive:
    """Trains every candidate at full fidelity; nothing is estimated."""

    name: ClassVar[str] = "exhaustive"
    title: ClassVar[str] = "Exhaustive"
    description: ClassVar[str] = "Trains every candidate network; exact, and the most expensive."

    lists_candidates: ClassVar[bool] = True
    plans_ahead: ClassVar[bool] = True

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request every candidate not yet attempted."""
        return Proposal.of(evidence.request(evidence.candidates.require_listed()))

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return the measured losses; nothing is predicted."""
        return LossEstimate.of_measured(evidence.full)
