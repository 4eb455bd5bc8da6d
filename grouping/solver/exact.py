"""Solve a score table for one inference budget, with proof, ties and the reason when there is no answer.

Ties are found by solving again with the found set (and its supersets) excluded, until the loss rises; sets
that could drop a network at the same loss do not count. Of the tied sets the one that is cheapest, then
has fewest networks, then comes first in canonical order is recommended, so that the answer depends neither
on the solver nor on the order of the rows. Losses are compared as recomputed from the table, not as
reported by the solver.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grouping.domain.groupings import Grouping, Infeasibility, Solution, SolutionStatus, fits
from grouping.domain.scores import ScoreTable
from grouping.errors import InvalidInputError, SolverError
from grouping.solver.programme import DEFAULT_SOLVER, CoverProgramme, ProgrammeResult, cheapest_cover

TIE_TOLERANCE = 1e-9
"""Losses that differ by less than this, relative to the smaller, tie."""
MAX_TIES = 16


def solve(
    table: ScoreTable,
    budget_snt: float,
    *,
    solver: str = DEFAULT_SOLVER,
    time_limit_s: float | None = None,
    max_ties: int = MAX_TIES,
) -> Solution:
    """Find the grouping of least weighted total validation loss within an inference budget.

    Args:
        table: the score table. Networks with a missing validation loss take no part; where networks have
            been trained with different seeds, the seeds that all of them have are compared.
        budget_snt: the most the grouping may cost; positive.
        solver: PuLP's name of the solver; HiGHS runs in this process.
        time_limit_s: wall time of each solve; past it the answer is the best found, with bound and gap.
        max_ties: how many tied groupings are looked for, the recommended one included.

    Returns:
        The solution. Infeasible is an answer and says why.

    Raises:
        InvalidInputError: if the budget is not a positive number.
        UnknownNameError: if the solver is not installed.
        SolverError: if the solver fails, or finds nothing within the time limit.
    """
    if not (np.isfinite(budget_snt) and budget_snt > 0):
        raise InvalidInputError(
            "An inference budget must be a positive number of SNT.", pointer="/budget_snt"
        )
    table = table.on_common_seeds()
    candidates = _candidates(table, budget_snt)
    infeasibility = _find_infeasibility(table, candidates, budget_snt)
    if infeasibility is not None:
        return Solution(budget_snt, SolutionStatus.INFEASIBLE, infeasibility=infeasibility, solver=solver)
    programme = CoverProgramme(
        candidates.validation * candidates.weights,
        candidates.costs_snt,
        budget_snt,
        solver=solver,
        time_limit_s=time_limit_s,
    )
    first = _solve_within(programme, candidates, budget_snt)
    if first.rows is None or not _covers(candidates, first.rows):  # an early stop may leave no incumbent
        if time_limit_s is None:
            raise SolverError(f"{solver} stopped without an answer. Try another solver.")
        raise SolverError(f"{solver} found no grouping within {time_limit_s:g} s. Allow more time.")
    groupings = [_without_idle(candidates, first.rows)]
    if not first.is_proven:
        loss = _loss(candidates, groupings[0])
        bound = None if first.bound is None else min(first.bound, loss)
        return Solution(budget_snt, SolutionStatus.FEASIBLE, groupings[0], loss, bound, solver=solver)

    has_more = _collect_ties(candidates, programme, budget_snt, groupings, max_ties)
    best = min(_loss(candidates, grouping) for grouping in groupings)
    tied = [grouping for grouping in groupings if _ties(_loss(candidates, grouping), best)]
    tied.sort(key=_preference)
    return Solution(
        budget_snt,
        SolutionStatus.OPTIMAL,
        grouping=tied[0],
        loss=_loss(candidates, tied[0]),
        bound=_loss(candidates, tied[0]),
        ties=tuple(tied[1:]),
        has_more_ties=has_more,
        solver=solver,
    )


def _solve_within(programme: CoverProgramme, candidates: ScoreTable, budget_snt: float) -> ProgrammeResult:
    """Solve; answers that pass the budget by a solver's tolerance are excluded, with their supersets."""
    while True:
        result = programme.solve()
        if result.rows is None or fits(sum(candidates.networks[n].cost_snt for n in result.rows), budget_snt):
            return result
        programme.exclude(result.rows)


def _collect_ties(
    candidates: ScoreTable,
    programme: CoverProgramme,
    budget_snt: float,
    groupings: list[Grouping],
    limit: int,
) -> bool:
    """Append groupings until the loss rises above the best; return whether there may be further ties."""
    best = _loss(candidates, groupings[0])
    while len(groupings) < limit:
        programme.exclude([candidates.position(network) for network in groupings[-1].networks])
        result = _solve_within(programme, candidates, budget_snt)
        if result.rows is None:
            return not result.is_proven
        grouping = _without_idle(candidates, result.rows)
        if _loss(candidates, grouping) > best and not _ties(_loss(candidates, grouping), best):
            return not result.is_proven
        groupings.append(grouping)
    return True


def _without_idle(table: ScoreTable, rows: Sequence[int]) -> Grouping:
    """The grouping of these rows, less every network that can be left out at the same loss, dearest first.

    What remains is minimal: by excluding it with its supersets, all tied minimal sets are found in turn.
    """
    kept = [table.position(network) for network in Grouping.from_rows(table, rows).networks]
    loss = _loss(table, Grouping.from_rows(table, kept))
    for row in sorted(kept, key=lambda n: table.networks[n].sort_key, reverse=True):
        rest = [n for n in kept if n != row]
        if _covers(table, rest) and _ties(_loss(table, Grouping.from_rows(table, rest)), loss):
            kept = rest
    return Grouping.from_rows(table, kept)


def _ties(loss: float, best: float) -> bool:
    return abs(loss - best) <= TIE_TOLERANCE * abs(best)


def _loss(table: ScoreTable, grouping: Grouping) -> float:
    return grouping.total_loss(table, table.validation)


def _preference(grouping: Grouping) -> tuple[object, ...]:
    networks = tuple(network.sort_key for network in grouping.networks)
    return (round(grouping.cost_snt, 9), len(networks), networks)


def _candidates(table: ScoreTable, budget_snt: float) -> ScoreTable:
    """Completely measured networks that fit the budget by themselves, in canonical order."""
    rows = [
        n
        for n, network in enumerate(table.networks)
        if table.is_complete[n] and fits(network.cost_snt, budget_snt)
    ]
    return table.select(sorted(rows, key=lambda n: table.networks[n].sort_key))


def _covers(table: ScoreTable, rows: Sequence[int]) -> bool:
    covered = frozenset[str]().union(*(table.networks[n].group for n in rows))
    return covered >= set(table.task_names)


def _find_infeasibility(table: ScoreTable, candidates: ScoreTable, budget_snt: float) -> Infeasibility | None:
    """Say why no grouping exists, or None if one does."""
    measured = [network for n, network in enumerate(table.networks) if table.is_complete[n]]
    covered = frozenset[str]().union(*(network.group for network in measured))
    uncovered = tuple(name for name in table.task_names if name not in covered)
    if uncovered:
        return Infeasibility(
            f"No measured network serves {', '.join(uncovered)}: train one, or leave the task out.",
            uncovered_tasks=uncovered,
        )
    cost = cheapest_cover(measured, table.task_names)
    if cost is None or fits(cost, budget_snt):
        return None
    return Infeasibility(
        f"A budget of {budget_snt:.12g} SNT does not cover every task: the cheapest networks that do "
        f"cost {cost:.12g} SNT. Raise the budget to at least that.",
        cheapest_cover_snt=cost,
    )
