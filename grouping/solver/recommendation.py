"""Recommendations: the grouping chosen for each budget on the search seeds, judged on fresh ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grouping.domain.constraints import Constraints
from grouping.domain.groupings import Solution
from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.trainings.splits import FreshSplits
from grouping.domain.verdicts.baselines import BOTH_BASELINES, Baselines
from grouping.domain.verdicts.verdict import Verdict, judge
from grouping.solver.deadlines import deadline_in, share_s
from grouping.solver.exact.table_solver import TableSolver


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The grouping recommended for one inference budget, with its verdict.

    Attributes:
        budget_snt: the budget.
        solution: the choice, made on validation losses of the search seeds.
        verdict: the judgement on fresh seeds; None when infeasible or nothing was confirmed.
        held: the demands that it keeps to, as phrases.
        not_held: the constraints of the search that the scores do not allow to hold yet, as phrases.
        tuned: the judgement on fresh seeds with each at its best recipe; None where nothing is tuned.
    """

    budget_snt: float
    solution: Solution
    verdict: Verdict | None
    held: tuple[str, ...] = ()
    not_held: tuple[str, ...] = ()
    tuned: Verdict | None = None


def recommend(
    search: ScoreTable,
    confirmation: ScoreTable | None,
    budgets_snt: Sequence[float],
    *,
    constraints: Constraints | None = None,
    baselines: Baselines = BOTH_BASELINES,
    splits: FreshSplits | None = None,
    time_limit_s: float | None = None,
) -> tuple[Recommendation, ...]:
    """Choose a grouping on one table for each budget, and judge it on the other table.

    Args:
        search: measured candidates; choices read its validation losses.
        confirmation: chosen networks and baselines on fresh seeds; judged by its test losses. None if
            nothing was confirmed.
        budgets_snt: inference budgets.
        constraints: what a grouping must satisfy beside the budget, as far as the scores tell; see
            `Constraints.known_in`.
        baselines: what a verdict compares with.
        splits: which seeds of the confirmation are on further splits of the data; None for none.
        time_limit_s: wall time of all solves together, of which each may take an equal share of what is left;
            see `grouping.solver.solve`.
    """
    asked = constraints or Constraints()
    solver = TableSolver(search, constraints=asked.known_in(search))
    held, not_held = tuple(solver.constraints.sentences()), tuple(asked.unknown_in(search).sentences())
    recommendations = []
    deadline = deadline_in(time_limit_s)
    for place, budget in enumerate(budgets_snt):
        share = share_s(deadline, len(budgets_snt) - place)
        solution = solver.solve(budget, time_limit_s=share)
        verdict = None
        if solution.grouping is not None and confirmation is not None:
            verdict = judge(solution.grouping, budget, confirmation, baselines, splits)
        recommendations.append(Recommendation(budget, solution, verdict, held, not_held))
    return tuple(recommendations)


def networks_to_confirm(
    recommendations: Iterable[Recommendation],
    tasks: tuple[str, ...],
    baselines: Baselines = BOTH_BASELINES,
) -> tuple[Network, ...]:
    """Return the networks that verdicts need: the chosen ones, then the baselines of equal cost."""
    wanted: dict[NetworkKey, Network] = {}
    for recommendation in recommendations:
        if recommendation.solution.grouping is None:
            continue
        networks = list(recommendation.solution.grouping.networks)
        for baseline in baselines.of_cost(tasks, recommendation.budget_snt):
            networks += baseline.networks
        for network in networks:
            wanted.setdefault(network.key, network)
    return tuple(wanted.values())
