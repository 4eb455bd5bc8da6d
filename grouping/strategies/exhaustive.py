"""Train every candidate: the "Optimal" of Standley et al. (2020), and the reference for all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.domain.scores import ScoreTable
from grouping.domain.trials import TrialRequest
from grouping.strategies.evidence import Choose, Evidence


@dataclass(frozen=True, slots=True)
class Exhaustive:
    """Every candidate at full fidelity; nothing is estimated."""

    name: ClassVar[str] = "exhaustive"
    title: ClassVar[str] = "Exhaustive"
    description: ClassVar[str] = "Trains every candidate network; exact, and the most expensive."

    def ask(self, evidence: Evidence, choose: Choose) -> tuple[TrialRequest, ...]:
        """All candidates not yet tried."""
        return evidence.request(evidence.candidates)

    def estimate(self, evidence: Evidence) -> ScoreTable:
        """The measured table."""
        return evidence.full
