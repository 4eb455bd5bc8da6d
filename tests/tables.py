"""Score tables for tests, made from a seed."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from grouping.domain.constraints import Constraints, Objective
from grouping.domain.costs import fits
from grouping.domain.networks import Network, list_candidates
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task


def make_table(
    networks: tuple[Network, ...],
    tasks: tuple[Task, ...],
    losses: FloatArray,
) -> ScoreTable:
    """A table of one or several seeds from ``[N, T]`` or ``[N, T, S]`` losses, member cells only."""
    cube = losses[:, :, None] if losses.ndim == 2 else losses
    member = np.array([[task.name in network.group for task in tasks] for network in networks])
    cube = np.where(member[:, :, None], cube, np.nan)
    return ScoreTable.from_arrays(tasks, networks, tuple(range(cube.shape[2])), cube, cube * 1.1)


def random_table(seed: int, n_tasks: int = 4, n_seeds: int = 1) -> ScoreTable:
    """All groups at full size and half-size singles, with random losses in (0, 1)."""
    names = [f"task {i}" for i in range(n_tasks)]
    networks = list_candidates(names, max_group_size=n_tasks, single_sizes=(0.5,))
    losses = np.random.default_rng(seed).uniform(0.05, 1.0, (len(networks), n_tasks, n_seeds))
    return make_table(networks, tuple(Task(name) for name in names), losses)


def brute_force(table: ScoreTable, budget_snt: float) -> float | None:
    """Least weighted total validation loss over every set of networks; None if no set covers the tasks."""
    best: float | None = None
    for size in range(1, len(table.tasks) + 1):
        for rows in combinations(range(len(table.networks)), size):
            if not fits(sum(table.networks[n].cost_snt for n in rows), budget_snt):
                continue
            served = table.validation[list(rows)]
            if np.isnan(served).all(axis=0).any():
                continue
            loss = float(np.dot(np.nanmin(served, axis=0), table.weights))
            best = loss if best is None else min(best, loss)
    return best


def every_grouping(
    table: ScoreTable,
    budget_snt: float,
    constraints: Constraints,
    objective: Objective = Objective.SUM,
) -> list[tuple[float, frozenset[int]]]:
    """Loss and rows of every allowed set of networks that needs all of them, best first; lists all sets."""
    losses = table.validation * table.weights
    alone = [table.find_position(frozenset({name})) for name in table.task_names]
    if objective is Objective.RELATIVE:
        losses = losses / [table.validation[row, t] for t, row in enumerate(alone) if row is not None]
    forced = frozenset(table.position(network) for network in constraints.forced)
    known = dict[frozenset[int], float]()
    for size in range(1, len(table.tasks) + len(forced) + 1):
        for chosen in combinations(range(len(table.networks)), size):
            rows = frozenset(chosen)
            if forced <= rows and _keeps_limits(table, budget_snt, constraints, chosen):
                loss = _served_loss(table, losses, alone, constraints, chosen)
                if loss is not None:
                    known[rows] = loss
    return sorted(
        (
            (loss, rows)
            for rows, loss in known.items()
            if not any(known.get(rows - {n}, np.inf) <= loss * (1 + 1e-9) for n in rows - forced)
        ),
        key=lambda pair: (pair[0], sorted(pair[1])),
    )


def _keeps_limits(
    table: ScoreTable, budget_snt: float, constraints: Constraints, rows: tuple[int, ...]
) -> bool:
    networks = [table.networks[n] for n in rows]
    trained = [task for network in networks for task in network.group]
    return (
        fits(sum(network.cost_snt for network in networks), budget_snt)
        and (constraints.max_networks is None or len(rows) <= constraints.max_networks)
        and not any(len(network.group) > (constraints.max_group_size or 99) for network in networks)
        and not any(len(network.group & apart) > 1 for network in networks for apart in constraints.apart)
        and not any(table.position(network) in rows for network in constraints.forbidden)
        and not (constraints.is_partition and len(trained) > len(set(trained)))
        and all(
            fits(float(table.other_costs[name][list(rows)].sum()), most)
            for name, most in constraints.limits.items()
        )
    )


def _served_loss(
    table: ScoreTable,
    losses: FloatArray,
    alone: list[int | None],
    constraints: Constraints,
    rows: tuple[int, ...],
) -> float | None:
    """Least loss when the tasks of a block share a server, each within its ceiling; None if one cannot."""
    names = table.task_names
    blocks = {frozenset({name}) for name in names}
    for wanted in constraints.together:
        joined = frozenset().union(*(block for block in blocks if block & wanted))
        blocks = {block for block in blocks if not block & wanted} | {joined}
    total = 0.0
    for block in blocks:
        options = []
        for n in rows:
            columns = [names.index(task) for task in block]
            if not block <= table.networks[n].group:
                continue
            ceilings = [
                min(
                    constraints.ceilings.get(names[t], np.inf),
                    constraints.ceilings_alone[names[t]] * table.validation[alone[t] or 0, t]
                    if names[t] in constraints.ceilings_alone
                    else np.inf,
                )
                for t in columns
            ]
            if (table.validation[n, columns] <= ceilings).all():
                options.append(float(losses[n, columns].sum()))
        if not options:
            return None
        total += min(options)
    return total
