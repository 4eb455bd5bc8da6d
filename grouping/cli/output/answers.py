"""Answers of solves on the command line: computed, printed for people, written as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from grouping.cli.options.demands import Demanded
from grouping.domain.constraints import Constraints, Objective
from grouping.domain.groupings import Solution, SolutionStatus
from grouping.domain.percentages import fixed_percent
from grouping.domain.tables.score_table import ScoreTable
from grouping.solver import (
    Confidence,
    Explanation,
    PairwiseEstimate,
    Ranked,
    TableSolver,
    assess_confidence,
    explain,
    solve_pairwise,
)

if TYPE_CHECKING:
    from grouping.wire.local import LocalSolution


@dataclass(frozen=True, slots=True)
class SolveOptions:
    """Options of a solve, the same for each budget.

    Attributes:
        objective: raw sum of the losses, or each relative to the loss alone.
        best: number of best groupings to list.
        is_explained: whether to explain the grouping.
        is_assessed: whether to test the grouping against the noise of the scores.
        noise: noise of a loss relative to its value; measured on the seeds unless given.
        is_pairwise: whether to choose among all groups, with losses estimated from singles and pairs.
        solver: PuLP's name of the solver.
        time_limit_s: seconds per budget.
    """

    objective: Objective
    best: int
    is_explained: bool
    is_assessed: bool
    noise: float | None
    is_pairwise: bool
    solver: str
    time_limit_s: float | None

    def answers(self, demanded: Demanded, budgets: tuple[float, ...]) -> Iterator[BudgetAnswer]:
        """Yield one answer per budget, the smallest budget first."""
        table, constraints = demanded.table, demanded.constraints
        if self.is_pairwise:
            estimate = PairwiseEstimate.from_table(table)
            for budget in sorted(budgets):
                solution = solve_pairwise(
                    estimate,
                    budget,
                    constraints=constraints,
                    solver=self.solver,
                    time_limit_s=self.time_limit_s or 60.0,
                )
                yield BudgetAnswer(solution, table, is_estimated=True)
            return
        made = TableSolver(table, constraints=constraints, objective=self.objective, solver=self.solver)
        for budget in sorted(budgets):
            solution = made.solve(budget, time_limit_s=self.time_limit_s)
            if solution.grouping is None:
                yield BudgetAnswer(solution, table)
                continue
            yield BudgetAnswer(
                solution,
                table,
                ranked=made.rank(budget, self.best, time_limit_s=self.time_limit_s)
                if self.best > 1
                else None,
                explanation=explain(table, solution, constraints=constraints, objective=self.objective)
                if self.is_explained
                else None,
                confidence=self._assess(table, budget, constraints) if self.is_assessed else None,
            )

    def _assess(self, table: ScoreTable, budget: float, constraints: Constraints) -> Confidence:
        return assess_confidence(
            table,
            budget,
            constraints=constraints,
            objective=self.objective,
            noise=self.noise,
            time_limit_s=self.time_limit_s,
        )


@dataclass(frozen=True, slots=True)
class BudgetAnswer:
    """Answer for one inference budget."""

    solution: Solution
    table: ScoreTable
    ranked: Ranked | None = None
    explanation: Explanation | None = None
    confidence: Confidence | None = None
    is_estimated: bool = False

    def on_the_wire(self, findings: Sequence[str]) -> LocalSolution:
        """Convert to the answer of the API, with the test loss and the requested additions.

        Args:
            findings: sentences about what was read and changes the answer.
        """
        from grouping.wire.local import LocalSolution

        beside: dict[str, Any] = {"test_loss": self.test_loss, "findings": list(findings)}
        if self.is_estimated:
            beside["is_estimated"] = True
        if self.ranked is not None:
            pairs = zip(self.ranked.losses, self.ranked.groupings, strict=True)
            beside["alternatives"] = [{"loss": loss, "grouping": grouping} for loss, grouping in pairs]
            beside["has_proven_alternatives"] = self.ranked.is_proven
        if self.explanation is not None:
            beside["explanation"] = list(self.explanation.sentences())
        if self.confidence is not None:
            beside["confidence"] = self.confidence
        return LocalSolution.read(self.solution, tasks=self.table.task_names, **beside)

    @property
    def test_loss(self) -> float | None:
        """Weighted total test loss; None where it is unknown or only estimates are."""
        grouping = self.solution.grouping
        if grouping is None or self.is_estimated:
            return None
        loss = grouping.total_loss(self.table, self.table.cell_test_losses)
        return None if math.isnan(loss) else loss

    def show(self, console: Console, unit: str) -> None:
        """Print the answer for people."""
        _show_solution(console, self, unit)
        if self.ranked is not None:
            _show_ranked(console, self.ranked, unit)
        for part in (self.explanation, self.confidence):
            for sentence in () if part is None else part.sentences():
                console.print(f"- {sentence}", soft_wrap=True)
        console.print()


def _show_solution(console: Console, answer: BudgetAnswer, unit: str) -> None:
    solution, table = answer.solution, answer.table
    if solution.grouping is None:
        reason = solution.infeasibility.reason if solution.infeasibility else ""
        console.print(f"No grouping within {solution.budget_snt:g} {unit}. {reason}", soft_wrap=True)
        return
    proof = "proven optimal" if solution.status is SolutionStatus.OPTIMAL else "not proven"
    if solution.status is SolutionStatus.FEASIBLE:
        proof += (
            ", gap unknown"
            if solution.gap is None
            else f", at most {fixed_percent(solution.gap, 2)} above the optimum"
        )
    test = answer.test_loss
    shown_test = "" if test is None else f", test loss {test:.6g}"
    kind = "estimated loss" if answer.is_estimated else "loss"
    console.print(
        f"Budget {solution.budget_snt:g} {unit}: {kind} {solution.loss:.6g}{shown_test}, "
        f"cost {solution.grouping.cost_snt:.4g} {unit}, {proof}",
        soft_wrap=True,
    )
    rows = Table("network", f"cost ({unit})", "serves", "only trained with", box=None, pad_edge=False)
    for n, network in enumerate(solution.grouping.networks):
        helpers = ", ".join(solution.grouping.helper_tasks(n)) or "-"
        served = ", ".join(solution.grouping.served_tasks(n)) or "-"
        rows.add_row(network.name(table.task_names), f"{network.cost_snt:.4g}", served, helpers)
    console.print(rows)
    if solution.ties:
        more = " or more" if solution.has_more_ties else ""
        console.print(f"{len(solution.ties)}{more} other groupings have the same loss.", soft_wrap=True)


def _show_ranked(console: Console, ranked: Ranked, unit: str) -> None:
    rows = Table("rank", "loss", "above the best", f"cost ({unit})", "networks", box=None, pad_edge=False)
    best = ranked.losses[0]
    for rank, (grouping, loss) in enumerate(zip(ranked.groupings, ranked.losses, strict=True), start=1):
        names = ", ".join(network.name(grouping.tasks) for network in grouping.networks)
        above = fixed_percent(loss / best - 1, 2) if best else f"{loss - best:.4g}"
        rows.add_row(str(rank), f"{loss:.6g}", above, f"{grouping.cost_snt:.4g}", names)
    console.print(rows)
    if not ranked.is_proven:
        console.print("Not proven: there may be better ones between these.", soft_wrap=True)
