"""Forecast of how many networks a strategy will train, before anything is trained.

What a strategy trains first follows from no evidence at all, so asking it once on empty evidence gives a
lower bound that is exact as far as it goes. What it trains afterwards depends on scores that are not known
yet. A strategy that knows more says so by a method

    def forecast(self, evidence: Evidence) -> Forecast

Any other, plug-ins included, is bounded from above by training every candidate in full beside its first step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import comb
from typing import Protocol

from grouping.domain.networks import Candidates
from grouping.domain.trainings.budgets import most_chosen
from grouping.domain.trainings.trials import TrialRequest
from grouping.strategies.evidence import Choose, Evidence, Proposal

Kind = tuple[int, float, float]
"""Number of tasks of the group, size of the network, fidelity."""


class SupportsAsk(Protocol):
    """A strategy, as far as a forecast needs it."""

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Return the trials wanted next."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Number of trainings of a search, as bounds; equal bounds are exact.

    Attributes:
        lower: trainings by kind that happen in any case.
        upper: the most trainings by kind.
        most: the most trainings altogether, where that is less than the sum of `upper`; else None.
    """

    lower: Mapping[Kind, int]
    upper: Mapping[Kind, int]
    most: int | None = None

    @property
    def n_lower(self) -> int:
        """Fewest trainings."""
        return sum(self.lower.values())

    @property
    def n_upper(self) -> int:
        """Most trainings."""
        total = sum(self.upper.values())
        return total if self.most is None else max(self.n_lower, min(total, self.most))

    @property
    def is_exact(self) -> bool:
        """Whether the number of trainings is known."""
        return self.n_lower == self.n_upper

    def beginning_with(self, first: Mapping[Kind, int]) -> Forecast:
        """Return the forecast of a search that begins with these trainings, whatever its strategy wants."""
        lower = {kind: max(n, self.lower.get(kind, 0)) for kind, n in {**self.lower, **first}.items()}
        upper = {kind: max(n, self.upper.get(kind, 0)) for kind, n in {**self.upper, **lower}.items()}
        added = sum(lower.values()) - self.n_lower
        return Forecast(lower, upper, None if self.most is None else self.most + added)

    def costliest(self) -> Mapping[Kind, int]:
        """Return trainings by kind in the costliest case: large networks and groups come first."""
        counts = Counter(dict(self.lower))
        room = self.n_upper - self.n_lower
        for kind in sorted(self.upper, key=lambda kind: (kind[1] * kind[2], kind[0]), reverse=True):
            added = min(room, self.upper[kind] - counts[kind])
            if added > 0:
                counts[kind] += added
                room -= added
        return {kind: counts[kind] for kind in sorted(counts) if counts[kind]}


def forecast(
    strategy: SupportsAsk,
    evidence: Evidence,
    choose: Choose,
    *,
    is_free: Callable[[TrialRequest], bool] = lambda _: False,
    n_free: Mapping[Kind, int] | None = None,
) -> Forecast:
    """Forecast the trainings of a strategy.

    Args:
        strategy: any strategy; its own ``forecast`` is preferred.
        evidence: without scores; `remaining` as it will be at the start.
        choose: the solver.
        is_free: whether the outcome of a trial is known already, so that it is not trained.
        n_free: number of full trainings of candidates that are free, by kind.

    Raises:
        GroupingError: if the strategy refuses the candidates.
    """
    first = count_kinds(r for r in strategy.ask(evidence, choose).requests if not is_free(r))
    upper = _at_least(_less(exhaustive(evidence), n_free or {}), first)
    own = getattr(strategy, "forecast", None)
    if not callable(own):
        return Forecast(first, upper)
    told: Forecast = own(evidence)
    if not n_free:
        return told
    return Forecast(first, {k: min(n, told.upper.get(k, 0)) for k, n in upper.items()}, told.most)


def first_then_chosen(evidence: Evidence, first: Iterable[TrialRequest]) -> Forecast:
    """Forecast strategies that train something first, then what it recommends for each budget.

    Args:
        evidence: without scores.
        first: what is trained in any case.
    """
    lower = count_kinds(first)
    most = sum(lower.values()) + most_chosen(evidence.candidates, evidence.budgets_snt) * len(evidence.seeds)
    return Forecast(lower, _at_least(exhaustive(evidence), lower), most)


def exhaustive(evidence: Evidence) -> Mapping[Kind, int]:
    """Count trainings of every candidate in full with every seed, by kind, without listing candidates."""
    counts = count_candidate_shapes(evidence.candidates)
    return {(*shape, 1.0): count * len(evidence.seeds) for shape, count in counts.items()}


def count_candidate_shapes(candidates: Candidates) -> Mapping[tuple[int, float], int]:
    """Count candidates by group size and size."""
    if candidates.networks is not None:
        return Counter((len(network.group), network.size) for network in candidates.networks)
    n_tasks = len(candidates.tasks)
    counts = {(1, size): n_tasks for size in candidates.single_sizes}
    return counts | {(k, 1.0): comb(n_tasks, k) for k in range(1, candidates.max_group_size + 1)}


def count_kinds(requests: Iterable[TrialRequest]) -> Mapping[Kind, int]:
    """Count requests by kind."""
    return Counter((len(r.network.group), r.network.size, r.fidelity) for r in requests)


def _less(counts: Mapping[Kind, int], free: Mapping[Kind, int]) -> dict[Kind, int]:
    return {kind: max(0, count - free.get(kind, 0)) for kind, count in counts.items()}


def _at_least(counts: Mapping[Kind, int], lower: Mapping[Kind, int]) -> dict[Kind, int]:
    kinds = sorted({*counts, *lower})
    return {kind: max(counts.get(kind, 0), lower.get(kind, 0)) for kind in kinds}
