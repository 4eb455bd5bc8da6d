"""Recommendations: the grouping chosen for each budget on the search seeds, judged on fresh ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grouping.domain.groupings import Solution
from grouping.domain.networks import Network, NetworkKey
from grouping.domain.scores import ScoreTable
from grouping.domain.verdicts import Verdict, equal_cost_baselines, judge
from grouping.solver.exact.table_solver import TableSolver


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The grouping recommended for one inference budget, with its verdict.

    Attributes:
        budget_snt: the budget.
        solution: the choice, made on validation losses of the search seeds.
        verdict: the judgement on fresh seeds; None when infeasible or nothing was confirmed.
    """

    budget_snt: float
    solution: Solution
    verdict: Verdict | None


def recommend(
    search: ScoreTable,
    confirmation: ScoreTable | None,
    budgets_snt: Sequence[float],
    *,
    built_snt: Mapping[float, float] | None = None,
    time_limit_s: float | None = None,
) -> tuple[Recommendation, ...]:
    """Choose a grouping on one table for each budget, and judge it on the other table.

    Args:
        search: measured candidates; choices read its validation losses.
        confirmation: chosen networks and baselines on fresh seeds; judged by its test losses. None if
            nothing was confirmed.
        budgets_snt: inference budgets.
        built_snt: the only sizes that can be built; see `equal_cost_baselines`.
        time_limit_s: wall time of each solve; see `grouping.solver.solve`.
    """
    solver = TableSolver(search)
    recommendations = []
    for budget in budgets_snt:
        solution = solver.solve(budget, time_limit_s=time_limit_s)
        verdict = None
        if solution.grouping is not None and confirmation is not None:
            verdict = judge(solution.grouping, budget, confirmation, built_snt)
        recommendations.append(Recommendation(budget, solution, verdict))
    return tuple(recommendations)


def networks_to_confirm(
    recommendations: Iterable[Recommendation],
    tasks: tuple[str, ...],
    built_snt: Mapping[float, float] | None = None,
) -> tuple[Network, ...]:
    """Return the networks that verdicts need: the chosen ones, then the baselines of equal cost."""
    wanted: dict[NetworkKey, Network] = {}
    for recommendation in recommendations:
        if recommendation.solution.grouping is None:
            continue
        networks = list(recommendation.solution.grouping.networks)
        for baseline in equal_cost_baselines(tasks, recommendation.budget_snt, built_snt):
            networks += baseline.networks
        for network in networks:
            wanted.setdefault(network.key, network)
    return tuple(wanted.values())
