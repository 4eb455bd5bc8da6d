"""Contestants: what is tuned for a verdict, each by itself, and random groupings beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.trainings.trials import Purpose, TrialRequest, Variant
from grouping.domain.verdicts.baselines import Baseline, Baselines
from grouping.domain.verdicts.tuning import N_RANDOM

RECOMMENDED = "recommended"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A grouping that is trained under recipes of its own.

    Attributes:
        name: name for people.
        grouping: its networks, and which of them serves each task.
        members: number of networks whose predictions are averaged in place of each network.
    """

    name: str
    grouping: Grouping
    members: int = 1

    @property
    def key(self) -> tuple[frozenset[NetworkKey], int]:
        """Identity: two contestants with one key are trained alike."""
        return frozenset(network.key for network in self.grouping.networks), self.members

    def requests(self, purpose: Purpose, recipe: int, seeds: Iterable[int]) -> tuple[TrialRequest, ...]:
        """Return its trainings under a recipe."""
        variant = Variant(recipe, self.members)
        return tuple(
            TrialRequest(network, seed, purpose=purpose, variant=variant)
            for seed in seeds
            for network in self.grouping.networks
        )


def contestants_of(grouping: Grouping, budget_snt: float, baselines: Baselines) -> tuple[Contestant, ...]:
    """Return what is tuned for the verdict on a grouping: itself first, then what it is compared with.

    Beside the baselines there is the ensemble of as many networks of all tasks as it has networks, each of
    an equal share of the budget.
    """
    wanted = baselines.of_cost(grouping.tasks, budget_snt)
    found = [Contestant(RECOMMENDED, grouping)]
    found += [Contestant(baseline.name, _served(grouping.tasks, baseline)) for baseline in wanted]
    k = len(grouping.networks)
    if k > 1 and baselines.has_together and baselines.built_snt is None:
        share = Network.of(*grouping.tasks, size=budget_snt / k)
        alike = Grouping(grouping.tasks, (share,), (0,) * len(grouping.tasks))
        found.append(Contestant(f"ensemble of {k} of all together", alike, members=k))
    return tuple(found)


def _served(tasks: tuple[str, ...], baseline: Baseline) -> Grouping:
    networks = baseline.networks
    serving = tuple(next(n for n, one in enumerate(networks) if task in one.group) for task in tasks)
    return Grouping(tasks, networks, serving)


def random_alike(grouping: Grouping, seed: int, n: int = N_RANDOM) -> tuple[Contestant, ...]:
    """Return groupings of the same shape with the tasks in a random order; none where all are the same.

    Args:
        grouping: its sizes, overlaps and numbers of served tasks are kept.
        seed: seed of the orders.
        n: the most groupings; fewer where so many different ones are not found.
    """
    generator = np.random.default_rng([seed, 77])
    seen = {_networks(grouping)}
    found: list[Contestant] = []
    for _ in range(20 * n):
        order = [grouping.tasks[i] for i in generator.permutation(len(grouping.tasks))]
        drawn = _renamed(grouping, dict(zip(grouping.tasks, order, strict=True)))
        if len(found) < n and _networks(drawn) not in seen:
            seen.add(_networks(drawn))
            found.append(Contestant(f"random {len(found) + 1}", drawn))
    return tuple(found)


def _networks(grouping: Grouping) -> frozenset[NetworkKey]:
    return frozenset(network.key for network in grouping.networks)


def _renamed(grouping: Grouping, names: dict[str, str]) -> Grouping:
    networks = tuple(
        replace(network, group=frozenset(names[task] for task in network.group))
        for network in grouping.networks
    )
    served = {names[task]: position for task, position in zip(grouping.tasks, grouping.serving, strict=True)}
    return Grouping(grouping.tasks, networks, tuple(served[task] for task in grouping.tasks))


def totals(contestant: Contestant, table: ScoreTable, losses: FloatArray, seeds: Sequence[int]) -> FloatArray:
    """Return the weighted total loss of a contestant for each seed, ``[S]``; NaN where one is not known.

    Args:
        contestant: its networks may be missing in the table.
        table: scores of its variant.
        losses: ``[E, S]`` by cell of that table: validation or test losses.
        seeds: the wanted seeds.
    """
    grouping = contestant.grouping
    if any(table.find_position(*network.key) is None for network in grouping.networks):
        return np.full(len(seeds), np.nan)
    place = {seed: n for n, seed in enumerate(table.seeds)}
    return np.array(
        [grouping.total_loss(table, losses[:, place[seed]]) if seed in place else np.nan for seed in seeds],
        dtype=np.float64,
    )
