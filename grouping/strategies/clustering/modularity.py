"""Baseline: communities of tasks by greedy modularity (Clauset, Newman, Moore 2004).

The graph joins two tasks that help each other on average, with that mean as the weight; harm is no edge.
Communities are merged for as long as that raises the modularity, so their number is found, not given. Where
there are more of them than the budget has networks, those with the highest mean affinity are merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.strategies.clustering.partition_search import ask_for_partitions
from grouping.strategies.clustering.partitions import Groups, merged, ordered
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal


def modularity_groups(mutual: FloatArray, n_groups: int) -> Groups:
    """Find communities in the graph of mutual help: as many as there are, at most `n_groups`.

    Args:
        mutual: ``[T, T]`` symmetric mutual affinities; positive helps.
        n_groups: the most groups.
    """
    # Nodes are numbers: the order of sets of names would differ from process to process.
    import networkx as nx  # slow to import, and not needed to list the strategies

    graph = nx.Graph()
    graph.add_nodes_from(range(len(mutual)))
    for a, b in np.argwhere(np.triu(mutual, 1) > 0).tolist():
        graph.add_edge(a, b, weight=float(mutual[a, b]))
    found: Groups = tuple((task,) for task in range(len(mutual)))
    if graph.number_of_edges():
        found = ordered(nx.community.greedy_modularity_communities(graph, weight="weight"))
    return merged(found, mutual, n_groups)


@dataclass(frozen=True, slots=True)
class Modularity:
    """Trains one network for each community of tasks that help one another."""

    name: ClassVar[str] = "modularity"
    title: ClassVar[str] = "Modularity communities"
    description: ClassVar[str] = (
        "Trains singles and pairs, finds communities of tasks that help one another and trains a network "
        "for each, merged to the inference budget. A baseline without solver or prediction."
    )

    lists_candidates: ClassVar[bool] = False

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request singles and pairs, then the communities."""
        return ask_for_partitions(evidence, modularity_groups)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return the measured losses; nothing is predicted."""
        return LossEstimate.of_measured(evidence.full)
