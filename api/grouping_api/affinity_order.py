"""Orders in which the tasks of an affinity matrix are shown, the same on both axes."""

from __future__ import annotations

from grouping.domain.affinity import AffinityMatrix
from grouping.errors import UnknownNameError
from grouping.strategies.affinity.graph import cluster_order

ORDERS = ("input", "name", "cluster")


def order_of(matrix: AffinityMatrix, order: str) -> tuple[int, ...]:
    """Positions of the tasks in an order: as they were given, by name, or communities together.

    Raises:
        UnknownNameError: if there is no such order.
    """
    if order not in ORDERS:
        raise UnknownNameError("order", order, ORDERS)
    if order == "cluster":
        return cluster_order(matrix)
    if order == "name":
        return tuple(sorted(range(len(matrix.tasks)), key=lambda i: matrix.tasks[i].casefold()))
    return tuple(range(len(matrix.tasks)))
