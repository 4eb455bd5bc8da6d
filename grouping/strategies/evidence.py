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
        attempted: networks (group, size, fidelity) whose trials are finished, whatever came out.
    """

    candidates: tuple[Network, ...]
    full: ScoreTable
    early: ScoreTable
    budgets_snt: tuple[float, ...]
    seeds: tuple[int, ...]
    attempted: frozenset[tuple[frozenset[str], float, float]] = frozenset()

    def request(self, networks: Iterable[Network], fidelity: float = 1.0) -> tuple[TrialRequest, ...]:
        """A trial per seed for each of the networks that has not been tried at that fidelity."""
        new = [n for n in networks if (n.group, n.size, fidelity) not in self.attempted]
        return tuple(TrialRequest(n, seed, fidelity) for seed in self.seeds for n in new)
