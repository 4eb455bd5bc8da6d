"""Reasons why no grouping exists: what the cheapest one would cost, and which demands conflict.

What can be met is told by the cheapest cover under the same demands (`grouping.solver.exact.cover`). A
minimal set of conflicting demands is found by dropping one after another and keeping those without which the
rest can be met (deletion filter; Chinneck and Dravnieks, 1991): each demand of the set is needed for the
conflict, so giving up any one of them resolves it.
"""

from __future__ import annotations

import numpy as np

from grouping.domain.constraints import Constraints
from grouping.domain.costs import fits
from grouping.domain.groupings import Infeasibility
from grouping.domain.tables.loss_table import LossTable
from grouping.errors import SolverError
from grouping.solver.deadlines import deadline_in, is_past, left_s
from grouping.solver.exact.cover import find_cover
from grouping.solver.exact.instance import build_instance

COVER_TIME_S = 10.0
"""Wall time after which the cheapest cover found is taken, unless a limit is given."""
CONFLICT_TIME_S = 10.0
"""Wall time after which a set of conflicting demands is given as it is, perhaps not minimal."""


def cheapest_cover(
    table: LossTable, constraints: Constraints | None = None, *, time_limit_s: float = COVER_TIME_S
) -> float | None:
    """Return the cost in SNT of the cheapest networks that serve every task; None if none do.

    They meet the constraints. On tables of very many networks the search ends after the time limit with the
    cheapest cover found.

    Args:
        table: only completely measured networks take part.
        constraints: what a grouping must satisfy.
        time_limit_s: wall time.

    Raises:
        InvalidInputError, UnknownNameError: as `build_instance`.
        SolverError: if HiGHS fails, or neither finds a cover in time nor shows that there is none.
    """
    cost, is_proven = _cover_cost(table, constraints or Constraints(), time_limit_s)
    if cost is None and not is_proven:
        raise SolverError(f"No cover was found within {time_limit_s:.3g} s. Allow more time.")
    return cost


def _cover_cost(table: LossTable, constraints: Constraints, time_limit_s: float) -> tuple[float | None, bool]:
    """Return the cost of the cheapest cover found, None without one, and whether that is proven."""
    deadline = deadline_in(time_limit_s)
    instance = build_instance(table, constraints)
    chosen, is_proven = find_cover(instance, instance.limits, time_limit_s=left_s(deadline))
    if chosen is None:
        return None, is_proven
    rows = instance.rows[list(chosen)].tolist()
    return float(sum(table.networks[n].cost_snt for n in rows)), is_proven


def explain_infeasibility(
    table: LossTable, budget_snt: float, constraints: Constraints, *, deadline: float | None = None
) -> Infeasibility:
    """Explain why a table has no grouping within a budget under constraints.

    Args:
        table: the score table.
        budget_snt: the budget.
        constraints: what a grouping must satisfy.
        deadline: a time of `time.monotonic`; past it less is explained.
    """
    unit = table.cost_unit
    cells = table.cells
    n_measured = np.bincount(cells.columns[table.is_complete[cells.rows]], minlength=len(table.tasks))
    uncovered = tuple(name for name, n in zip(table.task_names, n_measured.tolist(), strict=True) if not n)
    if uncovered:
        return Infeasibility(
            f"No measured network serves {', '.join(uncovered)}: train one, or leave the task out.",
            uncovered_tasks=uncovered,
        )
    cost, is_cheapest = _cover_cost(table, constraints, _most_s(COVER_TIME_S, deadline))
    demands = constraints.split()
    conflict, is_minimal = _conflict(table, budget_snt, demands, deadline) if demands else ([], True)
    sentences = tuple(sentence for demand in conflict for sentence in demand.sentences())
    if cost is None and is_cheapest:
        listed = "; ".join(sentences)
        if len(sentences) == 1:
            reason = f"This demand cannot be met at any budget: {listed}. Relax it or give it up."
        else:
            reason = f"These demands cannot be met together at any budget: {listed}. Give up one of them."
    else:
        under = " under these constraints" if demands else ""
        reason = f"A budget of {budget_snt:.12g} {unit} does not cover every task"
        if cost is None:
            reason += f"; there was no time to find what the cheapest networks that do{under} cost"
        elif is_cheapest:
            reason += (
                f": the cheapest networks that do{under} cost {cost:.12g} {unit}. Raise the budget to at "
                "least that"
            )
        else:
            reason += (
                f": the cheapest networks found that do{under} cost {cost:.12g} {unit}. Raise the budget to "
                "about that"
            )
        reason += f", or give up one of: {'; '.join(sentences)}." if sentences else "."
        sentences = (f"the inference budget is {budget_snt:.12g} {unit}", *sentences)
    if not is_minimal:
        reason += " (Not all of these need to conflict: there was no time to find a minimal set.)"
    return Infeasibility(reason, cheapest_cover_snt=cost, conflicts=sentences)


def _conflict(
    table: LossTable, budget_snt: float, demands: tuple[Constraints, ...], deadline: float | None
) -> tuple[list[Constraints], bool]:
    """Find a minimal set of demands that cannot be met within the budget, and whether it is minimal.

    If the demands conflict at any budget, the budget is not part of it.
    """
    by = deadline_in(_most_s(CONFLICT_TIME_S, deadline))
    budget = budget_snt if _can_be_met(table, np.inf, list(demands), by) else np.inf
    kept = list(demands)
    for demand in demands:
        if is_past(by):
            return kept, False
        rest = [one for one in kept if one is not demand]
        if not _can_be_met(table, budget, rest, by):
            kept = rest
    return kept, True


def _can_be_met(
    table: LossTable, budget_snt: float, demands: list[Constraints], deadline: float | None
) -> bool:
    """Return whether demands can be met; also where time runs out before that is known."""
    merged = Constraints()
    for demand in demands:
        merged = merged.merge(demand)
    cost, is_proven = _cover_cost(table, merged, _most_s(COVER_TIME_S, deadline))
    return fits(cost, budget_snt) if cost is not None else not is_proven


def _most_s(limit_s: float, deadline: float | None) -> float:
    """Return a wall time, or what is left where that is less."""
    left = left_s(deadline)
    return limit_s if left is None else min(limit_s, left)
