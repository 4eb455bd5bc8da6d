"""Early stopping approximation (ESA) of Standley et al. (2020), section 4.1.

Train every candidate for a short pass, solve on those losses, and train only the chosen networks to the
end. The paper's short pass shows each network 20 % of the data; here it is the first 20 % of the epochs of
the same schedule. Early losses rank the networks of a task poorly (the published correlation is one between
tasks), so the recommendation is made of fully trained networks only, and at the end it is said for which
tasks early losses ranked the networks that were trained to the end; see
`grouping.strategies.prediction.rank_check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar

import numpy as np

from grouping.domain.networks import CANDIDATE_LIMIT
from grouping.domain.trainings.trials import EARLY_FIDELITY, TrialRequest
from grouping.parameters import Field
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.forecast import Forecast, first_then_chosen
from grouping.strategies.prediction.rank_check import check_ranks
from grouping.strategies.sampling import random_networks

SELECTED = "They were chosen by their early losses: with check_networks, random ones are trained beside them."


@dataclass(frozen=True, slots=True)
class EarlyStoppingApproximation:
    """Trains all candidates for a short pass, then what the short losses recommend in full.

    Attributes:
        check_networks: random networks trained in full besides, so that the rank check at the end does not
            rest on networks alone that were chosen by their early losses. The paper has none.
    """

    check_networks: Annotated[
        int,
        Field(
            ge=0,
            le=CANDIDATE_LIMIT,
            description="Random networks trained in full as well, to check what early losses rank.",
        ),
    ] = 0

    name: ClassVar[str] = "esa"
    title: ClassVar[str] = "Early stopping approximation"
    description: ClassVar[str] = (
        "Trains every candidate for a short pass, solves on those losses and trains only the chosen "
        "networks to the end."
    )

    lists_candidates: ClassVar[bool] = True

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request the short passes; once they are measured, the chosen networks in full."""
        first = evidence.request(evidence.candidates.require_listed(), EARLY_FIDELITY)
        if first:
            return Proposal.of(first)
        wanted = evidence.request_chosen(evidence.early, choose)
        requests = tuple(dict.fromkeys((*wanted, *self._check_requests(evidence))))
        if requests:
            return Proposal.of(requests, "Training in full what the early losses recommend.")
        summary = check_ranks(evidence.early, evidence.full).summary()
        return Proposal.of((), summary if self.check_networks else f"{summary} {SELECTED}")

    def forecast(self, evidence: Evidence) -> Forecast:
        """Forecast the short passes, and at most a grouping for each inference budget in full."""
        early = evidence.request(evidence.candidates.require_listed(), EARLY_FIDELITY)
        return first_then_chosen(evidence, (*early, *self._check_requests(evidence)))

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return the early losses, which do not predict the final ones: their error is not known."""
        early = evidence.early
        unknown = np.full(early.validation.shape, np.nan)
        return LossEstimate(early, unknown, np.zeros(len(early.networks), dtype=np.bool_))

    def _check_requests(self, evidence: Evidence) -> tuple[TrialRequest, ...]:
        """Draw networks for the rank check at random, whatever their losses: a fair sample."""
        drawn = islice(random_networks(evidence.candidates, evidence.seed), self.check_networks)
        return evidence.request(drawn)
