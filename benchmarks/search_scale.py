"""How far a search of many tasks gets, and what its planning costs, on hidden losses.

    python benchmarks/search_scale.py [--tasks N]... [--kind KIND]... [--seed N]... [--surrogate]

Searches `adaptive` by ask and tell for three inference budgets, with 3 trainings per task, each with noise
of 0.5 % of a usual loss. Of each search: how far it came after 1, 2 and 3 trainings per task, for each
budget, in shares of the way from all tasks in one network (0) to the best grouping known (1; found with the
losses in sight), by the losses without noise; processor seconds of a step, mean and most; and the memory.
``--surrogate`` adds a ridge regression per task on as many random groups, whose choice is trained (the linear
surrogate of Li et al., TMLR 2023, as Grad-TAG fits it to random subsets).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence

import numpy as np
from _hidden_losses import KINDS, HiddenLosses
from _machine import describe_machine
from _tables import names_of

from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.predicted_losses import PredictedLosses
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.tasks import Task
from grouping.search import Search
from grouping.solver import solve
from grouping.strategies import get_strategy
from grouping.strategies.adaptive.drawn_groupings import DrawnLosses, best_groups
from grouping.strategies.prediction.ridge import fit_ridge

BUDGETS = {27: (2, 4, 8), 60: (3, 6, 12), 100: (2, 5, 10), 200: (4, 10, 20), 500: (4, 10, 25)}
NOISE = 0.005
SOLVER_S = 10.0
"""Wall time in which the best grouping of the trained networks is sought."""
PER_TASK = 3


class Trained:
    """Networks trained so far: what was told of them, and what is true."""

    def __init__(self, hidden: HiddenLosses, budgets: Sequence[int], best: FloatArray) -> None:
        self.hidden, self.budgets, self.best = hidden, budgets, best
        self.names = names_of(hidden.n_tasks)
        self.together = hidden.total(np.ones((1, hidden.n_tasks), dtype=np.bool_))
        self.noise = np.random.default_rng([9, hidden.seed])
        self.networks: list[Network] = []
        self.told: list[FloatArray] = []
        self.true: list[FloatArray] = []

    def train(self, groups: np.ndarray) -> FloatArray:
        """``[G, T]`` losses of groups as a search is told them."""
        true = self.hidden.losses(groups)
        told = np.asarray(true + NOISE * self.noise.normal(size=true.shape))
        for group, row, known in zip(groups, told, true, strict=True):
            self.networks.append(Network(frozenset(self.names[t] for t in np.flatnonzero(group))))
            self.told.append(row)
            self.true.append(known)
        return told

    def shares(self) -> str:
        """Shares of the way that the best grouping of the trained networks has come, for each budget."""
        told, true = np.array(self.told), np.array(self.true)
        losses = np.where(np.isfinite(told), told, np.nan)
        table = PredictedLosses(tuple(map(Task, self.names)), tuple(self.networks), losses)
        found = []
        for budget in self.budgets:
            solution = solve(table, float(budget), time_limit_s=SOLVER_S, max_ties=1)
            assert solution.grouping is not None, "all tasks together fit every budget"
            rows = [table.position(network) for network in solution.grouping.networks]
            server = np.array(rows)[told[rows].argmin(axis=0)]
            found.append(true[server, np.arange(len(server))].sum())
        ways = (self.together - np.array(found)) / (self.together - self.best)
        return f"{', '.join(f'{way:.2f}' for way in ways)} (mean {ways.mean():.3f})"


def search(name: str, trained: Trained) -> None:
    """Search by ask and tell; prints as it goes."""
    names, n_tasks = trained.names, trained.hidden.n_tasks
    asked = Search(
        get_strategy("adaptive", {"tolerance": 0}),
        [Task(task) for task in names],
        Candidates.of(names),
        budgets_snt=trained.budgets,
        max_trainings=PER_TASK * n_tasks,
        seed=trained.hidden.seed,
    )
    steps, marks = [], [m * n_tasks for m in range(1, PER_TASK + 1)]
    while True:
        started = time.process_time()
        requests = asked.ask()
        steps.append(time.process_time() - started)
        if not requests:
            break
        groups = np.array([[task in request.network.group for task in names] for request in requests])
        for request, losses in zip(requests, trained.train(groups), strict=True):
            members = np.flatnonzero(np.isfinite(losses)).tolist()
            asked.tell(request, {names[t]: float(losses[t]) for t in members})
        while marks and len(trained.networks) >= marks[0]:
            print(f"{name}: {marks.pop(0)} trainings: {trained.shares()}", flush=True)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{name}: {len(steps)} steps, {np.mean(steps):.2f} s of processor time a step, {max(steps):.2f} s at "
        f"most, {memory} MB",
        flush=True,
    )


def surrogate(name: str, trained: Trained) -> None:
    """Train random groups, fit a ridge per task, and train what it chooses for each budget."""
    hidden, n_tasks = trained.hidden, trained.hidden.n_tasks
    generator = np.random.default_rng(hidden.seed)
    n_random = PER_TASK * n_tasks - sum(trained.budgets) - 1
    member = np.zeros((n_random, n_tasks), dtype=np.bool_)
    for row in member:
        row[generator.choice(n_tasks, n_tasks // int(generator.choice(trained.budgets)), replace=False)] = (
            True
        )
    whole = np.ones((1, n_tasks), dtype=np.bool_)
    losses = trained.train(np.concatenate([whole, member]))
    member = np.concatenate([whole, member])
    own, effects = np.zeros((n_tasks, n_tasks)), np.zeros((n_tasks, n_tasks))
    for t in range(n_tasks):
        rows = np.flatnonzero(member[:, t])
        others = member[rows].astype(np.float64)
        others[:, t] = 0.0
        line = fit_ridge(others, losses[rows, t])
        own[t], effects[t] = line.mean - line.centre @ line.slopes, line.slopes
    np.fill_diagonal(effects, 0.0)
    chosen = best_groups(DrawnLosses(own, effects, 0.0, n_tasks), trained.budgets, generator)
    known = {group.tobytes() for group in member}
    new = {group.tobytes(): group for groups in chosen.values() for group in groups}
    trained.train(np.array([group for key, group in new.items() if key not in known]))
    print(f"{name}: linear surrogate, {len(trained.networks)} trainings: {trained.shares()}", flush=True)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, action="append", choices=sorted(BUDGETS), help="repeat; 60")
    parser.add_argument("--kind", action="append", choices=KINDS, help="repeat; all unless given")
    parser.add_argument("--seed", type=int, action="append", help="of the hidden losses; repeat; 100")
    parser.add_argument("--surrogate", action="store_true", help="the linear surrogate too")
    asked = parser.parse_args()
    print(describe_machine(), flush=True)
    for n_tasks in asked.tasks or [60]:
        for kind in asked.kind or KINDS:
            for seed in asked.seed or [100]:
                hidden, budgets = HiddenLosses(kind, n_tasks, seed), BUDGETS[n_tasks]
                best = np.array([hidden.best_known(budget) for budget in budgets])
                name = f"{n_tasks} tasks, {kind}, seed {seed}, budgets {', '.join(map(str, budgets))}"
                search(name, Trained(hidden, budgets, best))
                if asked.surrogate:
                    surrogate(name, Trained(hidden, budgets, best))


if __name__ == "__main__":
    main()
