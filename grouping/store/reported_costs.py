"""Further costs that trainings report, as further costs of the score tables of jobs.

What is reported first for a network stays. A cost is one of the table once every network that has losses has
it. A network without losses is never chosen; it stands there with the largest cost of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from grouping.domain.trainings.trials import Purpose, TrialOutcome, TrialState
from grouping.store.rows import NetworkRow, TrialRow

MEASURED_COST = "measured_snt"
"""Name of the inference cost that a training measured, beside the one that the search goes by."""


def keep_costs(network: NetworkRow, outcome: TrialOutcome) -> None:
    """Keep the costs that a training reported for its network, unless there are some of the same name."""
    found = dict(outcome.costs)
    if outcome.cost_snt is not None:
        found[MEASURED_COST] = outcome.cost_snt
    if new := {name: value + 0.0 for name, value in found.items() if name not in (network.costs or {})}:
        network.costs = {**(network.costs or {}), **new}


def reported_costs(
    rows: Sequence[NetworkRow], with_losses: Collection[str]
) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the reported costs of networks by name, ``[N]`` each.

    Args:
        rows: networks of the table.
        with_losses: identifiers of those that have losses.
    """
    known = [row.costs or {} for row in rows if row.id in with_losses]
    names = _in_all(known)
    largest = {name: max(costs[name] for costs in known) for name in names}
    return {
        name: np.array([(row.costs or {}).get(name, largest[name]) for row in rows], dtype=np.float64)
        for name in names
    }


def reported_names(session: Session, table_ids: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Select the names of the reported costs of tables, by table; tables without any are left out."""
    has_costs = select(NetworkRow.score_table_id).where(
        NetworkRow.score_table_id.in_(table_ids), NetworkRow.costs.is_not(None)
    )
    some = session.scalars(has_costs.distinct()).all()
    if not some:
        return {}
    trained = session.execute(
        select(NetworkRow.score_table_id, NetworkRow.costs).where(
            NetworkRow.score_table_id.in_(some),
            NetworkRow.id.in_(
                select(TrialRow.network_id).where(
                    TrialRow.state == TrialState.SUCCEEDED,
                    TrialRow.purpose == Purpose.SEARCH,
                    TrialRow.fidelity == 1.0,
                )
            ),
        )
    ).all()
    return {table: _in_all([costs or {} for owner, costs in trained if owner == table]) for table in some}


def _in_all(known: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """Return the names that all have, in the order of the first."""
    return tuple(name for name in (known[0] if known else {}) if all(name in costs for costs in known))
