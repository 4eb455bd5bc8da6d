"""Explanation of a solution: who serves each task and why, and what would change the total.

What would change is found by solving again, exactly: with half an SNT more or less, with a task served by a
network of its own, and without each demand in turn. These solves stop at a time limit and are then named as
skipped; the rest needs the table only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from grouping.domain.constraints import Constraints, Objective
from grouping.domain.groupings import Grouping, Solution, SolutionStatus
from grouping.domain.tables.score_table import ScoreTable, mean_and_standard_error
from grouping.domain.verdicts.gains import find_own_network
from grouping.errors import SolverError
from grouping.solver.confidence.draw_solver import solve_draws
from grouping.solver.deadlines import deadline_in, left_s
from grouping.solver.exact.instance import Instance, IntArray, build_instance, by_block
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
    deadline = deadline_in(time_limit_s)
    solver = TableSolver(table, constraints=constraints, objective=objective)
    # First, whatever the time: the questions get what is left of it.
    told = tuple(_explained_tasks(solver.table, solution.grouping))
    questions = _Questions(solver, solution, solution.grouping, deadline, time_limit_s / 4)
    step = STEP_SNT if table.cost_unit == "SNT" else STEP_PART * solution.budget_snt
    half_more = questions.other_budget(solution.budget_snt + step)
    half_less = questions.other_budget(solution.budget_snt - step)
    explained = tuple(replace(one, own_network=questions.own_network(one.task)) for one in told)
    binding = questions.binding()
    return Explanation(
        solution,
        explained,
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
        solution: Solution,
        grouping: Grouping,
        deadline: float | None,
        most_s: float,
    ) -> None:
        self._solver, self._constraints = solver, solver.constraints
        self._deadline, self._most_s = deadline, most_s
        self._table, self._budget_snt = solver.table, solution.budget_snt
        self._grouping = grouping
        self._loss = grouping.total_loss(self._table, self._table.cell_losses)
        self._instance = solver.instance
        self._blocks = self._constraints.blocks(self._table.task_names)
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
        if self._left_s() <= 0:
            self._skip(f"what a network of its own for {task} costs")
            return None
        networks, rows = self._table.networks, self._instance.rows
        is_own = np.isin(rows, self._table.rows_of(frozenset({task})))
        t = self._table.task_names.index(task)
        b = next(i for i, block in enumerate(self._blocks) if t in block)
        if len(self._blocks[b]) > 1:
            return OwnNetwork(None, None)
        cells = self._instance.losses.cells
        keep = (cells.columns != b) | is_own[cells.rows]
        limited = replace(self._instance, losses=self._instance.losses.where(keep))
        if limited.is_partition:  # whoever is trained on the task serves it
            is_trained = self._table.cells.places(rows, np.full(len(rows), t)) >= 0
            limited = limited.select(is_own | ~is_trained)
            if self._instance.is_forced.sum() > limited.is_forced.sum():
                return OwnNetwork(None, None)
        if (answer := self._least(limited)) is None:
            self._skip(f"what a network of its own for {task} costs")
            return None
        loss, chosen = answer
        if not chosen:
            return OwnNetwork(None, None)
        own = min(
            (n for n in chosen if np.isfinite(limited.losses[n][b])),
            key=lambda n: float(limited.losses[n][b]),
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
            answer = None
            if self._left_s() > 0:
                answer = self._least(build_instance(self._table, rest), budget, rest)
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
        losses = by_block(table, constraints or self._constraints, instance, table.cell_losses)
        try:
            optima = solve_draws(
                instance, instance.limits_for(budget), losses[None], deadline=deadline_in(left)
            )
        except SolverError:
            return None
        if not optima.chosen:
            return None
        return float(optima.values[0]), optima.chosen[0]

    def _left_s(self) -> float:
        """Return the time for one question: at most a quarter of all."""
        left = left_s(self._deadline, at_least=0.0)
        return self._most_s if left is None else min(self._most_s, left)

    def _skip(self, what: str) -> None:
        self.skipped.append(what)


def _explained_tasks(table: ScoreTable, grouping: Grouping) -> Iterator[TaskExplanation]:
    """Yield what the table says of each task."""
    cells = table.cells
    order = np.flatnonzero(table.is_complete[cells.rows])
    order = order[np.argsort(cells.columns[order], kind="stable")]
    by_task = np.split(order, np.searchsorted(cells.columns[order], np.arange(1, cells.n_tasks)))
    column = {name: t for t, name in enumerate(table.task_names)}
    chosen = np.array([table.position(network) for network in grouping.networks], dtype=np.int64)
    serving = dict(zip(grouping.tasks, grouping.serving, strict=True))
    effects = _effects(table, grouping)
    for task in table.task_names:
        server, row, t = grouping.networks[serving[task]], int(chosen[serving[task]]), column[task]
        at = by_task[t]
        loss = float(table.losses_at([row], [t])[0])
        alone = find_own_network(table, task)
        others = at[cells.rows[at] != row]
        partners = [
            _partner_effect(name, row, effects[task, name])
            for name in sorted(server.group - {task}, key=column.__getitem__)
        ]
        partners.sort(key=lambda effect: (effect.gain is None, -(effect.gain or 0.0)))
        yield TaskExplanation(
            task,
            server,
            loss,
            None if alone is None else table.networks[alone],
            None if alone is None else float(table.losses_at([alone], [t])[0]),
            None if alone is None else _gain(table, row, alone, t),
            _best_of(table, others, loss),
            _best_of(table, others[np.isin(cells.rows[others], chosen)], loss),
            tuple(partners),
            None,
        )


def _gain(table: ScoreTable, row: int, alone: int, t: int) -> float | None:
    """Compute the gain of a task in one network over another, mean over common seeds; None if none."""
    before, after = table.validation_scores[table.cells.places(np.array([alone, row]), np.array([t, t]))]
    gain = float(mean_and_standard_error(FORMULA.apply(before, after))[0])
    return None if np.isnan(gain) else gain


def _best_of(table: ScoreTable, places: IntArray, loss: float) -> OtherServer | None:
    """Return the network of least loss among cells of a task; None without any."""
    if not places.size:
        return None
    losses = table.cell_losses[places]
    rows = table.cells.rows[places[losses == losses.min()]].tolist()
    best, least = min(rows, key=lambda n: table.networks[n].sort_key), float(losses.min())
    return OtherServer(table.networks[best], least, least - loss)


def _effects(table: ScoreTable, grouping: Grouping) -> Mapping[tuple[str, str], dict[int, float]]:
    """Return what partners do to tasks: by task and partner, the gain in each network that tells it.

    A network tells it where another of its size has the same group but for the partner. Of interest are the
    partners that the tasks have in the networks that serve them.
    """
    found: dict[tuple[str, str], dict[int, float]] = {}
    tasks_of: dict[str, set[str]] = {}
    for task, n in zip(grouping.tasks, grouping.serving, strict=True):
        for partner in grouping.networks[n].group - {task}:
            found[task, partner] = {}
            tasks_of.setdefault(partner, set()).add(task)
    column = {name: t for t, name in enumerate(table.task_names)}
    told: list[tuple[str, str, int, int]] = []
    for row, partner, without in _pairs_but_for_one(table, tasks_of.keys()):
        told += [(task, partner, row, without) for task in table.networks[row].group & tasks_of[partner]]
    if told:
        columns = [column[task] for task, *_ in told]
        after = table.losses_at([row for *_, row, _ in told], columns)
        before = table.losses_at([without for *_, without in told], columns)
        for (task, partner, row, _), gain in zip(told, FORMULA.apply(before, after).tolist(), strict=True):
            if not np.isnan(gain):
                found[task, partner][row] = gain
    return found


def _pairs_but_for_one(table: ScoreTable, partners: Collection[str]) -> Iterator[tuple[int, str, int]]:
    """Yield complete networks, one of these tasks in them, and the complete network without that task.

    Groups are looked up by a sum of random numbers of their tasks, all at once; what is found is compared.
    """
    cells, networks, complete = table.cells, table.networks, np.flatnonzero(table.is_complete)
    numbers = np.random.default_rng(0).integers(0, 1 << 63, cells.n_tasks, dtype=np.uint64)
    sums = np.zeros(cells.n_networks, dtype=np.uint64)
    np.add.at(sums, cells.rows, numbers[cells.columns])
    by_sum = complete[np.argsort(sums[complete], kind="stable")]
    is_partner = np.array([name in partners for name in table.task_names], dtype=np.bool_)
    at = cells.of_rows(complete)
    at = at[is_partner[cells.columns[at]]]
    wanted = sums[cells.rows[at]] - numbers[cells.columns[at]]
    first, last = (np.searchsorted(sums[by_sum], wanted, side=side) for side in ("left", "right"))
    for place in np.flatnonzero(last > first).tolist():
        row, name = int(cells.rows[at[place]]), table.task_names[int(cells.columns[at[place]])]
        network = networks[row]
        for without in by_sum[first[place] : last[place]].tolist():
            if networks[without].size == network.size and networks[without].group == network.group - {name}:
                yield row, name, without


def _partner_effect(partner: str, server: int, gains: Mapping[int, float]) -> PartnerEffect:
    """Sum up what a partner does to a task, by the network that tells it; one is the server."""
    mean = float(np.mean(list(gains.values()))) if gains else None
    return PartnerEffect(partner, mean, len(gains), gains.get(server))
