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
from grouping.domain.tables.cells import IntArray as IntArray
from grouping.domain.tables.cells import TableCells
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import InvalidInputError
from grouping.solver.exact.block_losses import BlockLosses

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
        losses: ``[N, B]`` scaled loss of a block in a candidate, by cell; infinite where it cannot serve it.
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
    losses: BlockLosses
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
        return self.losses.shape[1]

    def select(self, keep: IntArray | BoolArray) -> Instance:
        """Return the instance with these candidates only."""
        return replace(
            self,
            rows=self.rows[keep],
            losses=self.losses.select(keep),
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
            own = self.losses[n]
            blocks = np.flatnonzero(np.isfinite(own))
            if not self.is_forced[n] and blocks.size:
                b = int(np.argmin(own))  # few others serve better what it serves best
                rows, losses = self.losses.served_from(b)
                better = rows[losses <= own[b]].astype(np.int64)
                better = better[(self.costs[better] <= self.costs[n]).all(axis=1)]
                better = better[(self.losses[better][:, blocks] <= own[blocks]).all(axis=1)]
                better = better[((self.losses[better] < own) & (server == n)).any(axis=1)]
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
) -> Instance:
    """Build the arrays of a table under constraints, without an inference budget.

    Args:
        table: only completely measured networks take part; its weights are those of the objective.
        constraints: checked against the table.

    Raises:
        InvalidInputError, UnknownNameError: if a demand names what the table does not have, or the losses of
            a task differ by more than a number can hold.
    """
    constraints.check(table)
    rows = np.flatnonzero(_candidates(table, constraints))
    forced = np.array([table.position(network) for network in constraints.forced], dtype=np.int64)
    served, n_touched = _serving(table, constraints, rows)
    if constraints.is_partition:
        columns = _columns(table, constraints.forced)
        beside_forced = _count_members(table, columns)[rows] == 0
        keep = (served.n_served == n_touched) & (beside_forced | np.isin(rows, forced))
        rows, served = rows[keep], served.select(keep)
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
    losses, unit, floor = scaled(served)
    return Instance(
        rows=rows,
        losses=losses,
        costs=np.where(is_forced[:, None], 0.0, costs),
        limits=limits - paid,
        is_forced=is_forced,
        is_partition=constraints.is_partition,
        unit=unit,
        floor=floor,
        grain=_grain(served.values) / unit,
        paid_snt=float(paid[0]),
        is_contradictory=bool(is_forced.sum() < np.unique(forced).size or _overlap(table, constraints)),
    )


def _serving(table: LossTable, constraints: Constraints, rows: IntArray) -> tuple[BlockLosses, IntArray]:
    """Return the weighted losses of the blocks that these networks can serve, ``[N, B]``.

    A block can be served where each of its tasks is in the group and below its ceiling. Also ``[N]``: of how
    many blocks the networks have a task.
    """
    of_task, sizes = _blocks(table, constraints)
    at = table.cells.of_rows(rows)
    columns = table.cells.columns[at]
    row = np.repeat(np.arange(len(rows)), table.cells.group_sizes[rows])
    losses = table.cell_losses[at]
    with np.errstate(over="ignore", invalid="ignore"):
        weighted = losses * table.weights[columns]
    is_allowed = (losses <= constraints.task_ceilings(table)[columns]) & (weighted != np.inf)
    if (sizes == 1).all():  # a cell of the table each
        cells = TableCells(row.astype(np.int32), columns, _starts(row, len(rows)), len(sizes))
        return BlockLosses(cells, weighted).where(is_allowed), cells.group_sizes
    keys, first, place = np.unique(
        row * len(sizes) + of_task[columns], return_index=True, return_inverse=True
    )
    n_allowed = np.bincount(place, weights=is_allowed, minlength=len(keys))
    blocks = of_task[columns[first]]
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.bincount(place, weights=np.where(is_allowed, weighted, 0.0), minlength=len(keys))
    starts = _starts(row[first], len(rows))
    cells = TableCells(row[first].astype(np.int32), blocks.astype(np.int32), starts, len(sizes))
    keep = (n_allowed == sizes[blocks]) & (sums != np.inf)
    totals: FloatArray = sums.astype(np.float64)
    return BlockLosses(cells, totals).where(keep), cells.group_sizes


def _starts(rows: IntArray, n_rows: int) -> IntArray:
    """Return where each of `n_rows` begins in ascending row numbers, ``[n_rows + 1]``."""
    starts: IntArray = np.searchsorted(rows, np.arange(n_rows + 1))
    return starts


def by_block(
    table: LossTable, constraints: Constraints, instance: Instance, values: FloatArray
) -> FloatArray:
    """Sum weighted values by cell of a table, ``[..., E]``, over the blocks of an instance built of it.

    Returns:
        The sums by cell of the instance's losses, in their order, on the last axis.
    """
    of_task, sizes = _blocks(table, constraints)
    at = table.cells.of_rows(instance.rows)
    columns = table.cells.columns[at]
    row = np.repeat(np.arange(instance.n_candidates), table.cells.group_sizes[instance.rows])
    places = instance.losses.cells.places(row, of_task[columns])
    inside = places >= 0
    weighted = np.take(values, at[inside], axis=-1) * table.weights[columns[inside]]
    sums = np.zeros((*values.shape[:-1], instance.losses.cells.n_cells))
    if (sizes == 1).all() or not sums.size:
        sums[..., places[inside]] = weighted
        return sums
    flat, each = sums.reshape(-1, sums.shape[-1]), weighted.reshape(-1, weighted.shape[-1])
    for one, added in zip(flat, each, strict=True):
        np.add.at(one, places[inside], added)
    return sums


def _blocks(table: LossTable, constraints: Constraints) -> tuple[IntArray, IntArray]:
    """Return the block of each task, ``[T]``, and the number of tasks of each block, ``[B]``."""
    blocks = constraints.blocks(table.task_names)
    of_task = np.zeros(len(table.tasks), dtype=np.int64)
    for b, block in enumerate(blocks):
        of_task[list(block)] = b
    return of_task, np.array([len(block) for block in blocks], dtype=np.int64)


def _candidates(table: LossTable, constraints: Constraints) -> BoolArray:
    """Return ``[N]``: whether a network is completely measured and no constraint rules it out."""
    keep = table.is_complete.copy()
    for tasks in constraints.apart:
        columns = [t for t, name in enumerate(table.task_names) if name in tasks]
        keep &= _count_members(table, columns) <= 1
    if constraints.max_group_size is not None:
        keep &= table.cells.group_sizes <= constraints.max_group_size
    for network in constraints.forbidden:
        keep[table.position(network)] = False
    return keep


def _count_members(table: LossTable, columns: Sequence[int]) -> IntArray:
    """Return ``[N]``: how many of these tasks each network has."""
    is_meant = np.zeros(len(table.tasks), dtype=np.bool_)
    is_meant[list(columns)] = True
    counts: IntArray = np.bincount(
        table.cells.rows[is_meant[table.cells.columns]], minlength=len(table.networks)
    )
    return counts


def _columns(table: LossTable, networks: Sequence[Network]) -> list[int]:
    trained = frozenset[str]().union(*(network.group for network in networks))
    return [t for t, name in enumerate(table.task_names) if name in trained]


def _overlap(table: LossTable, constraints: Constraints) -> bool:
    """Return whether forced networks share a task although the groups must be disjoint."""
    trained = sum(len(network.group) for network in set(constraints.forced))
    return constraints.is_partition and trained > len(_columns(table, constraints.forced))


def scaled(losses: BlockLosses) -> tuple[BlockLosses, float, float]:
    """Scale losses to start at 0 in each block, in units of the largest difference; also unit, floors."""
    values, blocks = losses.values, losses.cells.columns
    if np.isnan(values).any() or np.isinf(values).any():
        raise InvalidInputError("The losses of a task differ by more than a number can hold.")
    floors = np.full(losses.shape[1], np.inf)
    np.minimum.at(floors, blocks, values)
    floors = np.where(np.isfinite(floors), floors, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = values - floors[blocks]
    largest = float(shifted.max(initial=0.0))
    if not np.isfinite(largest):
        raise InvalidInputError("The losses of a task differ by more than a number can hold.")
    unit = largest if largest > 0 else 1.0
    return BlockLosses(losses.cells, shifted / unit), unit, float(floors.sum())


def _grain(known: FloatArray) -> float:
    """Return the power of ten, at most 1, of which all losses are multiples; 0 if there is none.

    Sums of such losses differ by that much or not at all, so a bound nearer than that is a proof.
    """
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
