"""The p-median problem as a score table: instances of the OR-Library (Beasley, 1985) for the solver.

Each vertex of a graph is a task, and network j serves every task at its distance from vertex j. To choose p
networks of cost 1 that serve all tasks at the least total loss is to choose p medians.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError


def read_p_median(path: Path) -> tuple[ScoreTable, float]:
    """Read an instance: lines ``vertices edges p``, then ``from to length`` for each edge.

    Of parallel edges the last one counts. Distances are the lengths of shortest paths.

    Returns:
        The table, and the number p of medians as an inference budget.

    Raises:
        InvalidInputError: if the file is no such instance.
    """
    try:
        numbers = np.array(path.read_text(encoding="ascii").split(), dtype=np.float64)
        n_vertices, n_edges, n_medians = (int(number) for number in numbers[:3])
        edges = numbers[3:].reshape(n_edges, 3)
        ends = edges[:, :2].astype(np.int64) - 1
    except ValueError as error:
        raise InvalidInputError(f"{path.name} is no p-median instance: {error}.") from error
    lengths = np.zeros((n_vertices, n_vertices))
    for (one, other), length in zip(ends.tolist(), edges[:, 2].tolist(), strict=True):
        lengths[one, other] = lengths[other, one] = length
    return table_of_distances(dijkstra(csr_array(lengths), directed=False)), float(n_medians)


def table_of_distances(distances: FloatArray) -> ScoreTable:
    """Make the table of ``[networks, tasks]`` distances; every network serves every task at cost 1."""
    names = tuple(f"vertex {t + 1:04d}" for t in range(distances.shape[1]))
    # Networks are told apart by size; each costs 1.
    networks = tuple(Network(frozenset(names), 1.0 + n, 1.0) for n in range(len(distances)))
    losses = distances[:, :, None]
    return ScoreTable.from_arrays(
        tuple(map(Task, names)), networks, (0,), losses, np.full_like(losses, np.nan)
    )
