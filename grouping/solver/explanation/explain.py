"""Explanation of a solution: who serves each task and why, and what would change the total.

What would change is found by solving again, exactly: with half an SNT more or less, with a task served by a
network of its own, and without each demand in turn. These solves stop at a time limit and are then named as
skipped; the rest needs the table only.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from grouping.domain.constraints import Constraints, Objective
from grouping.domain.gains import find_own_network
from grouping.domain.groupings import Grouping, Solution, SolutionStatus
from grouping.domain.scores import FloatArray, ScoreTable, mean_and_standard_error
from grouping.errors import SolverError
from grouping.solver.confidence.draw_solver import solve_draws
from grouping.solver.exact.instance import Instance, build_instance
from grouping.solver.exact.table_solver import TIE_TOLERANCE, TableSolver
from grouping.solver.explanation.explanation import (
    FORMULA,
    BindingDemand,
    Explanation,
    OtherBudget,
    OtherServer,
    OwnNetwork,
    PartnerEffect,
    TaskExplanation,
)

STEP_SNT = 0.5
STEP_PART = 0.1
"""Step of a budget that counts in another cost, as a part of it."""


def explain(
    table: ScoreTable,
    solution: Solution,
    *,
    constraints: Constraints | None = None,
    objective: Objective = Objective.SUM,
    time_limit_s: float = 2.0,
) -> Explanation:
    """Explain the answer of a solver.

    Args:
        table: the table that was solved.
        solution: the answer.
        constraints: the constraints it was solved under.
        objective: the objective it was solved for.
        time_limit_s: wall time for all questions that need solving again, a quarter of it at most for one.

    Raises:
        InvalidInputError: if the solution has a network that is not in the table, or as `solve`.
    """
    if solution.grouping is None or solution.loss is None:
        return Explanation(solution, unit=table.cost_unit)
    demands = constraints or Constraints()
    solver = TableSolver(table, constraints=demands, objective=objective)
    questions = _Questions(solver, demands, solution, solution.grouping, time_limit_s)
    step = STEP_SNT if table.cost_unit == "SNT" else STEP_PART * solution.budget_snt
    half_more = questions.other_budget(solution.budget_snt + step)
    half_less = questions.other_budget(solution.budget_snt - step)
    own = {task: questions.own_network(task) for task in table.task_names}
    binding = questions.binding()
    return Explanation(
        solution,
        tuple(_explain_task(solver.table, solution.grouping, task, own[task]) for task in table.task_names),
        half_more,
        half_less,
        binding,
        tuple(
            network
            for n, network in enumerate(solution.grouping.networks)
            if n not in solution.grouping.serving
        ),
        tuple(questions.skipped),
        table.cost_unit,
    )


class _Questions:
    """Questions that need solving again, until a deadline."""

    def __init__(
        self,
        solver: TableSolver[ScoreTable],
        constraints: Constraints,
        solution: Solution,
        grouping: Grouping,
        time_limit_s: float,
    ) -> None:
        self._solver, self._constraints = solver, constraints
        self._deadline, self._most_s = time.monotonic() + time_limit_s, time_limit_s / 4
        self._table, self._budget_snt = solver.table, solution.budget_snt
        self._grouping = grouping
        self._loss = grouping.total_loss(self._table, self._table.validation)
        self._instance = build_instance(self._table, constraints)
        self.skipped: list[str] = []

    def other_budget(self, budget_snt: float) -> OtherBudget | None:
        """Solve for another budget; return None if there is no time."""
        if budget_snt <= 0:
            return OtherBudget(budget_snt, None)
        left = self._left_s()
        if left <= 0:
            self._skip(f"what a budget of {budget_snt:g} {self._table.cost_unit} gives")
            return None
        try:
            other = self._solver.solve(budget_snt, time_limit_s=left, max_ties=1)
        except SolverError:
            self._skip(f"what a budget of {budget_snt:g} {self._table.cost_unit} gives")
            return None
        if other.grouping is None or other.loss is None:
            return OtherBudget(budget_snt, None)
        if budget_snt > self._budget_snt and other.loss > self._loss:  # the time did not suffice
            return OtherBudget(budget_snt, 0.0, is_proven=False)
        is_same = abs(other.loss - self._loss) <= TIE_TOLERANCE * abs(self._loss)
        before = {network.key for network in self._grouping.networks}
        after = {network.key for network in other.grouping.networks}
        return OtherBudget(
            budget_snt,
            0.0 if is_same else other.loss - self._loss,
            tuple(n for n in other.grouping.networks if not is_same and n.key not in before),
            tuple(n for n in self._grouping.networks if not is_same and n.key not in after),
            other.status is SolutionStatus.OPTIMAL,
        )

    def own_network(self, task: str) -> OwnNetwork | None:
        """Find the best total with a single-task network serving the task; None if there is no time."""
        server = self._grouping.network_for(task)
        if server.group == frozenset({task}):
            return OwnNetwork(0.0, server)
        networks = self._table.networks
        is_own = np.array([networks[row].group == frozenset({task}) for row in self._instance.rows])
        blocks = self._constraints.blocks(self._table.task_names)
        t = self._table.task_names.index(task)
        b = next(i for i, block in enumerate(blocks) if t in block)
        if len(blocks[b]) > 1:
            return OwnNetwork(None, None)
        losses = self._instance.losses.copy()
        losses[~is_own, b] = np.inf
        limited = replace(self._instance, losses=losses)
        if limited.is_partition:  # whoever is trained on the task serves it
            column = self._table.membership[self._instance.rows, t]
            limited = limited.select(is_own | ~column)
            if self._instance.is_forced.sum() > limited.is_forced.sum():
                return OwnNetwork(None, None)
        if (answer := self._least(limited)) is None:
            self._skip(f"what a network of its own for {task} costs")
            return None
        loss, chosen = answer
        if not chosen:
            return OwnNetwork(None, None)
        own = min(
            (n for n in chosen if np.isfinite(limited.losses[n, b])),
            key=lambda n: float(limited.losses[n, b]),
        )
        return OwnNetwork(loss - self._loss, networks[int(limited.rows[own])])

    def binding(self) -> tuple[BindingDemand, ...]:
        """Find the demands whose removal alone lowers the loss, the budget included; the dearest first."""
        found = []
        demands = self._constraints.split()
        for left_out in (None, *demands):
            rest = Constraints()
            for demand in demands:
                rest = rest if demand is left_out else rest.merge(demand)
            what = f"the inference budget is {self._budget_snt:.12g} {self._table.cost_unit}"
            budget = np.inf
            if left_out is not None:
                what, budget = next(left_out.sentences()), self._budget_snt
            instance = build_instance(self._table, rest)
            answer = self._least(instance, budget, rest)
            if answer is None:
                self._skip(f"what it costs that {what}")
            elif self._loss - answer[0] > TIE_TOLERANCE * abs(self._loss):
                found.append(BindingDemand(what, self._loss - answer[0]))
        return tuple(sorted(found, key=lambda one: -one.improvement))

    def _least(
        self,
        instance: Instance,
        budget_snt: float | None = None,
        constraints: Constraints | None = None,
    ) -> tuple[float, tuple[int, ...]] | None:
        """Return the least total and its candidates, none if nothing fits; None without time."""
        left = self._left_s()
        if left <= 0:
            return None
        table = self._table
        budget = self._budget_snt if budget_snt is None else budget_snt
        blocks = (constraints or self._constraints).blocks(table.task_names)
        weighted = np.nan_to_num(table.validation[instance.rows]) * table.weights
        losses = np.stack([weighted[:, list(block)].sum(axis=1) for block in blocks], axis=1)
        try:
            optima = solve_draws(
                instance, instance.limits_for(budget), losses[None], deadline=time.monotonic() + left
            )
        except SolverError:
            return None
        if not optima.chosen:
            return None
        return float(optima.values[0]), optima.chosen[0]

    def _left_s(self) -> float:
        """Return the time for one question: at most a quarter of all."""
        return min(self._most_s, self._deadline - time.monotonic())

    def _skip(self, what: str) -> None:
        self.skipped.append(what)


def _explain_task(
    table: ScoreTable, grouping: Grouping, task: str, own: OwnNetwork | None
) -> TaskExplanation:
    server = grouping.network_for(task)
    row, t = table.position(server), table.task_names.index(task)
    loss = float(table.validation[row, t])
    alone = find_own_network(table, task)
    holders = [n for n in np.flatnonzero(table.is_complete & table.membership[:, t]).tolist() if n != row]
    chosen = {table.position(network) for network in grouping.networks}
    partners = [
        _partner_effect(table, row, t, partner)
        for partner, name in enumerate(table.task_names)
        if name in server.group and partner != t
    ]
    partners.sort(key=lambda effect: (effect.gain is None, -(effect.gain or 0.0)))
    return TaskExplanation(
        task,
        server,
        loss,
        None if alone is None else table.networks[alone],
        None if alone is None else float(table.validation[alone, t]),
        None if alone is None else _gain(table, row, alone, t),
        _best_of(table, t, holders, loss),
        _best_of(table, t, [n for n in holders if n in chosen], loss),
        tuple(partners),
        own,
    )


def _gain(table: ScoreTable, row: int, alone: int, t: int) -> float | None:
    """Compute the gain of a task in one network over another, mean over common seeds; None if none."""
    losses = table.validation_losses[:, t]
    gain = float(mean_and_standard_error(FORMULA.apply(losses[alone], losses[row]))[0])
    return None if np.isnan(gain) else gain


def _best_of(table: ScoreTable, t: int, rows: list[int], loss: float) -> OtherServer | None:
    if not rows:
        return None
    losses: FloatArray = table.validation[:, t]
    best = min(rows, key=lambda n: (losses[n], table.networks[n].sort_key))
    return OtherServer(table.networks[best], float(losses[best]), float(losses[best]) - loss)


def _partner_effect(table: ScoreTable, server: int, t: int, partner: int) -> PartnerEffect:
    """Compute the effect of a partner on a task over measured networks that differ by it."""
    name, task = table.task_names[partner], table.task_names[t]
    gains: dict[int, float] = {}
    for n, network in enumerate(table.networks):
        if name not in network.group or task not in network.group or not table.is_complete[n]:
            continue
        without = table.find_position(network.group - {name}, network.size)
        if without is None or not table.is_complete[without]:
            continue
        gain = float(FORMULA.apply(table.validation[without, t], table.validation[n, t]))
        if not np.isnan(gain):
            gains[n] = gain
    mean = float(np.mean(list(gains.values()))) if gains else None
    return PartnerEffect(name, mean, len(gains), gains.get(server))
