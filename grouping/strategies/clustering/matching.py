"""Baseline: pairs of tasks by maximum-weight matching (Edmonds 1965).

Each task gets at most one partner, such that the mutual affinities of all pairs add up to the most; a task
that no partner is left for, or that nobody helps, stays alone. If these are more groups than the budget has
networks, those with the highest mean affinity are merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.strategies.clustering.partition_search import ask_for_partitions
from grouping.strategies.clustering.partitions import Groups, merged, ordered
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal


def matching_groups(mutual: FloatArray, n_groups: int) -> Groups:
    """Match tasks to pairs of the most mutual affinity, merged to at most `n_groups`.

    Args:
        mutual: ``[T, T]`` symmetric mutual affinities; positive helps.
        n_groups: the most groups.
    """
    n_tasks = len(mutual)
    import networkx as nx  # slow to import, and not needed to list the strategies

    graph = nx.Graph()  # of numbers: the order of sets of names would differ from process to process
    graph.add_nodes_from(range(n_tasks))
    for a, b in np.argwhere(np.triu(mutual, 1) > 0).tolist():
        graph.add_edge(a, b, weight=float(mutual[a, b]))
    pairs = [tuple(sorted(pair)) for pair in nx.max_weight_matching(graph)]
    matched = {task for pair in pairs for task in pair}
    alone = [(task,) for task in range(n_tasks) if task not in matched]
    return merged(ordered([*pairs, *alone]), mutual, n_groups)


@dataclass(frozen=True, slots=True)
class Matching:
    """Trains a network for each pair of the best matching."""

    name: ClassVar[str] = "matching"
    title: ClassVar[str] = "Maximum-weight matching"
    description: ClassVar[str] = (
        "Trains singles and pairs, and gives every task the partner that makes the sum of all mutual gains "
        "largest; smaller inference budgets merge pairs. A baseline without solver or prediction."
    )

    lists_candidates: ClassVar[bool] = False

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request singles and pairs, then the pairs of the matching, or what they are merged to."""
        return ask_for_partitions(evidence, matching_groups)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return the measured losses; nothing is predicted."""
        return LossEstimate.of_measured(evidence.full)
