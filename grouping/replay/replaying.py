"""Replay of strategies on a score table: regret of their recommendations against what they spent.

A training reveals the row of the network. It is charged 1 for a network of full size, its size for a smaller
one, and a twentieth of that for a short pass. The recommendation is made of fully trained networks only, so
the charge holds every network that is finally recommended. Choices, also which network serves a task, are
made on validation losses; test losses only judge them. With L the total loss on the whole table,

    regret = (L(recommended) - L(best)) / L(best),

where the best grouping is that of least validation loss within the same inference budget, for test losses
too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.errors import InvalidInputError
from grouping.replay.judging import Judge, Reference, find_reference
from grouping.replay.oracle import EARLY_CHARGE, Oracle, RevealedLosses, free_networks
from grouping.replay.parallel import SearchWork, Workers, judge_traces
from grouping.replay.searching import Trace
from grouping.solver import default_budgets
from grouping.strategies import Strategy


class Mode(StrEnum):
    """Whether a search is for one inference budget or for all."""

    EACH = "each"
    """A search of its own for every budget; regret and charge are means over the budgets."""
    ALL = "all"
    """One search for all budgets; its charge serves all of them."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Settings of a replay.

    Attributes:
        budgets_snt: inference budgets; those of the budget curve (`default_budgets`) unless given.
        mode: a search for each budget, or one for all.
        n_seeds: searches with seeds 0, 1, ...; a strategy that trains the same with the first two is not
            random, and is not run again.
        answers: which losses a training reveals where the table has several seeds.
        free: networks known at no charge, see `free_networks`.
        max_charge: the most a search may spend; None for no limit.
        early_charge: charge of a short pass, in full trainings of the same size.
        n_workers: trainings at a time, on a simulated clock with drawn durations, planned continuously; None
            for steps, with all outcomes of a step at once.
        checkpoints: charges at which the regret is measured; `default_checkpoints` unless given.
        extra_checkpoints: further charges at which the regret is measured.
    """

    budgets_snt: tuple[float, ...] | None = None
    mode: Mode = Mode.EACH
    n_seeds: int = 1
    answers: RevealedLosses = RevealedLosses.MEAN
    free: tuple[str, ...] = ()
    max_charge: float | None = None
    early_charge: float = EARLY_CHARGE
    n_workers: int | None = None
    checkpoints: tuple[float, ...] | None = None
    extra_checkpoints: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.n_seeds < 1:
            raise InvalidInputError("A replay needs at least one seed.")
        if self.max_charge is not None and not self.max_charge > 0:
            raise InvalidInputError("The most a search may spend must be positive.")
        if self.n_workers is not None and self.n_workers < 1:
            raise InvalidInputError("A search needs at least one worker.")
        if not 0 < self.early_charge <= 1:
            raise InvalidInputError("A short pass is charged above 0 and at most 1 full training.")
        if any(not charge >= 0 for charge in (*(self.checkpoints or ()), *self.extra_checkpoints)):
            raise InvalidInputError("Regret is measured at charges of 0 and above.")
        if self.budgets_snt is not None and not all(budget > 0 for budget in self.budgets_snt):
            raise InvalidInputError("Inference budgets must be positive.")


@dataclass(frozen=True, eq=False)
class Replay:
    """Result of a strategy on a table: `S` seeds, `B` inference budgets, `C` checkpoints.

    Attributes:
        strategy: its name.
        reference: the best groupings of the table.
        charges: ``[C]``, where the regret was measured, ascending.
        validation_losses: ``[S, B, C]``, total validation loss of the recommended grouping; NaN while no
            grouping of the trained networks covers every task within the budget.
        test_losses: ``[S, B, C]``, total test loss of it; NaN also where the table has none.
        total_charges: ``[S, B]``, total charges of the searches; equal over B where one served all.
        n_trainings: ``[S, B]``, trainings that were charged, of any length.
        reasons: why the searches ended, without repetition.
        is_random: whether the trainings depend on the seed.
        seconds: wall time of the searches and their judgement.
        unanswerable: why this strategy cannot be replayed on this table; None where it was.
    """

    strategy: str
    reference: Reference
    charges: FloatArray = field(repr=False)
    validation_losses: FloatArray = field(repr=False)
    test_losses: FloatArray = field(repr=False)
    total_charges: FloatArray = field(repr=False)
    n_trainings: FloatArray = field(repr=False)
    reasons: tuple[str, ...] = ()
    is_random: bool = False
    seconds: float = 0.0
    unanswerable: str | None = None

    @property
    def validation_regret(self) -> FloatArray:
        """Relative regret ``[S, B, C]``, at least 0; NaN while there is no recommendation."""
        best = self.reference.validation[None, :, None]
        regret: FloatArray = (self.validation_losses - best) / best
        return regret

    @property
    def test_regret(self) -> FloatArray:
        """Relative regret ``[S, B, C]`` against the grouping best by validation; may be negative."""
        best = self.reference.test[None, :, None]
        regret: FloatArray = (self.test_losses - best) / best
        return regret


def default_checkpoints(most: float) -> tuple[float, ...]:
    """Return charges from 0 to `most`: by halves up to 20, by ones up to 40, then about 10 % apart."""
    charges = [0.0]
    while charges[-1] < most - 1e-9:
        at = charges[-1]
        step = 0.5 if at < 20 else 1.0 if at < 40 else float(at // 10)
        charges.append(min(at + step, most))
    return tuple(charges)


def replay(
    table: ScoreTable,
    strategies: Sequence[Strategy],
    setup: Setup | None = None,
    *,
    early: ScoreTable | None = None,
    processes: int = 1,
) -> tuple[Replay, ...]:
    """Replay strategies on a table. The same seeds give the same figures, with any number of processes.

    Args:
        table: its validation losses answer requests, its test losses judge.
        strategies: one after another.
        setup: budgets, seeds, charges.
        early: scores of the short passes, for strategies that ask for them.
        processes: searches at a time.

    Returns:
        A result for each strategy, in their order.

    Raises:
        InvalidInputError: if the tables, the budgets or the free networks do not fit.
    """
    setup = setup or Setup()
    oracle = Oracle.of(table, early)
    budgets = setup.budgets_snt or default_budgets(oracle.truth)
    judge = Judge(oracle, find_reference(oracle.truth, budgets))
    free = free_networks(setup.free, oracle.truth)
    most = setup.max_charge or float(sum(network.size for network in oracle.truth.networks))
    checkpoints = tuple(sorted({*(setup.checkpoints or default_checkpoints(most)), *setup.extra_checkpoints}))
    n = len(judge.reference.budgets_snt)
    parts = tuple((b,) for b in range(n)) if setup.mode is Mode.EACH else (tuple(range(n)),)
    with Workers(judge, processes) as workers:
        return tuple(
            _replay_one(strategy, parts, free, setup, checkpoints, judge.reference, workers)
            for strategy in strategies
        )


def _replay_one(
    strategy: Strategy,
    parts: Sequence[tuple[int, ...]],
    free: tuple[Network, ...],
    setup: Setup,
    checkpoints: tuple[float, ...],
    reference: Reference,
    workers: Workers,
) -> Replay:
    started = time.perf_counter()
    traces: list[list[Trace]] = []  # [seeds][parts]
    is_random = False
    for seeds in (range(1), range(1, 2), range(2, setup.n_seeds)):
        asked = [
            SearchWork(
                strategy,
                part,
                seed,
                setup.answers,
                free,
                setup.max_charge,
                setup.early_charge,
                setup.n_workers,
            )
            for seed in seeds
            for part in parts
            if seed < setup.n_seeds
        ]
        found: list[Trace] = []
        for trace in workers.search(asked):
            if isinstance(trace, str):
                return _not_replayed(strategy, reference, checkpoints, trace)
            found.append(trace)
        traces += [found[i : i + len(parts)] for i in range(0, len(found), len(parts))]
        if len(traces) == 2:
            is_random = [trace.rows for trace in traces[0]] != [trace.rows for trace in traces[1]]
            if not is_random and setup.answers is RevealedLosses.MEAN:
                traces.pop()
                break
    validation, test = judge_traces(traces, parts, checkpoints, setup.answers, workers)
    n_budgets = len(reference.budgets_snt)

    def per_budget(value: Callable[[Trace], float]) -> FloatArray:
        rows = [np.array([value(trace) for trace in by_part], dtype=np.float64) for by_part in traces]
        return np.array([np.broadcast_to(row, (n_budgets,)) for row in rows])

    return Replay(
        strategy.name,
        reference,
        np.array(checkpoints),
        validation,
        test,
        per_budget(lambda trace: trace.total_charge),
        per_budget(lambda trace: trace.n_trainings),
        tuple(sorted({trace.reason for by_part in traces for trace in by_part})),
        is_random,
        time.perf_counter() - started,
    )


def _not_replayed(
    strategy: Strategy, reference: Reference, checkpoints: tuple[float, ...], reason: str
) -> Replay:
    shape = (0, len(reference.budgets_snt), len(checkpoints))
    empty, flat = np.empty(shape), np.empty(shape[:2])
    charges = np.array(checkpoints)
    return Replay(strategy.name, reference, charges, empty, empty, flat, flat, unanswerable=reason)
