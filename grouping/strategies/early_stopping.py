"""Early stopping approximation (ESA) of Standley et al. (2020), section 4.1.

Train every candidate for a short pass, solve on those losses, and train only the chosen networks to the
end. The paper's short pass shows each network 20 % of the data; here it is the first 20 % of the epochs of
the same schedule. Early losses rank the networks of a task poorly (the published correlation is one
between tasks), so the recommendation is made of fully trained networks only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.recipes import EARLY_FIDELITY
from grouping.strategies.evidence import Choose, Estimate, Evidence, Proposal
from grouping.strategies.forecast import Forecast, first_then_chosen


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """A short pass over all candidates, then what it recommends in full."""

    name: ClassVar[str] = "esa"
    title: ClassVar[str] = "Early stopping approximation"
    description: ClassVar[str] = (
        "Trains every candidate for a short pass, solves on those losses and trains only the chosen "
        "networks to the end."
    )

    lists_candidates: ClassVar[bool] = True

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """The short passes; once they are there, the chosen networks in full."""
        first = evidence.request(evidence.candidates.require_listed(), EARLY_FIDELITY)
        return Proposal.of(first or evidence.request_chosen(evidence.early, choose))

    def forecast(self, evidence: Evidence) -> Forecast:
        """The short passes, and at most what groupings for all inference budgets can have."""
        return first_then_chosen(
            evidence, evidence.request(evidence.candidates.require_listed(), EARLY_FIDELITY)
        )

    def estimate(self, evidence: Evidence) -> Estimate:
        """The early losses, which are no prediction of the final ones: their error is not known."""
        early = evidence.early
        unknown = np.full(early.validation.shape, np.nan)
        return Estimate(early, unknown, np.zeros(len(early.networks), dtype=np.bool_))
