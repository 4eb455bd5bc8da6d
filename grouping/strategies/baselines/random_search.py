"""Random search (Bergstra and Bengio, JMLR 2012) over networks: the baseline for other strategies.

Their argument for hyperparameters holds here too: a random choice of candidates is a strong, unbiased
baseline at equal cost. One thing is not left to chance: the network of all tasks is trained first, so that
there is a recommendation from the first training on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import Annotated, ClassVar

from grouping.domain.networks import CANDIDATE_LIMIT, Candidates, Network
from grouping.parameters import Field
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.forecast import Forecast, count_candidate_shapes, count_kinds
from grouping.strategies.sampling import cover, random_networks


def default_trainings(candidates: Candidates) -> int:
    """Return the number of single tasks and pairs, which HOA trains before it predicts."""
    shapes = count_candidate_shapes(candidates)
    return max(1, sum(count for (n_tasks, _), count in shapes.items() if n_tasks <= 2))


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Trains the network of all tasks, then random candidates.

    Attributes:
        trainings: networks to train, each with every seed; None for as many as HOA trains before it predicts.
    """

    trainings: Annotated[
        int | None,
        Field(
            ge=1,
            le=CANDIDATE_LIMIT,
            description="Networks to train, each with every seed; null for as many as hoa trains first.",
        ),
    ] = None

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "Random search"
    description: ClassVar[str] = (
        "Trains all tasks together and then random candidates. The baseline of equal cost for every other "
        "strategy."
    )

    lists_candidates: ClassVar[bool] = False
    plans_ahead: ClassVar[bool] = True

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request all networks at once; more only to cover tasks whose network diverged."""
        wanted = self._networks(evidence)
        requests = evidence.request(wanted)
        if requests:
            note = f"Training {len(wanted):,} of {evidence.candidates.count:,} candidates, drawn at random."
            return Proposal.of(requests, note)
        if evidence.diverged.isdisjoint({network.key for network in cover(evidence.candidates)}):
            return Proposal.of(())
        spare = evidence.request(cover(evidence.candidates, evidence.diverged))
        return Proposal.of(spare, "What was to cover all tasks diverged; smaller groups take its place.")

    def forecast(self, evidence: Evidence) -> Forecast:
        """Forecast exactly the requested trainings, unless the network of all tasks diverges."""
        counts = count_kinds(evidence.request(self._networks(evidence)))
        return Forecast(counts, counts)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return the measured losses; nothing is predicted."""
        return LossEstimate.of_measured(evidence.full)

    def _networks(self, evidence: Evidence) -> tuple[Network, ...]:
        """Return a cover of the tasks, then random candidates; never less than the cover."""
        candidates = evidence.candidates
        first = cover(candidates)
        most = self.trainings or default_trainings(candidates)
        known = {network.key for network in first}
        others = (n for n in random_networks(candidates, evidence.seed) if n.key not in known)
        return tuple(islice(chain(first, others), max(most, len(first))))
