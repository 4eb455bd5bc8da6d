"""Spectral clustering (Ng, Jordan, Weiss 2001) with assignment by pivoted QR (Damle, Minden, Ying 2019).

The similarity of two tasks is their mutual affinity. A graph Laplacian needs similarities that are not
negative, so all of them are raised by the strongest mutual harm where there is any: the two tasks that harm
each other most get no edge, indifferent ones a weak edge, helpful ones a strong edge. The rows of the `k`
leading eigenvectors of the normalised similarity are assigned to groups by a QR decomposition with column
pivoting instead of k-means, so there is no random start and nothing to seed. This is what scikit-learn calls
``assign_labels="cluster_qr"``; it is written in NumPy because the service's API does not load scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.strategies.clustering.partition_search import ask_for_partitions
from grouping.strategies.clustering.partitions import Groups, ordered
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal


def similarity(mutual: FloatArray) -> FloatArray:
    """Raise mutual affinities so that the least of them is 0, if it is negative; diagonal 0."""
    n_tasks = len(mutual)
    others = ~np.eye(n_tasks, dtype=bool)
    least = min(0.0, float(mutual[others].min())) if n_tasks > 1 else 0.0
    return np.where(others, mutual - least, 0.0)


def spectral_groups(mutual: FloatArray, n_groups: int) -> Groups:
    """Cluster into `n_groups` groups by normalised spectral clustering, at most one per task.

    Args:
        mutual: ``[T, T]`` symmetric mutual affinities; positive helps.
        n_groups: number of groups; one per task if there are fewer tasks.
    """
    n_tasks = len(mutual)
    if n_groups >= n_tasks:
        return tuple((task,) for task in range(n_tasks))
    if n_groups <= 1:
        return (tuple(range(n_tasks)),)
    weights = similarity(mutual)
    degrees = weights.sum(axis=1)
    roots = np.sqrt(np.where(degrees > 0, degrees, 1.0))
    normalised = weights / roots[:, None] / roots[None, :]
    np.fill_diagonal(normalised, np.where(degrees > 0, 0.0, 1.0))  # a task with no edge is its own component
    _, vectors = np.linalg.eigh(normalised)
    labels = _assign(vectors[:, -n_groups:] / roots[:, None])
    return ordered(np.flatnonzero(labels == label).tolist() for label in range(n_groups))


def _assign(rows: FloatArray) -> FloatArray:
    """Assign each row of an embedding ``[T, k]`` to a group, the same for every rotation of it."""
    pivots = _pivots(rows)
    left, _, right = np.linalg.svd(rows[pivots].T)
    labels: FloatArray = np.abs(rows @ (left @ right)).argmax(axis=1)
    return labels


def _pivots(rows: FloatArray) -> list[int]:
    """Return the first `k` pivots of a QR decomposition of the transposed rows, by Gram-Schmidt."""
    left = rows.copy()
    chosen: list[int] = []
    for _ in range(rows.shape[1]):
        lengths = np.linalg.norm(left, axis=1)
        lengths[chosen] = -1.0
        pivot = int((lengths >= lengths.max() * (1 - 1e-9)).argmax())  # the first of equals
        chosen.append(pivot)
        if lengths[pivot] > 0:
            direction = left[pivot] / lengths[pivot]
            left = left - np.outer(left @ direction, direction)
    return chosen


@dataclass(frozen=True, slots=True)
class Spectral:
    """Trains as many networks as the budget holds, one for each spectral cluster."""

    name: ClassVar[str] = "spectral"
    title: ClassVar[str] = "Spectral clustering"
    description: ClassVar[str] = (
        "Trains singles and pairs, cuts the graph of affinities into as many groups as the inference budget "
        "has networks and trains those. A baseline without solver or prediction."
    )

    lists_candidates: ClassVar[bool] = False

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request singles and pairs, then the clusters."""
        return ask_for_partitions(evidence, spectral_groups)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return the measured losses; nothing is predicted."""
        return LossEstimate.of_measured(evidence.full)
