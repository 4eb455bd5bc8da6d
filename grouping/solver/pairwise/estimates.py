"""Losses of any group, estimated from those of singles and pairs: the higher order approximation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from grouping.domain.constraints import Constraints, standing_demands
from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import MAX_TASKS
from grouping.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class PairwiseEstimate:
    """Losses of any group, estimated from those of singles and pairs.

    Attributes:
        tasks: names of the `T` tasks.
        singles: single-task networks with their losses; any sizes and costs.
        pairs: ``[T, T]``: loss of the row's task when trained with the column's; NaN where the two must not
            share a network. The diagonal is not read.
        weights: ``[T]`` weights of the tasks' losses.
        group_cost_snt: inference cost of a group of two or more tasks.
        demands: what the tasks demand themselves.
    """

    tasks: tuple[str, ...]
    singles: tuple[tuple[Network, float], ...]
    pairs: FloatArray = field(repr=False)
    weights: FloatArray = field(repr=False)
    group_cost_snt: float = 1.0
    demands: Constraints = field(default_factory=Constraints)

    def __post_init__(self) -> None:
        n = len(self.tasks)
        if not 2 <= n <= MAX_TASKS:
            raise InvalidInputError(
                f"A pairwise estimate needs 2 to {MAX_TASKS:,} tasks; got {n:,}. Leave tasks out."
            )
        if self.pairs.shape != (n, n) or self.weights.shape != (n,):
            raise InvalidInputError(f"Pairs must have the shape ({n}, {n}), and weights ({n},).")
        if np.isinf(self.pairs[~np.eye(n, dtype=np.bool_)]).any():
            raise InvalidInputError("Losses of pairs must be finite; NaN where two tasks must not share.")
        known = set(self.tasks)
        for network, loss in self.singles:
            if len(network.group) != 1 or not network.group <= known or not math.isfinite(loss):
                raise InvalidInputError(f"{network} is no single-task network with a finite loss.")

    @classmethod
    def from_table(cls, table: ScoreTable) -> PairwiseEstimate:
        """Build the higher order approximation (HOA) of Standley et al. (2020): singles, full-size pairs.

        Larger groups of the table are not read, as in the paper.
        """
        cells, names = table.cells, table.task_names
        pairs = np.full((len(names), len(names)), np.nan)
        is_full = np.array([network.size == 1.0 for network in table.networks], dtype=np.bool_)
        first = cells.starts[:-1][(cells.group_sizes == 2) & is_full & table.is_complete]
        one, other = cells.columns[first], cells.columns[first + 1]
        pairs[one, other], pairs[other, one] = table.cell_losses[first], table.cell_losses[first + 1]
        singles = tuple(
            (table.networks[n], float(table.cell_losses[cells.starts[n]]))
            for n in np.flatnonzero((cells.group_sizes == 1) & table.is_complete).tolist()
        )
        return cls(names, singles, pairs, table.weights, demands=standing_demands(table))

    def losses_of(self, group: Sequence[str] | frozenset[str]) -> FloatArray:
        """Estimate the loss of each task of a group of two or more, ``[T]``; NaN for the others."""
        members = [t for t, task in enumerate(self.tasks) if task in group]
        losses = np.full(len(self.tasks), np.nan)
        for t in members:
            losses[t] = float(np.mean([self.pairs[t, j] for j in members if j != t]))
        return losses

    def losses_of_single(self, row: int) -> FloatArray:
        """Return the loss of the task of a row of `singles`, ``[T]``; NaN for the others."""
        losses = np.full(len(self.tasks), np.nan)
        network, loss = self.singles[row]
        losses[self.tasks.index(next(iter(network.group)))] = loss
        return losses

    def grouping_of(self, networks: Sequence[Network], losses: FloatArray) -> Grouping:
        """Serve each task where its loss is least; leave out networks that serve no task.

        Args:
            networks: `K` networks, which together hold every task.
            losses: ``[K, T]``, NaN outside a network.
        """
        kept = sorted(range(len(networks)), key=lambda n: networks[n].sort_key)
        serving = np.argmin(np.where(np.isnan(losses[kept]), np.inf, losses[kept]), axis=0)
        used = sorted(set(serving.tolist()))
        return Grouping(
            self.tasks, tuple(networks[kept[n]] for n in used), tuple(used.index(int(n)) for n in serving)
        )
