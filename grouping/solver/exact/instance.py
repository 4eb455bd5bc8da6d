"""The grouping problem as arrays, on which the exact search works.

A score table, an objective and constraints become an `Instance` of one form. Tasks that must be served
together become one *block* whose loss is their sum; what a constraint rules out is left out here; a network
limit, further cost limits and the inference budget become rows of one resource matrix; forced networks are
paid in advance and cost nothing afterwards. What remains is

    minimise    sum over blocks b of  min over chosen n of L[n, b]
    subject to  sum over chosen n of c[n, r] <= limit[r]      for every resource r

with infinite ``L[n, b]`` where network n cannot serve block b. In a partition each chosen network serves all
of its blocks and no block is in two networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grouping.domain.constraints import Constraints
from grouping.domain.costs import most_within
from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray, LossTable
from grouping.errors import InvalidInputError

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

PRECISION = 1e-9
"""Scaled difference below which a value and a bound are the same."""
_FINEST_GRAIN = 6
_PARTS = 12
"""Parts of the least cost that are tried as the step of all costs."""


@dataclass(frozen=True, eq=False)
class Instance:
    """Candidates and limits as arrays; `N` candidates, `B` blocks, `R` resources.

    Losses are counted from the least of their block, in units of the largest difference, so that solvers,
    which work to absolute tolerances, do not depend on the size and unit of the losses.

    Attributes:
        rows: row of each candidate in the score table, ``[N]``.
        losses: ``[N, B]`` scaled loss of a block in a candidate; infinite where it cannot serve it.
        costs: ``[N, R]`` use of each resource; the first is the inference budget.
        limits: ``[R]``; infinite where nothing is limited.
        is_forced: ``[N]``: candidates chosen and paid for in advance (their costs are zero).
        is_partition: whether chosen candidates must be disjoint and serve all their blocks.
        unit: loss of one scaled unit.
        floor: loss of the scaled zero.
        paid_snt: inference cost of the forced networks.
        is_contradictory: whether a forced network is ruled out, so that nothing meets the demands.
        grain: values of choices are multiples of it apart, in scaled units; 0 where that is not known.
    """

    rows: IntArray
    losses: FloatArray
    costs: FloatArray
    limits: FloatArray
    is_forced: BoolArray
    is_partition: bool = False
    unit: float = 1.0
    floor: float = 0.0
    paid_snt: float = 0.0
    is_contradictory: bool = False
    grain: float = 0.0

    @property
    def precision(self) -> float:
        """Scaled difference to a bound below which a choice is optimal."""
        return max(PRECISION, (1.0 - 1e-6) * self.grain)

    @property
    def n_candidates(self) -> int:
        """Number of candidates, `N`."""
        return len(self.rows)

    @property
    def n_blocks(self) -> int:
        """Number of blocks, `B`."""
        return int(self.losses.shape[1])

    def select(self, keep: IntArray | BoolArray) -> Instance:
        """Return the instance with these candidates only."""
        return replace(
            self,
            rows=self.rows[keep],
            losses=self.losses[keep],
            costs=self.costs[keep],
            is_forced=self.is_forced[keep],
        )

    def limits_for(self, budget_snt: float) -> FloatArray:
        """Return ``[R]``: what may still be used under this inference budget; infinite for no limit."""
        limits = self.limits.copy()
        limits[0] = most_within(budget_snt) - self.paid_snt
        return limits

    def attainable(self, limits: FloatArray) -> FloatArray:
        """Return limits lowered to what sums of costs can reach; a budget of 2.5 buys two networks of cost 1.

        The relaxation cannot buy half a network then, and its bound is sharper.
        """
        lowered = limits.copy()
        for r in np.flatnonzero(np.isfinite(limits)):
            step = self._cost_steps[r]
            if step > 0.0:
                most = float(np.floor(limits[r] / step * (1.0 + 1e-12)) * step)
                lowered[r] = min(float(limits[r]), most_within(most))
        return lowered

    @cached_property
    def _cost_steps(self) -> tuple[float, ...]:
        return tuple(_common_step(column) for column in self.costs.T)

    def undominated(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """Put what serves one of its blocks better, none worse, and is no dearer in place of a candidate.

        Where losses of very different size are summed, the sum does not tell such candidates apart.
        """
        if self.is_partition or not len(chosen):
            return tuple(chosen)
        kept: list[int] = []
        server = np.asarray(chosen)[self.losses[list(chosen)].argmin(axis=0)]
        for n in chosen:
            better = np.zeros(0, dtype=np.int64)
            if not self.is_forced[n]:
                better = np.flatnonzero((self.costs <= self.costs[n]).all(axis=1))
                for b in np.flatnonzero(np.isfinite(self.losses[n])).tolist():
                    better = better[self.losses[better, b] <= self.losses[n, b]]
                better = better[((self.losses[better] < self.losses[n]) & (server == n)).any(axis=1)]
            # The first in the order of their losses is beaten by no other of them.
            best = int(better[np.lexsort(self.losses[better].T[::-1])[0]]) if better.size else int(n)
            if best not in kept:
                kept.append(best)
        return tuple(kept)

    def value(self, chosen: Sequence[int]) -> float:
        """Return the scaled objective of candidates and forced ones; infinite if a block is not served."""
        index = np.union1d(np.asarray(chosen, dtype=np.int64), np.flatnonzero(self.is_forced))
        if not index.size:
            return np.inf if self.n_blocks else 0.0
        return float(self.losses[index].min(axis=0).sum())


def build_instance(
    table: LossTable,
    constraints: Constraints,
    *,
    losses: FloatArray | None = None,
) -> Instance:
    """Build the arrays of a table under constraints, without an inference budget.

    Args:
        table: only completely measured networks take part; its weights are those of the objective.
        constraints: checked against the table.
        losses: ``[N, T]`` losses to use instead of the table's mean validation losses.

    Raises:
        InvalidInputError, UnknownNameError: if a demand names what the table does not have, or the losses of
            a task differ by more than a number can hold.
    """
    constraints.check(table)
    losses = table.validation if losses is None else losses
    rows = np.flatnonzero(_candidates(table, constraints))
    forced = np.array([table.position(network) for network in constraints.forced], dtype=np.int64)
    member = table.membership[rows]
    with np.errstate(over="ignore", invalid="ignore"):
        weighted = losses[rows] * table.weights
    allowed = member & (losses[rows] <= constraints.task_ceilings(table))
    blocks = constraints.blocks(table.task_names)
    by_task = np.where(allowed, weighted, np.inf)
    if all(len(block) == 1 for block in blocks):
        cells = by_task[:, [block[0] for block in blocks]]
    else:
        cells = np.stack([by_task[:, list(block)].sum(axis=1) for block in blocks], 1)
    if constraints.is_partition:
        touched = np.stack([member[:, list(block)].any(axis=1) for block in blocks], 1)
        whole = ~(touched & ~np.isfinite(cells)).any(axis=1)
        beside_forced = ~member[:, _columns(table, constraints.forced)].any(axis=1)
        keep = whole & (beside_forced | np.isin(rows, forced))
        rows, cells = rows[keep], cells[keep]
    is_forced = np.isin(rows, forced)
    names = tuple(constraints.limits)
    costs = np.stack(
        [table.costs_snt[rows], np.ones(len(rows)), *(table.other_costs[name][rows] for name in names)],
        axis=1,
    )
    most = np.inf if constraints.max_networks is None else float(constraints.max_networks)
    limits = np.array([np.inf, most, *constraints.limits.values()])
    limits = np.array([most_within(limit) if np.isfinite(limit) else limit for limit in limits.tolist()])
    paid = costs[is_forced].sum(axis=0)
    scaled, unit, floor = _scaled(cells)
    return Instance(
        rows=rows,
        losses=scaled,
        costs=np.where(is_forced[:, None], 0.0, costs),
        limits=limits - paid,
        is_forced=is_forced,
        is_partition=constraints.is_partition,
        unit=unit,
        floor=floor,
        grain=_grain(cells) / unit,
        paid_snt=float(paid[0]),
        is_contradictory=bool(is_forced.sum() < np.unique(forced).size or _overlap(table, constraints)),
    )


def _candidates(table: LossTable, constraints: Constraints) -> BoolArray:
    """Return ``[N]``: whether a network is completely measured and no constraint rules it out."""
    keep = table.is_complete.copy()
    member = table.membership
    for tasks in constraints.apart:
        columns = [t for t, name in enumerate(table.task_names) if name in tasks]
        keep &= member[:, columns].sum(axis=1) <= 1
    if constraints.max_group_size is not None:
        keep &= member.sum(axis=1) <= constraints.max_group_size
    for network in constraints.forbidden:
        keep[table.position(network)] = False
    return keep


def _columns(table: LossTable, networks: Sequence[Network]) -> list[int]:
    trained = frozenset[str]().union(*(network.group for network in networks))
    return [t for t, name in enumerate(table.task_names) if name in trained]


def _overlap(table: LossTable, constraints: Constraints) -> bool:
    """Return whether forced networks share a task although the groups must be disjoint."""
    trained = sum(len(network.group) for network in set(constraints.forced))
    return constraints.is_partition and trained > len(_columns(table, constraints.forced))


def _scaled(losses: FloatArray) -> tuple[FloatArray, float, float]:
    """Scale losses to start at 0 in each column, in units of the largest difference; also unit, floors."""
    if not losses.size:
        return losses, 1.0, 0.0
    floors = losses.min(axis=0)
    floors = np.where(np.isfinite(floors), floors, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = losses - floors
    known = np.isfinite(losses)
    largest = float(shifted[known].max()) if known.any() else 0.0
    if not np.isfinite(largest) or np.isnan(losses).any() or (losses == -np.inf).any():
        raise InvalidInputError("The losses of a task differ by more than a number can hold.")
    unit = largest if largest > 0 else 1.0
    return np.where(known, shifted / unit, np.inf), unit, float(floors.sum())


def _grain(losses: FloatArray) -> float:
    """Return the power of ten, at most 1, of which all losses are multiples; 0 if there is none.

    Sums of such losses differ by that much or not at all, so a bound nearer than that is a proof.
    """
    known = losses[np.isfinite(losses)]
    if not known.size or np.abs(known).max() > 1e9:
        return 0.0
    for digits in range(_FINEST_GRAIN + 1):
        grown = known * 10.0**digits
        if (np.abs(grown - np.round(grown)) <= 1e-12 * np.abs(grown)).all():
            return float(10.0**-digits)
    return 0.0


def _common_step(costs: FloatArray) -> float:
    """Return a cost of which all others are whole multiples; 0 if none is found."""
    paid = np.unique(costs[costs > 0.0])
    if not paid.size or paid[-1] / paid[0] > 1e6:
        return 0.0
    for parts in range(1, _PARTS + 1):
        counts = paid / paid[0] * parts
        whole = np.round(counts)
        if (np.abs(counts - whole) <= 1e-10 * counts).all():
            return float(paid[0] / parts * np.gcd.reduce(whole.astype(np.int64)))
    return 0.0
