"""Searches in rounds: train something, predict the rest, train what the solver chooses, predict again.

A strategy is a pure function of the evidence and counts nothing. How many rounds have passed is found by
going through them again: each round sees what the rounds before it had trained and nothing else, so it
chooses what it chose then. The first round that still lacks a training is the one that goes on, after a
crash too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.trainings.budgets import most_chosen
from grouping.domain.trainings.trials import TrialRequest
from grouping.strategies.evidence import Choose, Evidence
from grouping.strategies.forecast import Forecast, count_kinds

Predict = Callable[[ScoreTable], LossTable]
"""Completes a table of measured networks by predictions."""


def next_round(
    evidence: Evidence, first: Iterable[Network], predict: Predict, choose: Choose, rounds: int
) -> tuple[tuple[TrialRequest, ...], int]:
    """Find the trainings of the first unfinished round.

    Args:
        evidence: scores so far; all of `first` was attempted in full.
        first: what was trained in full before the first round.
        predict: makes the table to solve from what was measured so far.
        choose: the solver.
        rounds: the most rounds.

    Returns:
        Full trainings, empty when a round chooses nothing new or there are no rounds left, and the number of
        the round, from 1; 0 if there is none.
    """
    known = {network.key for network in first}
    number = 0
    for number in range(1, rounds + 1):
        lost = evidence.diverged & known
        table = predict(_measured_among(evidence.full, known))
        usable = [n for n, network in enumerate(table.networks) if network.key not in lost]
        chosen = _chosen(table.select(usable), evidence.budgets_snt, choose)
        requests = evidence.request(chosen)
        if requests:
            return requests, number
        if {network.key for network in chosen} <= known:
            break
        known |= {network.key for network in chosen}
    return (), number


def forecast_of_rounds(
    evidence: Evidence, first: Sequence[TrialRequest], selectable: Iterable[Network], rounds: int
) -> Forecast:
    """Forecast a search in rounds: the first step, and at most a grouping for each budget per round.

    Args:
        evidence: without scores.
        first: what is trained in any case.
        selectable: networks that a round may choose.
        rounds: the most rounds.
    """
    lower = count_kinds(first)
    upper = count_kinds({*first, *evidence.request(selectable)})
    further = rounds * most_chosen(evidence.candidates, evidence.budgets_snt) * len(evidence.seeds)
    return Forecast(lower, upper, sum(lower.values()) + further)


def _measured_among(table: ScoreTable, known: Set[NetworkKey]) -> ScoreTable:
    rows = [n for n, network in enumerate(table.networks) if table.is_complete[n] and network.key in known]
    return table.select(rows)


def _chosen(table: LossTable, budgets_snt: Sequence[float], choose: Choose) -> tuple[Network, ...]:
    """Return every network of the solutions, once; none where nothing can be chosen from."""
    if not table.networks:
        return ()
    found: dict[NetworkKey, Network] = {}
    for solution in choose(table, budgets_snt):
        if solution.grouping is not None:
            found |= {network.key: network for network in solution.grouping.networks}
    return tuple(found.values())
