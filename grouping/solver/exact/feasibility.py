"""Reasons why no grouping exists: what the cheapest one would cost, and which demands conflict.

What can be met is told by the cheapest cover under the same demands (`grouping.solver.exact.cover`). A
minimal set of conflicting demands is found by dropping one after another and keeping those without which the
rest can be met (deletion filter; Chinneck and Dravnieks, 1991): each demand of the set is needed for the
conflict, so giving up any one of them resolves it.
"""

from __future__ import annotations

import time

import numpy as np

from grouping.domain.constraints import Constraints
from grouping.domain.costs import fits
from grouping.domain.groupings import Infeasibility
from grouping.domain.scores import LossTable
from grouping.errors import SolverError
from grouping.solver.exact.cover import find_cover
from grouping.solver.exact.instance import build_instance
from grouping.solver.exact.programme import DEFAULT_SOLVER

COVER_TIME_S = 10.0
CONFLICT_TIME_S = 10.0
"""Wall time after which a set of conflicting demands is given as it is, perhaps not minimal."""


def cheapest_cover(
    table: LossTable, constraints: Constraints | None = None, *, solver: str = DEFAULT_SOLVER
) -> float | None:
    """Return the cost in SNT of the cheapest networks that serve every task; None if none do.

    They meet the constraints. On tables of very many networks the search ends after `COVER_TIME_S` with the
    cheapest cover found.

    Raises:
        InvalidInputError, UnknownNameError: as `build_instance`.
        SolverError: if the solver fails, or neither finds a cover in time nor shows that there is none.
    """
    instance = build_instance(table, constraints or Constraints())
    chosen, is_proven = find_cover(instance, instance.limits, solver=solver, time_limit_s=COVER_TIME_S)
    if chosen is None and not is_proven:
        raise SolverError(f"{solver} found no cover within {COVER_TIME_S:g} s.")
    if chosen is None:
        return None
    rows = instance.rows[list(chosen)].tolist()
    return float(sum(table.networks[n].cost_snt for n in rows))


def explain_infeasibility(
    table: LossTable, budget_snt: float, constraints: Constraints, *, solver: str = DEFAULT_SOLVER
) -> Infeasibility:
    """Explain why a table has no grouping within a budget under constraints."""
    unit = table.cost_unit
    n_measured = table.membership[table.is_complete].sum(axis=0)
    uncovered = tuple(name for name, n in zip(table.task_names, n_measured, strict=True) if not n)
    if uncovered:
        return Infeasibility(
            f"No measured network serves {', '.join(uncovered)}: train one, or leave the task out.",
            uncovered_tasks=uncovered,
        )
    cost = cheapest_cover(table, constraints, solver=solver)
    demands = constraints.split()
    conflict, is_minimal = _conflict(table, budget_snt, demands, solver)
    sentences = tuple(sentence for demand in conflict for sentence in demand.sentences())
    if cost is None:
        listed = "; ".join(sentences)
        if len(sentences) == 1:
            reason = f"This demand cannot be met at any budget: {listed}. Relax it or give it up."
        else:
            reason = f"These demands cannot be met together at any budget: {listed}. Give up one of them."
    else:
        under = " under these constraints" if demands else ""
        reason = (
            f"A budget of {budget_snt:.12g} {unit} does not cover every task: the cheapest networks that do"
            f"{under} cost {cost:.12g} {unit}. Raise the budget to at least that"
        )
        reason += f", or give up one of: {'; '.join(sentences)}." if sentences else "."
        sentences = (f"the inference budget is {budget_snt:.12g} {unit}", *sentences)
    if not is_minimal:
        reason += " (Not all of these need to conflict: there was no time to find a minimal set.)"
    return Infeasibility(reason, cheapest_cover_snt=cost, conflicts=sentences)


def _conflict(
    table: LossTable, budget_snt: float, demands: tuple[Constraints, ...], solver: str
) -> tuple[list[Constraints], bool]:
    """Find a minimal set of demands that cannot be met within the budget, and whether it is minimal.

    If the demands conflict at any budget, the budget is not part of it.
    """
    deadline = time.monotonic() + CONFLICT_TIME_S
    budget = budget_snt if _can_be_met(table, np.inf, list(demands), solver) else np.inf
    kept = list(demands)
    for demand in demands:
        if time.monotonic() > deadline:
            return kept, False
        rest = [one for one in kept if one is not demand]
        if not _can_be_met(table, budget, rest, solver):
            kept = rest
    return kept, True


def _can_be_met(table: LossTable, budget_snt: float, demands: list[Constraints], solver: str) -> bool:
    merged = Constraints()
    for demand in demands:
        merged = merged.merge(demand)
    cost = cheapest_cover(table, merged, solver=solver)
    return cost is not None and fits(cost, budget_snt)
