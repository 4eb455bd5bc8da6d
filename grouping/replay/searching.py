"""One search on a table: the networks it trained, in order, and the charges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from grouping.domain.jobs.job import StopReason
from grouping.domain.jobs.specification import Planning
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.trainings.trials import TrialRequest
from grouping.domain.verdicts.headroom import Headroom
from grouping.errors import GroupingError
from grouping.replay.in_flight import InFlight, drawn_durations
from grouping.replay.oracle import EARLY_CHARGE, Oracle, RevealedLosses, Unanswerable, share_charged
from grouping.search import Loop, Search, TrialRunner
from grouping.solver import solve_budgets
from grouping.strategies import Strategy

CHARGE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Trace:
    """Record of a search on a table.

    Attributes:
        rows: rows of the table in the order of their full trainings; those known at no charge come first.
        charges: charge spent by the end of each, ascending.
        total_charge: charge of everything, short passes included.
        n_trainings: trainings that were charged, of any length.
        reason: why it ended, such as ``search_complete`` or ``charge_spent``.
        headrooms: what the strategy said of how much lower the loss may still get, in order, for each budget.
    """

    rows: tuple[int, ...]
    charges: tuple[float, ...]
    total_charge: float
    n_trainings: int
    reason: str
    headrooms: tuple[tuple[Headroom, ...], ...] = ()

    def rows_at(self, charge: float) -> tuple[int, ...]:
        """Return the networks measured in full by the time that charge is spent."""
        n = int(np.searchsorted(self.charges, charge + CHARGE_TOLERANCE, side="right"))
        return self.rows[:n]


def run_search(
    oracle: Oracle,
    strategy: Strategy,
    budgets_snt: Sequence[float],
    *,
    seed: int = 0,
    answers: RevealedLosses = RevealedLosses.MEAN,
    free: Sequence[Network] = (),
    max_charge: float | None = None,
    early_charge: float = EARLY_CHARGE,
    n_workers: int | None = None,
) -> Trace:
    """Let a strategy search a table. It is told validation losses only.

    Args:
        oracle: the table.
        strategy: decides what to train.
        budgets_snt: inference budgets that the strategy is told.
        seed: seed of the strategy, and of the answers where they are of one seed.
        answers: which losses a training reveals.
        free: networks that are known at no charge before it starts.
        max_charge: the most it may spend. The strategy is told its whole number as remaining trainings; the
            first training that does not fit ends the search.
        early_charge: charge of a short pass, in full trainings of the same size.
        n_workers: trainings at a time, on a simulated clock with drawn durations, planned continuously; None
            for steps, with all outcomes of a step at once.

    Raises:
        Unanswerable: if it asks for what the table does not know, or cannot search such a table.
    """
    search = Search(
        strategy,
        oracle.truth.tasks,
        oracle.candidates,
        budgets_snt=budgets_snt,
        max_equivalents=max_charge,
        share_of=lambda fidelity: share_charged(fidelity, early_charge),
        planning=Planning.STEPS if n_workers is None else Planning.CONTINUOUS,
        seed=seed,
    )
    known = _Revealed(oracle, search, answers, seed, early_charge)
    trainings: TrialRunner = _AtOnce(search, known.reveal)
    if n_workers is not None:
        trainings = InFlight(search, n_workers, drawn_durations(seed), known.reveal)
    if free:
        _check_first_wishes(oracle, strategy, search)
    for network in free:
        known.reveal(TrialRequest(network, 0), is_free=True)
    try:
        loop = Loop(search, trainings)
        while loop.advance():
            pass
    except Unanswerable:
        raise
    except GroupingError as error:
        raise Unanswerable(str(error)) from error
    reason = search.stop_reason
    is_spent = reason is StopReason.TRAINING_BUDGET_SPENT
    return known.trace("charge_spent" if is_spent else "" if reason is None else reason.value)


class _AtOnce:
    """Tells every outcome as soon as it is asked for; see `grouping.search.TrialRunner`."""

    is_idle = True
    n_free = 0

    def __init__(self, search: Search, tell: Callable[[TrialRequest], None]) -> None:
        self._search = search
        self._tell = tell

    def refill(self) -> None:
        """Do nothing: what is planned is taken over in `collect`."""

    def start(self) -> None:
        """Do nothing: every outcome is known."""

    def collect(self) -> bool:
        """Tell the search every outcome it asks for."""
        for request in self._search.hand_out():
            self._tell(request)
        return True


class _Revealed:
    """Part of a table that trainings have revealed, with their charges."""

    def __init__(
        self, oracle: Oracle, search: Search, answers: RevealedLosses, seed: int, early_charge: float
    ) -> None:
        self._oracle = oracle
        self._search = search
        self._full, self._early = oracle.losses(answers, seed), oracle.early_losses(answers, seed)
        self._early_charge = early_charge
        self._total = 0.0
        self._n_trainings = 0
        self._rows: list[int] = []
        self._charges: list[float] = []

    def reveal(self, request: TrialRequest, *, is_free: bool = False) -> None:
        """Tell the row of a network, and charge it."""
        row = self._oracle.row(request)
        known = self._full if request.fidelity == 1 else self._early
        self._search.tell(request, _by_task(self._oracle, request.network, known, row), is_free=is_free)
        share = share_charged(request.fidelity, self._early_charge)
        self._total += 0.0 if is_free else request.network.size * share
        self._n_trainings += not is_free
        if request.fidelity == 1:
            self._rows.append(row)
            self._charges.append(self._total)

    def trace(self, reason: str) -> Trace:
        """Return the record of the search."""
        rows, charges, said = tuple(self._rows), tuple(self._charges), self._search.headrooms
        return Trace(rows, charges, self._total, self._n_trainings, reason, said)


def _check_first_wishes(oracle: Oracle, strategy: Strategy, search: Search) -> None:
    """Raise if the table cannot answer the first requests: free networks bring no affinities."""
    try:
        wishes = strategy.ask(search.evidence, solve_budgets).requests
    except GroupingError as error:
        raise Unanswerable(str(error)) from error
    for request in wishes:
        oracle.row(request)


def _by_task(oracle: Oracle, network: Network, losses: FloatArray, row: int) -> dict[str, float]:
    names = oracle.truth.task_names
    return {name: float(losses[row, t]) for t, name in enumerate(names) if name in network.group}
