"""Resampled losses: which other networks win, and which further trial is worth most.

**Which trial reduces the doubt most.** With S trials behind a mean of error variance V, one more trial moves
the mean by a normal of variance ``V / (S + 1)``: that of the draws, scaled. The loss of a grouping is linear
in the cells that serve, so after another trial of network n the groupings that use it move by its scaled
errors and all others stay. The value of the trial is the mean of what choosing anew then saves,

    value(n) = mean over draws of  (loss of the recommendation - least loss of any grouping), both moved

the expected value of sample information (Raiffa and Schlaifer, 1961), over the groupings that won some draw:
a lower bound, as others are left out. Its part of the mean regret is how much of the doubt it removes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grouping.domain.constraints import Constraints
from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.errors import InvalidInputError
from grouping.solver.confidence.confidence import Alternative, TrialValue
from grouping.solver.confidence.draw_solver import ROUGH_NODES, is_searched_exactly, solve_draws
from grouping.solver.exact.instance import BoolArray, Instance, IntArray, build_instance, by_block
from grouping.solver.exact.table_solver import TIE_TOLERANCE

N_LISTED = 5


@dataclass(frozen=True, eq=False)
class Resampling:
    """Draws of the losses of a table, `D` of them, with their optima.

    `N` candidates and `B` blocks are those of the instance.

    Attributes:
        table: weighted by the objective, on common seeds.
        blocks: tasks of each block.
        instance: candidates and demands.
        observed: ``[E]`` weighted mean losses, by cell of the instance's losses.
        errors: ``[D, E]`` what a draw adds to them.
        least: ``[D]`` least loss of each draw.
        winners: for each draw the candidate that serves each block at it.
        networks: the recommended candidates.
        servers: the candidate that serves each block as recommended.
    """

    table: ScoreTable
    blocks: tuple[tuple[int, ...], ...]
    instance: Instance
    observed: FloatArray
    errors: FloatArray
    least: FloatArray
    winners: tuple[tuple[int, ...], ...]
    networks: tuple[int, ...]
    servers: tuple[int, ...]

    @classmethod
    def solve(
        cls,
        table: ScoreTable,
        constraints: Constraints,
        grouping: Grouping,
        budget_snt: float,
        errors: FloatArray,
        deadline: float | None,
    ) -> Resampling:
        """Solve draws of errors of the means, ``[D, E]`` by cell of the table, until the deadline."""
        instance = build_instance(table, constraints)
        blocks = constraints.blocks(table.task_names)
        candidate = {int(row): n for n, row in enumerate(instance.rows)}
        order = [candidate[table.position(network)] for network in grouping.networks]
        observed = by_block(table, constraints, instance, table.cell_losses)
        drawn = by_block(table, constraints, instance, errors)
        optima = solve_draws(
            instance,
            instance.limits_for(budget_snt),
            observed + drawn,
            starts=[tuple(sorted(order))],
            deadline=deadline,
            max_nodes=None if is_searched_exactly(instance) else ROUGH_NODES,
        )
        if not optima.chosen:
            raise InvalidInputError(
                "No draw was solved in the time allowed. Allow more.", pointer="/time_limit_s"
            )
        return cls(
            table,
            blocks,
            instance,
            observed,
            drawn[: len(optima.chosen)],
            optima.values,
            tuple(
                _servers(_rows_of(instance, observed + added, chosen), chosen)
                for added, chosen in zip(drawn, optima.chosen, strict=False)
            ),
            tuple(sorted(order)),
            tuple(order[grouping.serving[block[0]]] for block in blocks),
        )

    @property
    def n_draws(self) -> int:
        """The number `D` of draws that were solved."""
        return len(self.winners)

    def excess(self, networks: tuple[int, ...]) -> FloatArray:
        """Return ``[D]``: least loss that these networks reach, above the least loss of the draw."""
        total = np.array(
            [
                _rows_of(self.instance, self.observed + added, networks).min(axis=0).sum()
                for added in self.errors
            ]
        )
        above: FloatArray = np.maximum(total - self.least, 0.0)
        return above

    def optimism(self) -> float:
        """Return how far below its true loss a choice by noisy losses appears to be, on average."""
        flattering = [-self.errors[d, self._places(servers)].sum() for d, servers in enumerate(self.winners)]
        return max(0.0, float(np.mean(flattering)))

    def server_changes(self, is_changed: BoolArray) -> dict[str, float]:
        """Return for each task the part of the draws in which another candidate than recommended serves it.

        Args:
            is_changed: ``[D]``, whether the recommendation as it stands is not the best in the draw.
        """
        differs = np.array(self.winners) != np.array(self.servers)
        changed = (differs & is_changed[:, None]).mean(axis=0)
        return {
            self.table.task_names[t]: float(changed[b]) for b, block in enumerate(self.blocks) for t in block
        }

    def alternatives(self) -> tuple[Alternative, ...]:
        """Return the other networks that win, most frequent first."""
        recommended = self.excess(self.networks)
        forced = np.flatnonzero(self.instance.is_forced).tolist()
        lost = recommended > TIE_TOLERANCE * np.abs(self.least)
        margins: dict[tuple[int, ...], list[float]] = {}
        for d in np.flatnonzero(lost).tolist():
            networks = tuple(sorted({*self.winners[d], *forced}))
            margins.setdefault(networks, []).append(float(recommended[d]))
        loss = float(self.observed[self._places(self.servers)].sum())
        listed = sorted(margins, key=lambda networks: (-len(margins[networks]), networks))[:N_LISTED]
        return tuple(
            Alternative(
                self._grouping(networks),
                len(margins[networks]) / self.n_draws,
                float(_rows_of(self.instance, self.observed, networks).min(axis=0).sum() - loss),
                float(np.mean(margins[networks])),
            )
            for networks in listed
        )

    def trial_values(self, n_trials: int, mean_regret: float) -> tuple[TrialValue, ...]:
        """Compute the value of one more trial of each network beside `n_trials`; see the module."""
        actions = np.array(sorted({self.servers, *self.winners}))  # [A, B]
        places = self._places(actions)  # [A, B]
        means = self.observed[places].sum(axis=1)
        recommended = int(np.flatnonzero((actions == self.servers).all(axis=1))[0])
        values = {}
        for n in np.unique(actions).tolist():
            # After one more trial the mean moves by the draw's error, scaled.
            used = [
                self.errors[:, own[uses]].sum(axis=1) for own, uses in zip(places, actions == n, strict=True)
            ]
            moved = np.stack(used, axis=1) / np.sqrt(n_trials + 1.0) + means  # [D, A]
            values[n] = float((moved[:, recommended] - moved.min(axis=1)).mean())
        useful = [n for n in values if values[n] > TIE_TOLERANCE * abs(means[recommended])]
        useful.sort(key=lambda n: (-values[n], n))
        return tuple(
            TrialValue(self._network(n), values[n], values[n] / mean_regret if mean_regret else 0.0)
            for n in useful[:N_LISTED]
        )

    def _places(self, servers: Sequence[int] | IntArray) -> IntArray:
        """Return the cells of candidates that serve the blocks, ``[..., B]``, in their order."""
        rows = np.asarray(servers, dtype=np.int64)
        blocks = np.broadcast_to(np.arange(len(self.blocks)), rows.shape)
        return self.instance.losses.cells.places(rows.ravel(), blocks.ravel()).reshape(rows.shape)

    def _network(self, n: int) -> Network:
        return self.table.networks[int(self.instance.rows[n])]

    def _grouping(self, networks: tuple[int, ...]) -> Grouping:
        """These candidates, each task served as the observed means say; forced ones stay."""
        ordered = sorted(networks, key=lambda n: self._network(n).sort_key)
        servers = _servers(_rows_of(self.instance, self.observed, ordered), ordered)
        kept = [n for n in ordered if n in servers or self.instance.is_forced[n]]
        serving = [0] * len(self.table.tasks)
        for block, server in zip(self.blocks, servers, strict=True):
            for t in block:
                serving[t] = kept.index(server)
        return Grouping(self.table.task_names, tuple(self._network(n) for n in kept), tuple(serving))


def _rows_of(instance: Instance, losses: FloatArray, networks: Sequence[int]) -> FloatArray:
    """Return losses ``[E]`` by cell of some candidates as ``[k, B]``, infinite if they cannot serve."""
    cells, index = instance.losses.cells, list(networks)
    rows = np.full((len(index), cells.n_tasks), np.inf)
    at = cells.of_rows(index)
    rows[np.repeat(np.arange(len(index)), cells.group_sizes[index]), cells.columns[at]] = losses[at]
    return rows


def _servers(losses: FloatArray, networks: Sequence[int]) -> tuple[int, ...]:
    """Return the best of these candidates for each block; their losses are ``[k, B]``."""
    return tuple(networks[i] for i in losses.argmin(axis=0).tolist())
