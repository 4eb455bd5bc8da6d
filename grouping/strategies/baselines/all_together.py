"""Baseline that trains all tasks in one network: the first one of Standley et al. (2020), section 5.

It costs one training and an inference budget of 1. Where groups may not be that large, the fewest groups
that the limit allows take its place, in the order of the tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.forecast import Forecast, count_kinds
from grouping.strategies.sampling import cover


@dataclass(frozen=True, slots=True)
class AllTogether:
    """Trains the network of all tasks and nothing else."""

    name: ClassVar[str] = "all-together"
    title: ClassVar[str] = "All together"
    description: ClassVar[str] = (
        "Trains one network for all tasks and nothing else, or the largest allowed groups that cover them. A "
        "baseline without a search."
    )

    lists_candidates: ClassVar[bool] = False

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request the network of all tasks, or the groups that take its place."""
        networks = cover(evidence.candidates)
        tasks = evidence.candidates.tasks
        note = ""
        if lost := [network for network in networks if network.key in evidence.diverged]:
            note = (
                f"{', '.join(n.name(tasks) for n in lost)} diverged; this baseline has nothing else to train."
            )
        elif len(networks) > 1:
            names = ", ".join(network.name(tasks) for network in networks)
            note = f"No candidate holds all {len(tasks)} tasks; trained in its place: {names}."
        return Proposal.of(evidence.request(networks), note)

    def forecast(self, evidence: Evidence) -> Forecast:
        """Forecast exactly the requested trainings."""
        counts = count_kinds(evidence.request(cover(evidence.candidates)))
        return Forecast(counts, counts)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return the measured losses; nothing is predicted."""
        return LossEstimate.of_measured(evidence.full)
