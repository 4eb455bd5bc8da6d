"""Common part of the clustering baselines: measure all pairs, cluster the tasks, train the clusters.

These strategies answer what is gained by solving the choice of networks as a programme: they look at pairs
alone, never reconsider, and give every task to one network. The recommendation of a job is still the best
grouping of everything that was measured, so it is never worse than the partition itself.
"""

from __future__ import annotations

from itertools import combinations

from grouping.domain.affinities.matrix import pairwise_affinity
from grouping.domain.networks import Candidates, Network
from grouping.strategies.clustering.partitions import Clustering, CostOf, partition_within
from grouping.strategies.evidence import Evidence, Proposal


def ask_for_partitions(evidence: Evidence, cluster: Clustering) -> Proposal:
    """Request singles and pairs; once they are measured, the partition for each inference budget.

    A pair that diverged counts as indifferent. A group that diverged is not chosen again: its tasks move.
    """
    candidates = evidence.candidates
    first = evidence.request((*candidates.singles, *_pairs(candidates)))
    if first:
        return Proposal.of(first)
    matrix = pairwise_affinity(evidence.full)
    cost_of = _cost_of(evidence)
    wanted: dict[frozenset[str], Network] = {}
    notes = []
    for budget in evidence.budgets_snt:
        groups = partition_within(cluster, matrix, budget, cost_of=cost_of)
        if groups is None:
            notes.append(f"Within {budget:g} SNT: no partition into full-size networks.")
            continue
        chosen = [network for group in groups if (network := candidates.find(group)) is not None]
        wanted |= {network.group: network for network in chosen}
        names = ", ".join(network.name(candidates.tasks) for network in chosen)
        notes.append(f"Within {budget:g} SNT: {names}.")
    return Proposal.of(evidence.request(wanted.values()), note=" ".join(notes))


def _pairs(candidates: Candidates) -> tuple[Network, ...]:
    """Return full-size pairs, in the order of the tasks."""
    if candidates.networks is not None:
        return tuple(n for n in candidates.networks if len(n.group) == 2 and n.size == 1)
    found = (candidates.find(pair) for pair in combinations(candidates.tasks, 2))
    return tuple(network for network in found if network is not None)


def _cost_of(evidence: Evidence) -> CostOf:
    """Return a function that gives the cost of a group; None if it is no candidate or diverged."""
    candidates, diverged = evidence.candidates, evidence.diverged
    listed = None
    if candidates.networks is not None:
        listed = {network.group: network.cost_snt for network in candidates.networks if network.size == 1}

    def cost_of(group: frozenset[str]) -> float | None:
        if (group, 1.0) in diverged:
            return None
        if listed is not None:
            return listed.get(group)
        network = candidates.find(group)
        return None if network is None else network.cost_snt

    return cost_of
