"""How much of their time workers train, and how long a search takes beside the ideal, on a simulated clock.

    python benchmarks/utilisation.py [--workers N] [--seeds N] [--max-trainings N] [--strategy NAME]

Ten tasks, groups of up to four, three search seeds and three fresh ones, planned continuously; durations
are log-normal (sigma 0.5) in proportion to the size of the network. The clock is simulated, so what is
measured is what the planner leaves to do, not how fast it is.

The ideal makespan of a search is that of the same trainings without any waiting: the sum of their
durations over the number of workers, or the longest one. It is a bound that no order of the trainings
beats, and cannot be reached by a search that has to see outcomes first. Printed beside it: where workers
were idle, as shares of all their time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from _machine import describe_machine, spread

from grouping.domain.networks import Candidates
from grouping.domain.task_definitions import TaskDefinition
from grouping.domain.tasks import Scale
from grouping.domain.trials import Purpose, TrialRequest
from grouping.replay.in_flight import InFlight, drawn_durations
from grouping.search import Loop, Search
from grouping.strategies import get_strategy

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


class Clocked(InFlight):
    """Trainings that remember how many workers were idle before each phase ended."""

    def __init__(self, search: Search, n_workers: int, seed: int) -> None:
        losses = drawn_losses(seed)
        durations = drawn_durations(seed)
        self.idle_s = {"search": 0.0, "confirmation": 0.0}
        self.longest_s, self.n_begun = 0.0, 0
        self._of = search

        def duration_s(request: TrialRequest) -> float:
            found = durations(request)
            self.n_begun += 1
            self.longest_s = max(self.longest_s, found)
            return found

        super().__init__(search, n_workers, duration_s, lambda request: search.tell(request, losses(request)))

    def collect(self) -> bool:
        """Put the clock forward, and note how many workers were idle until then."""
        before, n_idle = self.now_s, self._n_workers - len(self._running)
        running = self._of.state.running
        phase = "confirmation" if any(t.purpose is Purpose.CONFIRMATION for t in running) else "search"
        found = super().collect()
        self.idle_s[phase] += n_idle * (self.now_s - before)
        return found


def run(seed: int, asked: argparse.Namespace, scale: Scale | float) -> Clocked:
    """One search."""
    tasks = tuple(TaskDefinition(name, scale=scale).task() for name in NAMES)
    search = Search(
        get_strategy(asked.strategy),
        tasks,
        Candidates.of(NAMES, max_group_size=4, single_sizes=(0.5,)),
        budgets_snt=(3.0, 5.0),
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
    return clocked


def main() -> None:
    """Print utilisation and makespan over the ideal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--max-trainings", type=int, default=None)
    parser.add_argument("--strategy", default="adaptive")
    asked = parser.parse_args()
    print(f"{describe_machine()}; {asked.strategy}, {asked.workers} workers, {asked.seeds} seeds")
    for name, scale in (
        ("losses in use as they are", 1.0),
        ("losses over those of single tasks", Scale.SINGLE),
    ):
        used, over, n = [], [], []
        idle: dict[str, list[float]] = {"search": [], "confirmation": []}
        for seed in range(asked.seeds):
            one = run(seed, asked, scale)
            ideal_s = max(one.busy_s / asked.workers, one.longest_s)
            used.append(one.utilisation)
            over.append(one.now_s / ideal_s)
            n.append(one.n_begun)
            for phase, idle_s in one.idle_s.items():
                idle[phase].append(idle_s / (asked.workers * one.now_s))
        print(f"{name}: {spread(n)} trainings")
        print(f"  utilisation: mean {np.mean(used):.3f}, median {spread(used)}")
        print(f"  makespan over the ideal: mean {np.mean(over):.3f}, median {spread(over)}")
        for phase, shares in idle.items():
            print(f"  idle in the {phase}: mean {np.mean(shares):.1%}")


if __name__ == "__main__":
    main()
