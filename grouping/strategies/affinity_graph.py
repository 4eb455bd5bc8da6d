"""The affinity graph: tasks as nodes, directed signed effects as weighted edges.

Communities of tasks that help one another order the rows of the affinity matrix, so that blocks become
visible. Communities are by greedy modularity (Clauset, Newman, Moore 2004) on the mutual help of each pair.
"""

from __future__ import annotations

import networkx as nx
import numpy as np

from grouping.domain.affinity import AffinityMatrix


def affinity_graph(matrix: AffinityMatrix) -> nx.DiGraph:
    """Directed graph of an affinity matrix: an edge from source to target per measured cell.

    Edges carry ``weight`` (the effect, negative where it harms) and ``standard_error``.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(matrix.tasks)
    for effect in matrix.effects():
        graph.add_edge(
            effect.source, effect.target, weight=effect.value, standard_error=effect.standard_error
        )
    return graph


def communities(matrix: AffinityMatrix) -> tuple[tuple[str, ...], ...]:
    """Tasks that help one another, largest community first; tasks in the order of the matrix.

    A pair is joined when its two effects are positive on average, with that mean as the weight.
    """
    mutual = nx.Graph()
    mutual.add_nodes_from(matrix.tasks)
    directed = affinity_graph(matrix)
    for i, a in enumerate(matrix.tasks):
        for b in matrix.tasks[i + 1 :]:
            effects = [directed[s][t]["weight"] for s, t in ((a, b), (b, a)) if directed.has_edge(s, t)]
            if effects and np.mean(effects) > 0:
                mutual.add_edge(a, b, weight=float(np.mean(effects)))
    if not mutual.number_of_edges():
        return tuple((task,) for task in matrix.tasks)
    found = nx.community.greedy_modularity_communities(mutual, weight="weight")
    position = {task: i for i, task in enumerate(matrix.tasks)}
    ordered = [tuple(sorted(group, key=position.__getitem__)) for group in found]
    return tuple(sorted(ordered, key=lambda group: (-len(group), position[group[0]])))


def cluster_order(matrix: AffinityMatrix) -> tuple[int, ...]:
    """Positions of the tasks such that communities stand together."""
    position = {task: i for i, task in enumerate(matrix.tasks)}
    return tuple(position[task] for group in communities(matrix) for task in group)
