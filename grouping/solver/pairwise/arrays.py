"""A pairwise estimate and its constraints as scaled arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.domain.constraints import Constraints
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import InvalidInputError
from grouping.solver.pairwise.estimates import PairwiseEstimate


@dataclass(frozen=True, eq=False)
class PairArrays:
    """Weighted losses, counted from the least of their task in units of the largest difference.

    Attributes:
        pairs: ``[N, N]``; infinite where two tasks must not share, and on the diagonal.
        single_losses: ``[singles, N]``, infinite outside the single task.
        single_costs: ``[singles]`` in SNT.
        floor: ``[N]``: the least weighted loss of a task.
        unit: weighted loss that counts as 1.
    """

    pairs: FloatArray
    single_losses: FloatArray
    single_costs: FloatArray
    floor: FloatArray
    unit: float


def scaled_arrays(estimate: PairwiseEstimate, constraints: Constraints) -> PairArrays:
    """Build the scaled arrays of an estimate; tasks held apart become forbidden pairs.

    Raises:
        InvalidInputError: if a constraint needs a score table or names a task that is not there.
    """
    _refuse_other(constraints)
    n = len(estimate.tasks)
    column = {task: t for t, task in enumerate(estimate.tasks)}
    weighted = _weighted_pairs(estimate, constraints, column)
    single_losses = np.full((len(estimate.singles), n), np.inf)
    for row, (network, loss) in enumerate(estimate.singles):
        t = column[next(iter(network.group))]
        single_losses[row, t] = loss * estimate.weights[t]
    known = np.where(np.eye(n, dtype=np.bool_), np.nan, weighted)
    least = np.fmin(
        np.where(np.isnan(known), np.inf, known).min(axis=1), single_losses.min(axis=0, initial=np.inf)
    )
    floor = np.where(np.isfinite(least), least, 0.0)
    pairs = np.where(np.isnan(known), np.inf, known - floor[:, None])
    singles = single_losses - floor
    finite = np.concatenate([pairs[np.isfinite(pairs)], singles[np.isfinite(singles)]])
    unit = float(finite.max(initial=0.0)) or 1.0
    costs = np.array([network.cost_snt for network, _ in estimate.singles])
    return PairArrays(pairs / unit, singles / unit, costs, floor, unit)


def _weighted_pairs(
    estimate: PairwiseEstimate, constraints: Constraints, column: dict[str, int]
) -> FloatArray:
    weighted = estimate.pairs * estimate.weights[:, None]
    for names in constraints.apart:
        if unknown := names - set(column):
            raise InvalidInputError(
                f"apart: there is no task {', '.join(sorted(unknown))}.", pointer="/apart"
            )
        together = [column[name] for name in names]
        weighted[np.ix_(together, together)] = np.nan
    weighted[np.isnan(weighted) | np.isnan(weighted.T)] = np.nan
    return weighted


def _refuse_other(constraints: Constraints) -> None:
    honoured = {"apart", "max_networks", "max_group_size"}
    for part in constraints.split():
        if all(getattr(part, name) == getattr(Constraints(), name) for name in honoured):
            raise InvalidInputError(
                f"Groups that are not listed cannot be held to: {next(part.sentences())}. Solve "
                "the score table, whose networks are listed, or ask without that."
            )
