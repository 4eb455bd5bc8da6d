"""What a strategy knows when it is asked: the candidates, the scores so far, and how to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from grouping.domain.groupings import Solution
from grouping.domain.networks import Network
from grouping.domain.scores import ScoreTable
from grouping.domain.trials import TrialRequest

Choose = Callable[[ScoreTable, float], Solution]
"""The solver, as strategies see it: a table and an inference budget give a solution."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """State of a search.

    Attributes:
        candidates: every network that may be chosen.
        full: full-fidelity scores so far, of trained networks only.
        early: scores of short passes so far.
        budgets_snt: inference budgets the user cares for.
        seeds: seeds with which a network is trained.
        attempted: trials (group, size, fidelity, seed) that are finished, whatever came out.
    """

    candidates: tuple[Network, ...]
    full: ScoreTable
    early: ScoreTable
    budgets_snt: tuple[float, ...]
    seeds: tuple[int, ...]
    attempted: frozenset[tuple[frozenset[str], float, float, int]] = frozenset()

    def request(self, networks: Iterable[Network], fidelity: float = 1.0) -> tuple[TrialRequest, ...]:
        """A trial per seed for each of the networks, less those that are finished; the first seeds first."""
        wanted = tuple(networks)
        return tuple(
            TrialRequest(network, seed, fidelity)
            for seed in self.seeds
            for network in wanted
            if (network.group, network.size, fidelity, seed) not in self.attempted
        )

    def request_chosen(self, estimate: ScoreTable, choose: Choose) -> tuple[TrialRequest, ...]:
        """Full trainings of the networks that an estimate recommends for any of the budgets.

        Networks that were trained in full and have no scores, because they diverged, are not chosen again.
        """
        tried = {(group, size) for group, size, fidelity, _ in self.attempted if fidelity == 1}
        hopeless = {
            key
            for key in tried
            if (row := self.full.find_position(*key)) is None or not self.full.is_complete[row]
        }
        hopeful = [n for n, x in enumerate(estimate.networks) if (x.group, x.size) not in hopeless]
        estimate = estimate.select(hopeful)
        chosen: dict[tuple[frozenset[str], float], Network] = {}
        for budget in self.budgets_snt:
            grouping = choose(estimate, budget).grouping
            if grouping is not None:
                chosen |= {(network.group, network.size): network for network in grouping.networks}
        return self.request(chosen.values())
