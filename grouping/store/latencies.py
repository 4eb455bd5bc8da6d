"""Further costs in the score tables of jobs: measured latencies, and what a job states for its sizes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grouping.domain.jobs.task_definitions import SizeVariant
from grouping.domain.networks import Network, NetworkKey
from grouping.store.rows import NetworkRow

Costs = np.ndarray[Any, np.dtype[np.float64]]
LATENCY_COST = "latency_ms"
"""Name of the cost: milliseconds of a forward pass of one row on a worker, a median."""


def latency_costs(rows: Sequence[NetworkRow]) -> dict[str, Costs]:
    """Return the latencies of networks by name of the cost; empty unless all were measured."""
    found = [row.latency_ms for row in rows if row.latency_ms is not None]
    return {LATENCY_COST: np.array(found, dtype=np.float64)} if found and len(found) == len(rows) else {}


def costs_of_sizes(sizes: tuple[SizeVariant, ...], networks: Sequence[Network]) -> dict[str, Costs]:
    """Return the further costs of networks by name, ``[N]`` each; none where a network has no named size."""
    by_number = {size.number: size.costs for size in sizes}
    if not sizes or any(network.size not in by_number for network in networks):
        return {}
    return {
        name: np.array([by_number[network.size][name] for network in networks], dtype=np.float64)
        for name in sizes[0].costs
    }


def known_costs(
    sizes: tuple[SizeVariant, ...], rows: Sequence[NetworkRow]
) -> dict[str, dict[NetworkKey, float]]:
    """Return all further costs that are known, stated, reported or measured, by name and network."""
    stated = {size.number: size.costs for size in sizes}
    found: dict[str, dict[NetworkKey, float]] = {}
    for row in rows:
        latency = {} if row.latency_ms is None else {LATENCY_COST: row.latency_ms}
        for name, cost in {**stated.get(row.size, {}), **(row.costs or {}), **latency}.items():
            found.setdefault(name, {})[NetworkKey(frozenset(row.tasks), row.size)] = cost
    return found


def tables_with_latencies(session: Session, table_ids: Collection[str]) -> frozenset[str]:
    """Select the tables of which the latencies of all networks were measured."""
    counts = session.execute(
        select(NetworkRow.score_table_id, func.count(), func.count(NetworkRow.latency_ms))
        .where(NetworkRow.score_table_id.in_(table_ids))
        .group_by(NetworkRow.score_table_id)
    )
    return frozenset(table_id for table_id, n_networks, n_measured in counts if n_networks == n_measured)
