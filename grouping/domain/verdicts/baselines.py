"""Baselines: groupings of equal cost that need no search, with which a verdict compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from grouping.domain.costs import fits
from grouping.domain.networks import Network, NetworkKey


class ComparedWith(StrEnum):
    """Baselines with which the verdict of a job compares."""

    BOTH = "both"
    """All tasks in one network, and each task alone."""
    ALL_TOGETHER = "all-together"
    """All tasks in one network."""
    ALL_ALONE = "all-alone"
    """Each task alone."""
    NONE = "none"
    """Nothing: the chosen networks are trained with fresh seeds, and their loss is told."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Networks that spend the whole budget without any search.

    Attributes:
        name: ``all together`` or ``all alone``.
        networks: its networks.
    """

    name: str
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Baselines:
    """The baselines of a search.

    Attributes:
        wanted: which of them a verdict compares with.
        built_snt: the only sizes that can be built, with their costs; None for any. Then all tasks share a
            full-size network, and each alone has the dearest size within its share; a baseline that no size
            allows is left out.
        unbuilt: networks that cannot be built, since none is so small; a baseline with one is left out.
    """

    wanted: ComparedWith = ComparedWith.BOTH
    built_snt: Mapping[float, float] | None = None
    unbuilt: frozenset[NetworkKey] = frozenset()

    @property
    def has_together(self) -> bool:
        """Whether one of them is the network of all tasks."""
        return self.wanted in (ComparedWith.BOTH, ComparedWith.ALL_TOGETHER)

    @property
    def has_alone(self) -> bool:
        """Whether one of them is each task alone."""
        return self.wanted in (ComparedWith.BOTH, ComparedWith.ALL_ALONE)

    def of_cost(self, tasks: tuple[str, ...], budget_snt: float) -> tuple[Baseline, ...]:
        """Build the baselines: all tasks in one network of the budget's size; each in its share of it.

        Args:
            tasks: names of all tasks.
            budget_snt: the inference budget.
        """
        found = [self._together(tasks, budget_snt)] if self.has_together else []
        found += [self._alone(tasks, budget_snt)] if self.has_alone else []
        return tuple(one for one in found if one is not None and self._can_be_built(one))

    def too_small(self, tasks: tuple[str, ...], budget_snt: float) -> tuple[str, ...]:
        """Return the names of the baselines that are left out since no network is so small."""
        whole = replace(self, unbuilt=frozenset()).of_cost(tasks, budget_snt)
        return tuple(one.name for one in whole if not self._can_be_built(one))

    def among(
        self, measured: Iterable[Network], tasks: tuple[str, ...], budgets_snt: Iterable[float]
    ) -> Baselines:
        """Leave out those with a network that is not among the measured ones: all others cannot be built.

        Args:
            measured: networks whose cost was measured; none where that is still to be done.
            tasks: names of all tasks.
            budgets_snt: the inference budgets.
        """
        known = {network.key for network in measured}
        wanted = (n.key for b in budgets_snt for one in self.of_cost(tasks, b) for n in one.networks)
        return replace(self, unbuilt=frozenset(key for key in wanted if key not in known)) if known else self

    def _can_be_built(self, baseline: Baseline) -> bool:
        return all(network.key not in self.unbuilt for network in baseline.networks)

    def _together(self, tasks: tuple[str, ...], budget_snt: float) -> Baseline | None:
        if self.built_snt is None:
            return Baseline("all together", (Network.of(*tasks, size=budget_snt),))
        return Baseline("all together", (Network.of(*tasks),)) if fits(1.0, budget_snt) else None

    def _alone(self, tasks: tuple[str, ...], budget_snt: float) -> Baseline | None:
        if self.built_snt is None:
            share = budget_snt / len(tasks)
            return Baseline("all alone", tuple(Network.of(task, size=share) for task in tasks))
        affordable = {
            size: cost for size, cost in self.built_snt.items() if fits(cost * len(tasks), budget_snt)
        }
        if not affordable:
            return None
        size = max(affordable, key=lambda size: (affordable[size], size))
        alone = tuple(Network.of(task, size=size, cost_snt=affordable[size]) for task in tasks)
        return Baseline("all alone", alone)


BOTH_BASELINES = Baselines()
"""Both, of any size."""
