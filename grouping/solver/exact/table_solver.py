"""The solver of a score table for one inference budget: optimum, proof, ties, or why there is none.

`grouping.solver.exact.bound_and_fix` finds the optimum with its proof. Ties are then enumerated: every
minimal set of networks (none can be left out at the same loss) whose loss equals the optimum. Of the tied
sets the one that is cheapest, then has fewest networks, then comes first in canonical order is recommended,
so that the answer depends neither on the solver nor on the order of the rows. Losses are compared as
recomputed from the table, not as reported by the solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from grouping.domain.constraints import Constraints, Objective, TableT, standing_demands, under_objective
from grouping.domain.groupings import Grouping, Solution, SolutionStatus
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import InvalidInputError, SolverError
from grouping.solver.deadlines import deadline_in, is_past, left_s, share_s
from grouping.solver.exact.bound_and_fix import ExactSearch, Optimum
from grouping.solver.exact.feasibility import explain_infeasibility
from grouping.solver.exact.instance import Instance, build_instance
from grouping.solver.exact.programme import DEFAULT_SOLVER

TIE_TOLERANCE = 1e-9
"""Losses that differ by less than this, relative to the smaller, tie."""
MAX_TIES = 16
MAX_RANKED = 1_000
_FOR_BEST = 0.6
"""Part of the time that the best grouping may take, before those that follow it."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best groupings within an inference budget.

    Attributes:
        groupings: best first, distinct in their networks; each needs all of its networks.
        losses: their weighted total validation losses.
        is_proven: whether no other grouping is better than the last of them.
        solution: the answer for the budget, which says why there is none where `groupings` is empty.
    """

    groupings: tuple[Grouping, ...]
    losses: tuple[float, ...]
    is_proven: bool
    solution: Solution


class TableSolver(Generic[TableT]):
    """Solves one table under one set of constraints, for several budgets.

    Args:
        table: the score table. Networks with a missing validation loss take no part; where networks have
            been trained with different seeds, the seeds that all of them have are compared.
        constraints: what a grouping must satisfy beside the budget and what its tasks demand themselves.
        objective: raw weighted sum of losses, or relative to the losses alone.
        solver: PuLP's name of the solver; HiGHS runs in this process.

    Raises:
        InvalidInputError: if a demand names what the table does not have.
        UnknownNameError: if the solver is not installed, or a limit's cost is not in the table.
    """

    def __init__(
        self,
        table: TableT,
        *,
        constraints: Constraints | None = None,
        objective: Objective = Objective.SUM,
        solver: str = DEFAULT_SOLVER,
    ) -> None:
        self.table: TableT = under_objective(table.on_common_seeds(), objective)
        self.constraints = standing_demands(self.table).merge(constraints or Constraints())
        self.solver = solver
        self._engine = ExactSearch(build_instance(self.table, self.constraints), solver=solver)
        self._known: list[tuple[int, ...]] = []

    @property
    def instance(self) -> Instance:
        """The table under its constraints, as arrays."""
        return self._engine.instance

    def solve(
        self, budget_snt: float, *, time_limit_s: float | None = None, max_ties: int = MAX_TIES
    ) -> Solution:
        """Find the grouping of least loss within an inference budget; see `solve`."""
        deadline = deadline_in(time_limit_s)
        return self._answer(budget_snt, self._optimum(budget_snt, deadline), deadline, max_ties, time_limit_s)

    def _answer(
        self,
        budget_snt: float,
        optimum: Optimum,
        deadline: float | None,
        max_ties: int,
        time_limit_s: float | None,
    ) -> Solution:
        if optimum.chosen is None:
            return self._without_answer(budget_snt, optimum, deadline, time_limit_s)
        undominated = self.instance.undominated
        grouping = self._grouping(undominated(optimum.chosen))
        loss = self._loss(grouping)
        if not optimum.is_proven:
            instance = self.instance
            bound = min(optimum.bound * instance.unit + instance.floor, loss)
            return Solution(budget_snt, SolutionStatus.FEASIBLE, grouping, loss, bound, solver=self.solver)
        slack = self._scaled_tolerance(loss)
        found = self._engine.enumerate(
            optimum, optimum.value + slack, self._order, tolerance=slack, n_stop=max_ties, deadline=deadline
        )
        tied = {grouping.networks: grouping} if not found.is_complete else {}
        for _, chosen in found.choices:
            tie = self._grouping(undominated(chosen))
            tied.setdefault(tie.networks, tie)
        ranked = sorted(tied.values() or [grouping], key=_preference)
        best = self._loss(ranked[0])
        return Solution(
            budget_snt,
            SolutionStatus.OPTIMAL,
            grouping=ranked[0],
            loss=best,
            bound=best,
            ties=tuple(ranked[1:max_ties]),
            has_more_ties=not found.is_complete or len(ranked) > max_ties,
            solver=self.solver,
        )

    def rank(self, budget_snt: float, k: int, *, time_limit_s: float | None = None) -> Ranked:
        """Find the best `k` groupings within an inference budget; see `best_groupings`."""
        if not 1 <= k <= MAX_RANKED:
            raise InvalidInputError(
                f"Between 1 and {MAX_RANKED} groupings can be ranked; got {k}.", pointer="/k"
            )
        deadline = deadline_in(time_limit_s)
        first = deadline_in(None if time_limit_s is None else _FOR_BEST * time_limit_s)
        optimum = self._optimum(budget_snt, first)
        solution = self._answer(budget_snt, optimum, first, MAX_TIES, time_limit_s)
        if solution.grouping is None or solution.loss is None or optimum.relaxed is None:
            return Ranked((), (), solution.status is SolutionStatus.INFEASIBLE, solution)
        tolerance = self._scaled_tolerance(solution.loss)
        slack = max(optimum.value - optimum.relaxed.bound, 1e-3)
        while True:
            worst = self.instance.n_blocks + 1.0  # scaled losses are at most 1
            at_most = min(optimum.value + slack, worst)
            found = self._engine.enumerate(
                optimum,
                at_most,
                self._order,
                tolerance=tolerance,
                n_best=k,
                max_nodes=200_000,
                deadline=deadline,
            )
            if len(found.choices) == k or at_most == worst or not found.is_complete:
                break
            slack *= 3.0
        groupings = [self._grouping(chosen) for _, chosen in found.choices] or [solution.grouping]
        if len(groupings) < k and not found.is_complete:
            groupings += self._neighbours(optimum, k - len(groupings), deadline)
        distinct = {grouping.networks: (self._loss(grouping), grouping) for grouping in groupings}
        ranked = sorted(distinct.values(), key=lambda pair: (pair[0], _preference(pair[1])))
        ranked = ranked[:k]
        return Ranked(
            tuple(grouping for _, grouping in ranked),
            tuple(loss for loss, _ in ranked),
            found.is_complete and optimum.is_proven,
            solution,
        )

    def _neighbours(self, optimum: Optimum, most: int, deadline: float | None) -> list[Grouping]:
        """Return good groupings that lack one of the chosen networks each, as far as there is time."""
        instance, chosen = self.instance, optimum.chosen or ()
        tried = [n for n in chosen if not instance.is_forced[n]][: 2 * most]
        found: list[Grouping] = []
        for place, n in enumerate(tried):
            if is_past(deadline) or len(found) == most:
                break
            share = deadline_in(share_s(deadline, len(tried) - place))
            if (other := self._engine.best_without(n, chosen, optimum.limits, share)) is not None:
                found.append(self._grouping(other))
        return found

    def _optimum(self, budget_snt: float, deadline: float | None) -> Optimum:
        if not (np.isfinite(budget_snt) and budget_snt > 0):
            raise InvalidInputError(
                "An inference budget must be a positive number of SNT.", pointer="/budget_snt"
            )
        limits = self.instance.limits_for(budget_snt)
        optimum = self._engine.solve(limits, starts=self._known, deadline=deadline)
        if optimum.chosen is not None and optimum.chosen not in self._known:
            self._known.append(optimum.chosen)
        return optimum

    def _without_answer(
        self, budget_snt: float, optimum: Optimum, deadline: float | None, time_limit_s: float | None
    ) -> Solution:
        if not optimum.is_proven:
            if time_limit_s is None:
                raise SolverError(f"{self.solver} stopped without an answer. Try another solver.")
            raise SolverError(
                f"{self.solver} had {time_limit_s:.3g} s, which was too short to find a grouping or to show "
                "that there is none. Allow more time."
            )
        why = explain_infeasibility(self.table, budget_snt, self.constraints, deadline=deadline)
        return Solution(budget_snt, SolutionStatus.INFEASIBLE, infeasibility=why, solver=self.solver)

    def _grouping(self, chosen: Sequence[int]) -> Grouping:
        """Build the grouping of these candidates, without networks that can be left out at the same loss."""
        instance, table = self.instance, self.table
        kept = self._needed(sorted(chosen, key=self._order))
        rows = instance.rows[kept]
        serving, served = [-1] * len(table.tasks), np.isfinite(instance.losses[kept])
        for b, block in enumerate(self.constraints.blocks(table.task_names)):
            able, columns = np.flatnonzero(served[:, b]), np.array(block)
            by_task = table.losses_at(np.repeat(rows[able], len(block)), np.tile(columns, len(able)))
            losses = (by_task.reshape(len(able), len(block)) * table.weights[columns]).sum(axis=1)
            for t in block:
                serving[t] = int(able[np.argmin(losses)])
        networks = tuple(table.networks[n] for n in rows)
        return Grouping(table.task_names, networks, tuple(serving))

    def _needed(self, chosen: list[int]) -> list[int]:
        """Leave out, from the end of candidates in order, those without which the loss is the same."""
        instance = self.instance
        value = instance.value(chosen)
        most = value + 1e-9 * abs(value + instance.floor / instance.unit)
        kept, added = list(chosen), _added_without(instance.losses[chosen])
        for n in reversed(chosen):  # the dearest first
            i = kept.index(n)
            # Whoever is needed stays so when others leave, so one pass finds all.
            if not instance.is_forced[n] and value + added[i] <= most:
                kept.pop(i)
                value, added = instance.value(kept), _added_without(instance.losses[kept])
        return kept

    def _order(self, n: int) -> tuple[object, ...]:
        """Return the key of the canonical order of the candidates."""
        return self.table.networks[int(self.instance.rows[n])].sort_key

    def _loss(self, grouping: Grouping) -> float:
        return grouping.total_loss(self.table, self.table.cell_losses)

    def _scaled_tolerance(self, loss: float) -> float:
        return TIE_TOLERANCE * abs(loss) / self.instance.unit


def solve(
    table: LossTable,
    budget_snt: float,
    *,
    constraints: Constraints | None = None,
    objective: Objective = Objective.SUM,
    solver: str = DEFAULT_SOLVER,
    time_limit_s: float | None = None,
    max_ties: int = MAX_TIES,
) -> Solution:
    """Find the grouping of least weighted total validation loss within an inference budget.

    Args:
        table: the score table. Networks with a missing validation loss take no part; where networks have
            been trained with different seeds, the seeds that all of them have are compared.
        budget_snt: the most the grouping may cost; positive.
        constraints: what a grouping must satisfy beside the budget.
        objective: raw weighted sum of losses, or relative to the losses alone.
        solver: PuLP's name of the solver; HiGHS runs in this process.
        time_limit_s: wall time; past it the answer is the best found, with bound and gap.
        max_ties: the most tied groupings to look for, the recommended one included.

    Returns:
        The solution. Infeasible is an answer and says why.

    Raises:
        InvalidInputError: if the budget is not a positive number, or a demand names what the table lacks.
        UnknownNameError: if the solver is not installed.
        SolverError: if the solver fails, or finds nothing within the time limit.
    """
    deadline = deadline_in(time_limit_s)
    made = TableSolver(table, constraints=constraints, objective=objective, solver=solver)
    return made.solve(budget_snt, time_limit_s=left_s(deadline), max_ties=max_ties)


def best_groupings(
    table: LossTable,
    budget_snt: float,
    k: int,
    *,
    constraints: Constraints | None = None,
    objective: Objective = Objective.SUM,
    solver: str = DEFAULT_SOLVER,
    time_limit_s: float | None = None,
) -> Ranked:
    """Find the `k` best groupings within an inference budget, distinct in their networks.

    A grouping counts only if it needs all of its networks: none can be left out at the same loss.

    Args:
        table, budget_snt, constraints, objective, solver, time_limit_s: as `solve`.
        k: number of groupings; fewer are returned if there are no more.

    Raises:
        InvalidInputError, UnknownNameError, SolverError: as `solve`.
    """
    deadline = deadline_in(time_limit_s)
    made = TableSolver(table, constraints=constraints, objective=objective, solver=solver)
    return made.rank(budget_snt, k, time_limit_s=left_s(deadline))


def _added_without(losses: FloatArray) -> FloatArray:
    """Compute by how much the least losses ``[k, B]`` grow in total without each candidate, ``[k]``."""
    if len(losses) == 1:
        return np.full(1, np.inf)
    least, second = np.partition(losses, 1, axis=0)[:2]
    with np.errstate(invalid="ignore"):
        added = np.where(np.isfinite(second), second - least, np.inf)
    grown: FloatArray = np.zeros(len(losses))
    np.add.at(grown, losses.argmin(axis=0), added)
    return grown


def _preference(grouping: Grouping) -> tuple[object, ...]:
    networks = tuple(network.sort_key for network in grouping.networks)
    return (round(grouping.cost_snt, 9), len(networks), networks)
