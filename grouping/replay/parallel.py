"""Parallel work of a replay: searches and judgements, shared by several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import Pool
from types import TracebackType
from typing import TypeVar

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray
from grouping.replay.judging import Judge
from grouping.replay.oracle import RevealedLosses, Unanswerable
from grouping.replay.searching import Trace, run_search
from grouping.strategies import Strategy

W = TypeVar("W")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class SearchWork:
    """A search to run.

    Attributes:
        strategy: the strategy of the search.
        budgets: positions of its inference budgets in the reference.
        seed: seed of the search.
        answers: which losses a training reveals.
        free: networks known at no charge.
        max_charge: the most it may spend.
        early_charge: charge of a short pass.
        n_workers: trainings at a time; None for steps.
    """

    strategy: Strategy
    budgets: tuple[int, ...]
    seed: int
    answers: RevealedLosses
    free: tuple[Network, ...]
    max_charge: float | None
    early_charge: float
    n_workers: int | None = None

    def run(self, judge: Judge) -> Trace | str:
        """Run the search; return its trace, or why it cannot be replayed."""
        try:
            return run_search(
                judge.oracle,
                self.strategy,
                [judge.reference.budgets_snt[b] for b in self.budgets],
                seed=self.seed,
                answers=self.answers,
                free=self.free,
                max_charge=self.max_charge,
                early_charge=self.early_charge,
                n_workers=self.n_workers,
            )
        except Unanswerable as reason:
            return str(reason)


@dataclass(frozen=True, slots=True)
class JudgeWork:
    """A set of trained networks to judge at some inference budgets; see `Judge.losses`."""

    rows: tuple[int, ...]
    budgets: tuple[int, ...]
    answers: RevealedLosses
    seed: int

    def run(self, judge: Judge) -> tuple[FloatArray, FloatArray]:
        """Return validation and test losses of what would be recommended."""
        return judge.losses(self.rows, self.budgets, self.answers, self.seed)


class Workers:
    """Runs work in this process, or in processes that hold the table; a context manager.

    Args:
        judge: the table with its best groupings.
        processes: pieces of work at a time; 1 runs them here.
    """

    def __init__(self, judge: Judge, processes: int = 1) -> None:
        self._judge = judge
        self._processes = processes
        self._pool: Pool | None = None

    def __enter__(self) -> Workers:
        if self._processes > 1:
            context = multiprocessing.get_context("spawn")
            self._pool = context.Pool(self._processes, initializer=_hold, initargs=(self._judge,))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()

    def search(self, works: Sequence[SearchWork]) -> list[Trace | str]:
        """Carry out searches; the results are in the order of the works."""
        return self._map(SearchWork.run, works)

    def judge(self, works: Sequence[JudgeWork]) -> list[tuple[FloatArray, FloatArray]]:
        """Judge sets of networks; the results are in the order of the works."""
        return self._map(JudgeWork.run, works)

    def _map(self, run: Callable[[W, Judge], R], works: Sequence[W]) -> list[R]:
        if self._pool is None:
            return [run(work, self._judge) for work in works]
        return self._pool.map(partial(_run_held, run), works, chunksize=1)


_held: Judge | None = None


def _hold(judge: Judge) -> None:
    """Store the table once in each process, so that it is not sent with every piece of work."""
    global _held
    _held = judge


def _run_held(run: Callable[[W, Judge], R], work: W) -> R:
    if _held is None:
        raise RuntimeError("This process holds no table.")
    return run(work, _held)


def judge_traces(
    traces: Sequence[Sequence[Trace]],
    parts: Sequence[tuple[int, ...]],
    checkpoints: Sequence[float],
    answers: RevealedLosses,
    workers: Workers,
) -> tuple[FloatArray, FloatArray]:
    """Judge what searches could have recommended at each checkpoint.

    Searches that had trained the same networks are judged together, since solving for several inference
    budgets at once is cheaper.

    Args:
        traces: ``[S][P]``, searches by seed and by part of the budgets.
        parts: the `P` parts of the `B` inference budgets.
        checkpoints: the `C` charges.
        answers: which losses trainings revealed.
        workers: workers to run the judgements.

    Returns:
        Validation and test losses, ``[S, B, C]`` each.
    """
    wanted: dict[tuple[tuple[int, ...], int], dict[tuple[int, int, int], None]] = {}
    for s, by_part in enumerate(traces):
        for trace, part in zip(by_part, parts, strict=True):
            for c, charge in enumerate(checkpoints):
                # Without a seed in the answers, searches of different seeds are judged alike.
                key = (tuple(sorted(trace.rows_at(charge))), 0 if answers is RevealedLosses.MEAN else s)
                wanted.setdefault(key, {}).update(dict.fromkeys((s, b, c) for b in part))
    works = [
        JudgeWork(rows, tuple(sorted({b for _, b, _ in cells})), answers, seed)
        for (rows, seed), cells in wanted.items()
    ]
    validation, test = np.full((2, len(traces), sum(map(len, parts)), len(checkpoints)), np.nan)
    judged = workers.judge(works)
    for work, cells, losses in zip(works, wanted.values(), judged, strict=True):
        position = {b: i for i, b in enumerate(work.budgets)}
        for s, b, c in cells:
            validation[s, b, c], test[s, b, c] = (part[position[b]] for part in losses)
    return validation, test
