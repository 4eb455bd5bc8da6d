"""The affinity graph: tasks as nodes, directed signed effects as weighted edges.

Communities of tasks that help one another order the rows of the affinity matrix and the nodes of the drawn
graph, so that blocks become visible; see `grouping.strategies.clustering.modularity`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.strategies.clustering.modularity import modularity_groups
from grouping.strategies.clustering.partitions import mutual_affinity

if TYPE_CHECKING:
    import networkx as nx

MOST_JOINED = 100
"""Tasks up to which communities are found in the graph of all pairs."""
CLOSEST = 10
"""Others that each task is joined with in the graph of more tasks."""


def affinity_graph(matrix: AffinityMatrix) -> nx.DiGraph:
    """Build the directed graph of an affinity matrix: an edge from source to target per known cell.

    Edges carry ``weight`` (the effect, negative where it harms) and ``standard_error``.
    """
    import networkx as nx  # slow to import

    graph = nx.DiGraph()
    graph.add_nodes_from(matrix.tasks)
    for effect in matrix.effects():
        graph.add_edge(
            effect.source, effect.target, weight=effect.value, standard_error=effect.standard_error
        )
    return graph


def communities(matrix: AffinityMatrix) -> tuple[tuple[str, ...], ...]:
    """Find communities of tasks that help one another, largest first; tasks in matrix order.

    A pair is joined when its two effects are positive on average, with that mean as the weight. Where a
    matrix says how alike tasks are, those that are more alike than others belong together. Of more than
    `MOST_JOINED` tasks each is joined with the `CLOSEST` others of the highest mean alone.
    """
    mutual = mutual_affinity(matrix)
    if len(mutual) > MOST_JOINED:
        least = np.partition(mutual, -CLOSEST, axis=1)[:, -CLOSEST]
        is_kept = mutual >= least[:, None]
        mutual = np.where(is_kept | is_kept.T, mutual, 0.0)
    groups = modularity_groups(mutual, len(matrix.tasks))
    return tuple(tuple(matrix.tasks[task] for task in group) for group in groups)


def cluster_order(matrix: AffinityMatrix) -> tuple[int, ...]:
    """Return an order of the tasks in which communities stand together, as positions."""
    position = {task: i for i, task in enumerate(matrix.tasks)}
    return tuple(position[task] for group in communities(matrix) for task in group)
