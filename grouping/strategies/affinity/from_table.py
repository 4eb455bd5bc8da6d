"""Affinities computed from a score table, by the name of the method."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grouping.domain.affinities.matrix import AffinityMatrix, higher_order_affinity, pairwise_affinity
from grouping.domain.affinities.methods import DEFAULT_METHOD, POSTERIOR
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import UnknownNameError
from grouping.strategies.affinity.estimate import estimate_affinity
from grouping.strategies.affinity.posterior import posterior_affinity

FROM_TABLE: Mapping[str, Callable[[ScoreTable], AffinityMatrix]] = {
    DEFAULT_METHOD: estimate_affinity,
    POSTERIOR: posterior_affinity,
    "pairwise": pairwise_affinity,
    "higher-order": higher_order_affinity,
}


def table_affinity(table: ScoreTable, method: str = DEFAULT_METHOD) -> AffinityMatrix:
    """Compute the affinity by a method that needs a score table only.

    Raises:
        UnknownNameError: if there is no such method.
    """
    if method not in FROM_TABLE:
        raise UnknownNameError("affinity method of a score table", method, tuple(FROM_TABLE))
    return FROM_TABLE[method](table)
