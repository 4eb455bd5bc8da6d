"""Groupings: the chosen networks, which of them serves each task, and what a solver says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.percentages import fixed_percent
from grouping.domain.tables.cells import IntArray
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class ChosenNetwork:
    """A network of a grouping, described for display.

    Attributes:
        name: name of the network, its tasks in display order.
        group: the tasks it is trained on, in display order.
        size: size of the network; 1 is full size.
        cost_snt: inference cost in SNT.
        serves: tasks whose predictions come from it.
        helpers: tasks it is trained on only to help the others; another network serves them.
    """

    name: str
    group: tuple[str, ...]
    size: float
    cost_snt: float
    serves: tuple[str, ...]
    helpers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grouping:
    """Networks that together serve every task once.

    Groups may overlap: a task may be trained in a network only to help the others of its group, and be
    served from another network.

    Attributes:
        tasks: names of the tasks, in display order.
        networks: the chosen networks, in canonical order. Each serves at least one task, except where a
            constraint forced it in.
        serving: for each task of `tasks`, the position in `networks` of the network that serves it.
    """

    tasks: tuple[str, ...]
    networks: tuple[Network, ...]
    serving: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.serving) != len(self.tasks):
            raise InvalidInputError("A grouping needs one serving network for each task.")
        for task, n in zip(self.tasks, self.serving, strict=True):
            if not 0 <= n < len(self.networks):
                raise InvalidInputError(f"Task {task!r} is served by network {n}, which does not exist.")
            if task not in self.networks[n].group:
                raise InvalidInputError(f"Task {task!r} is served by {self.networks[n]}, not trained on it.")

    @classmethod
    def from_rows(
        cls, table: LossTable, rows: Sequence[int], *, serve_by: FloatArray | None = None
    ) -> Grouping:
        """Serve each task from its best network among `rows`, and drop the networks that serve none.

        Args:
            table: the score table.
            rows: rows of the chosen networks.
            serve_by: ``[E]`` losses by cell that decide who serves, such as ``table.cell_test_losses``; the
                deciding losses unless given.
                Equal losses go to the network that comes first in canonical order.

        Raises:
            InvalidInputError: if a task has no measured network among `rows`.
        """
        losses = table.cell_losses if serve_by is None else serve_by
        ordered = sorted(set(rows), key=lambda n: table.networks[n].sort_key)
        at = table.cells.of_rows(ordered)
        at = at[~np.isnan(losses[at])]
        place = {n: i for i, n in enumerate(ordered)}
        order = np.array([place[n] for n in table.cells.rows[at].tolist()], dtype=np.int64)
        by_loss = np.lexsort((order, losses[at]))
        best: dict[int, int] = {}
        for e in at[by_loss].tolist():
            best.setdefault(int(table.cells.columns[e]), int(table.cells.rows[e]))
        for t, task in enumerate(table.tasks):
            if t not in best:
                raise InvalidInputError(f"No chosen network has a loss for task {task.name!r}.")
        served = [best[t] for t in range(len(table.tasks))]
        serving = set(served)
        used = [n for n in ordered if n in serving]
        position = {n: i for i, n in enumerate(used)}
        return cls(
            table.task_names, tuple(table.networks[n] for n in used), tuple(position[n] for n in served)
        )

    @property
    def cost_snt(self) -> float:
        """Total inference cost of the networks, in SNT."""
        return float(sum(network.cost_snt for network in self.networks))

    @property
    def is_partition(self) -> bool:
        """Whether the groups are disjoint."""
        return sum(len(network.group) for network in self.networks) == len(self.tasks)

    def network_for(self, task: str) -> Network:
        """Return the network that serves a task.

        Raises:
            InvalidInputError: if there is no such task.
        """
        if task not in self.tasks:
            raise InvalidInputError(f"There is no task {task!r} in this grouping.")
        return self.networks[self.serving[self.tasks.index(task)]]

    def served_tasks(self, n: int) -> tuple[str, ...]:
        """Return the tasks that network `n` of this grouping serves."""
        return tuple(task for task, m in zip(self.tasks, self.serving, strict=True) if m == n)

    def helper_tasks(self, n: int) -> tuple[str, ...]:
        """Return the tasks that network `n` is trained on only to help the others; served elsewhere."""
        served = self.served_tasks(n)
        return tuple(task for task in self.tasks if task in self.networks[n].group and task not in served)

    @property
    def chosen(self) -> tuple[ChosenNetwork, ...]:
        """Its networks described for display, in canonical order."""
        return tuple(
            ChosenNetwork(
                network.name(self.tasks),
                tuple(task for task in self.tasks if task in network.group),
                network.size,
                network.cost_snt,
                self.served_tasks(n),
                self.helper_tasks(n),
            )
            for n, network in enumerate(self.networks)
        )

    @property
    def serving_names(self) -> dict[str, str]:
        """For each task, in display order, the name of the network that serves it."""
        return {task: self.network_for(task).name(self.tasks) for task in self.tasks}

    def task_losses(self, table: LossTable, losses: FloatArray) -> FloatArray:
        """Return the loss of each task in the network that serves it, ``[T]``; NaN where the table has none.

        Args:
            table: a table that holds these networks.
            losses: ``[E]`` by cell of that table: ``table.cell_losses`` or ``table.cell_test_losses``.
        """
        known = [table.position(network) for network in self.networks]
        rows = np.array([known[n] for n in self.serving], dtype=np.int64)
        places = table.cells.places(rows, self._columns(table))
        return np.where(places >= 0, losses[places], np.nan)

    def total_loss(self, table: LossTable, losses: FloatArray) -> float:
        """Compute the weighted sum of `task_losses`; lower is better; NaN if one is unknown."""
        return float(np.dot(self.task_losses(table, losses), table.weights[self._columns(table)]))

    def _columns(self, table: LossTable) -> IntArray:
        column = {name: t for t, name in enumerate(table.task_names)}
        return np.array([column[task] for task in self.tasks], dtype=np.int64)

    def describe(self) -> str:
        """Describe each network in a line: its tasks, which it serves and which only help."""
        lines = []
        for n, network in enumerate(self.networks):
            helpers = self.helper_tasks(n)
            trained = f" (trained with {', '.join(helpers)})" if helpers else ""
            size = "" if network.size == 1 else f", size {network.size:g}"
            served = ", ".join(self.served_tasks(n)) or "no task"
            lines.append(f"{network.cost_snt:.3g} SNT{size}: serves {served}{trained}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the HTML that notebooks display."""
        rows = "".join(
            f"<tr><th scope='row'>{escape(network.name(self.tasks))}</th><td>{network.cost_snt:g}</td>"
            f"<td>{escape(', '.join(self.served_tasks(n)))}</td>"
            f"<td>{escape(', '.join(self.helper_tasks(n)))}</td></tr>"
            for n, network in enumerate(self.networks)
        )
        return (
            f"<table><caption>{len(self.networks)} networks, {self.cost_snt:g} SNT</caption><thead><tr>"
            "<th>network</th><th>cost (SNT)</th><th>serves</th><th>only trained with</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )


class SolutionStatus(StrEnum):
    """Status of a solver's answer: how far it can be trusted."""

    OPTIMAL = "optimal"
    """It is proven that no grouping of these networks within the budget has a lower loss."""
    FEASIBLE = "feasible"
    """The best found before the time limit; `bound` and `gap` say how far off it may be."""
    INFEASIBLE = "infeasible"
    """No grouping exists; `infeasibility` says why."""


@dataclass(frozen=True, slots=True)
class Infeasibility:
    """Reasons why no grouping exists.

    Attributes:
        reason: the reason in a sentence.
        uncovered_tasks: tasks that no measured network serves.
        cheapest_cover_snt: cost of the cheapest networks that cover every task under the constraints; None
            if none do.
        conflicts: demands that cannot be met together, in words; giving up any one of them would do.
    """

    reason: str
    uncovered_tasks: tuple[str, ...] = ()
    cheapest_cover_snt: float | None = None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Solution:
    """Answer of the solver for one inference budget.

    Attributes:
        budget_snt: the budget that was asked for.
        status: optimal, feasible or infeasible.
        grouping: the choice; None when infeasible.
        loss: weighted total validation loss of the choice; lower is better.
        bound: no grouping within the budget has a lower loss than this.
        ties: other groupings with the same loss (up to ``TIE_TOLERANCE`` of the solver), in canonical order.
        has_more_ties: whether there may be further ties than those listed.
        infeasibility: why there is no grouping; None otherwise.
        solver: name of the solver that was used.
    """

    budget_snt: float
    status: SolutionStatus
    grouping: Grouping | None = None
    loss: float | None = None
    bound: float | None = None
    ties: tuple[Grouping, ...] = ()
    has_more_ties: bool = False
    infeasibility: Infeasibility | None = None
    solver: str = ""

    @property
    def gap(self) -> float | None:
        """``(loss - bound) / |loss|``: 0 when proven; None when infeasible or without a bound."""
        if self.loss is None or self.bound is None:
            return None
        difference = max(0.0, self.loss - self.bound)
        return difference / abs(self.loss) if self.loss else difference

    @property
    def cost_snt(self) -> float | None:
        """Inference cost of the choice; None when infeasible."""
        return None if self.grouping is None else self.grouping.cost_snt

    def require_grouping(self) -> Grouping:
        """Return the grouping, for callers that cannot go on without one.

        Raises:
            InvalidInputError: with the reason, when infeasible.
        """
        if self.grouping is None:
            reason = self.infeasibility.reason if self.infeasibility else "No grouping exists."
            raise InvalidInputError(reason, pointer="/budget_snt")
        return self.grouping

    def _repr_html_(self) -> str:
        """Return the HTML that notebooks display."""
        if self.grouping is None:
            reason = self.infeasibility.reason if self.infeasibility else ""
            return f"<p>No grouping within {self.budget_snt:g} SNT: {escape(reason)}</p>"
        gap = "gap unknown" if self.gap is None else f"gap {fixed_percent(self.gap, 2)}"
        proof = "proven optimal" if self.status is SolutionStatus.OPTIMAL else gap
        line = f"Loss {self.loss:.6g} within {self.budget_snt:g} SNT, {proof}"
        return f"<p>{line}</p>{self.grouping._repr_html_()}"
