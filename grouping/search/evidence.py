"""Evidence of a strategy, from the terms and the state of a search, and the solver it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grouping.domain.constraints import Constraints
from grouping.domain.groupings import Solution
from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.networks import Candidates
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.trainings.trials import Purpose
from grouping.solver import BudgetSolver
from grouping.strategies import Evidence


def evidence_of(terms: SearchTerms, state: SearchState, remaining: int | None, n_free: int = 0) -> Evidence:
    """Build the evidence that a strategy is given, from terms and state.

    Args:
        terms: what the search is for.
        state: what is known.
        remaining: trainings that the strategy may still ask for; None where nothing limits their number.
        n_free: trainings that could begin at once; without effect where the search is planned in steps.
    """
    finished = (t for t in state.trials if t.purpose is Purpose.SEARCH and t.state.is_final)
    return Evidence(
        candidates=priced(terms.candidates, state),
        full=state.full,
        early=state.early,
        budgets_snt=terms.budgets_snt,
        seeds=terms.search_seeds,
        attempted=frozenset(trial.key for trial in finished),
        affinities=state.affinities,
        remaining=remaining,
        seed=terms.seed,
        running=frozenset(trial.key for trial in state.running if trial.purpose is Purpose.SEARCH),
        n_free=n_free if terms.plans_continuously else 0,
        n_together=terms.n_together,
    )


def priced(candidates: Candidates, state: SearchState) -> Candidates:
    """Return the candidates at their measured costs, without those that cannot be built."""
    measured = state.measured
    if measured is None:
        return candidates
    if candidates.networks is not None:
        found = (measured.get(network.key) for network in candidates.networks)
        networks = tuple(network for network in found if network is not None)
        return replace(candidates, networks=networks)
    costs = {n.size: n.cost_snt for n in measured.values() if len(n.group) == 1}
    sizes = tuple(size for size in candidates.single_sizes if size in costs)
    return replace(candidates, single_sizes=sizes, costs_snt=costs)


class SolvedOnce:
    """The solver as given to a strategy; it solves no table twice in one step."""

    def __init__(self, constraints: Constraints) -> None:
        self._solve = BudgetSolver(constraints)
        self._solved: dict[tuple[int, tuple[float, ...]], tuple[LossTable, tuple[Solution, ...]]] = {}

    def __call__(self, table: LossTable, budgets_snt: Sequence[float], /) -> tuple[Solution, ...]:
        """Find one best grouping for each inference budget."""
        key = (id(table), tuple(budgets_snt))
        if key not in self._solved:  # the table is kept, so that no other gets its identity
            self._solved[key] = (table, self._solve(table, budgets_snt))
        return self._solved[key][1]

    def in_draws(
        self, table: LossTable, draws: FloatArray, budgets_snt: Sequence[float], /
    ) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Choose rows of the table for each draw at each budget."""
        return self._solve.in_draws(table, draws, budgets_snt)
