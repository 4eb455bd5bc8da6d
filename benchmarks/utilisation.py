"""How much of their time workers train, and how long a search takes beside the ideal, on a simulated clock.

    python benchmarks/utilisation.py [--workers N] [--seeds N] [--largest-group N] [--max-trainings N]
        [--strategy NAME] [--processes N]

Ten tasks, groups of up to three, three search seeds and three fresh ones, planned continuously; durations
are log-normal (sigma 0.5) in proportion to the size of the network. The clock is simulated, so what is
measured is what the planner leaves to do, not how fast it is.

The ideal makespan of a search is that of the same trainings without any waiting: the sum of their
durations over the number of workers, or the longest one. It is a bound that no order of the trainings
beats, and cannot be reached by a search that has to see outcomes first. Printed beside it: where workers
were idle, as shares of all their time.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from typing import Any, cast

import numpy as np
from _machine import describe_machine, spread

from grouping.domain.jobs.task_definitions import TaskDefinition
from grouping.domain.networks import Candidates
from grouping.domain.tasks import Scale
from grouping.domain.trainings.trials import Purpose, TrialKey, TrialRequest
from grouping.replay.in_flight import InFlight, drawn_durations
from grouping.search import Loop, Search
from grouping.strategies import Choose, Evidence, Proposal, Strategy, get_strategy, plans_ahead

NAMES = tuple(f"task{n}" for n in range(10))


def drawn_losses(seed: int) -> Callable[[TrialRequest], dict[str, float]]:
    """Losses of a table: less or more by each partner, more in a small network, a little by seed."""
    generator = np.random.default_rng((seed, 2))
    effects = generator.normal(0.0, 0.05, (len(NAMES), len(NAMES)))

    def losses(request: TrialRequest) -> dict[str, float]:
        noise = np.random.default_rng((seed, request.seed, len(request.network.group)))
        found = {}
        for task in sorted(request.network.group):
            company = sum(effects[NAMES.index(task), NAMES.index(o)] for o in request.network.group - {task})
            shift = 0.1 * (1 - request.network.size) + 0.01 * noise.normal()
            found[task] = float(max(0.05, 0.5 + company + shift))
        return found

    return losses


@dataclass(frozen=True)
class Found:
    """What came out of one search.

    Attributes:
        n: number of trainings.
        used: share of the workers' time in which they trained.
        over: makespan over the ideal.
        idle: share of the workers' time in which they were idle: while the search went on, after its last
            training.
    """

    n: int
    used: float
    over: float
    idle: tuple[float, float]


class Remembering:
    """A strategy that is not asked again while it has nothing to propose and knows nothing new."""

    def __init__(self, name: str) -> None:
        self._strategy = get_strategy(name)
        self.plans_ahead = plans_ahead(self._strategy)
        self._nothing: tuple[tuple[frozenset[TrialKey], frozenset[TrialKey]], Proposal] | None = None

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Ask it, or repeat what it said."""
        known = evidence.attempted, evidence.running
        if self._nothing is not None and self._nothing[0] == known:
            return self._nothing[1]
        found = self._strategy.ask(evidence, choose)
        self._nothing = None if found.requests else (known, found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)


class Clocked(InFlight):
    """Trainings that remember how many workers were idle, while the search went on and afterwards."""

    def __init__(self, search: Search, n_workers: int, seed: int) -> None:
        losses = drawn_losses(seed)
        durations = drawn_durations(seed)
        self.idle_s = [0.0, 0.0]
        self.lengths_s: list[float] = []
        self._of = search

        def duration_s(request: TrialRequest) -> float:
            self.lengths_s.append(durations(request))
            return self.lengths_s[-1]

        super().__init__(search, n_workers, duration_s, lambda request: search.tell(request, losses(request)))

    def collect(self) -> bool:
        """Put the clock forward, and note how many workers were idle until then."""
        before, n_idle = self.now_s, self._n_workers - len(self._running)
        is_over = all(trial.purpose is Purpose.CONFIRMATION for trial in self._of.state.running)
        found = super().collect()
        self.idle_s[is_over] += n_idle * (self.now_s - before)
        return found


def run(seed: int, asked: argparse.Namespace, scale: Scale | float) -> Found:
    """One search."""
    tasks = tuple(TaskDefinition(name, scale=scale).task() for name in NAMES)
    search = Search(
        cast(Strategy, Remembering(asked.strategy)),
        tasks,
        Candidates.of(NAMES, max_group_size=asked.largest_group, single_sizes=(0.5,)),
        budgets_snt=(4.0, 5.0),
        seeds=(0, 1, 2),
        confirmation_seeds=(500, 501, 502),
        max_trainings=asked.max_trainings,
        planning="continuous",
        seed=seed,
    )
    clocked = Clocked(search, asked.workers, seed)
    loop = Loop(search, clocked)
    while loop.advance():
        pass
    ideal_s = max(clocked.busy_s / asked.workers, *clocked.lengths_s)
    during, after = (idle_s / (asked.workers * clocked.now_s) for idle_s in clocked.idle_s)
    return Found(len(clocked.lengths_s), clocked.utilisation, clocked.now_s / ideal_s, (during, after))


def main() -> None:
    """Print utilisation and makespan over the ideal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--largest-group", type=int, default=3)
    parser.add_argument("--max-trainings", type=int, default=None)
    parser.add_argument("--strategy", default="adaptive")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    print(f"{describe_machine()}; {asked.strategy}, {asked.workers} workers, {asked.seeds} seeds")
    with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
        for name, scale in (
            ("losses in use as they are", 1.0),
            ("losses over those of single tasks", Scale.SINGLE),
        ):
            seeds = range(asked.seeds)
            found = list(pool.map(run, seeds, repeat(asked), repeat(scale)))
            used, over = [one.used for one in found], [one.over for one in found]
            print(f"{name}: {spread([one.n for one in found])} trainings")
            print(f"  utilisation: {of_seeds(used, np.argmin(used))}")
            print(f"  makespan over the ideal: {of_seeds(over, np.argmax(over))}")
            during, after = np.mean([one.idle for one in found], axis=0)
            print(f"  idle while the search goes on: mean {during:.1%}; afterwards: {after:.1%}", flush=True)


def of_seeds(values: list[float], worst: np.intp) -> str:
    """Mean, standard deviation, and the worst seed."""
    return f"mean {np.mean(values):.3f} ± {np.std(values):.3f}, worst {values[worst]:.3f} (seed {worst})"


if __name__ == "__main__":
    main()
