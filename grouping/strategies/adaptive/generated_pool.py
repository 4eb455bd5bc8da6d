"""Candidates for many tasks: the groups of good groupings under draws of the model, and their neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.tables.score_table import FloatArray
from grouping.strategies.adaptive.drawn_groupings import DrawnLosses, best_groups
from grouping.strategies.adaptive.effect_model import EffectModel, Weights, own_by_partners

N_NEIGHBOURS = 600
APART = 1e3
"""Effect on each other of two tasks that no candidate may hold, in usual losses of all tasks."""


@dataclass(frozen=True, slots=True)
class Generated:
    """Networks that may be worth training.

    Attributes:
        networks: all of them, each once.
        groupings: those of the good groupings, one for each draw and inference budget.
    """

    networks: tuple[Network, ...]
    groupings: tuple[tuple[Network, ...], ...]


def generated_networks(
    candidates: Candidates,
    model: EffectModel,
    weights: Sequence[Weights],
    task_weights: FloatArray,
    budgets_snt: Sequence[float],
    good: Iterable[Network],
    generator: np.random.Generator,
) -> Generated:
    """Generate networks that may be worth training, in a reproducible order.

    Args:
        candidates: described by rules.
        model: what is known of the losses.
        weights: the mean and draws of its weights.
        task_weights: ``[T]``, of the tasks in the total loss.
        budgets_snt: inference budgets; one buys as many full-size networks as it pays.
        good: measured networks, of which neighbours by one task are proposed.
        generator: source of randomness.
    """
    found: dict[NetworkKey, Network] = {}
    tasks = np.array(candidates.tasks)
    price = candidates.costs_snt.get(1.0, 1.0)
    numbers = sorted({min(max(int(budget / price + 1e-9), 1), len(tasks)) for budget in budgets_snt})
    for network in candidates.singles:
        found.setdefault(network.key, network)
    groupings = []
    for some in weights:
        for d in range(len(some.own)):
            drawn = _drawn_losses(candidates, model, some, d, task_weights)
            for groups in best_groups(drawn, numbers, generator).values():
                networks = _networks(candidates, tasks, groups)
                groupings.append(tuple(found.setdefault(n.key, n) for n in networks))
    neighbours = [n.group ^ {task} for n in good for task in candidates.tasks]
    for n in generator.permutation(len(neighbours))[:N_NEIGHBOURS].tolist():
        neighbour = candidates.find(neighbours[n]) if neighbours[n] else None
        if neighbour is not None:
            found.setdefault(neighbour.key, neighbour)
    return Generated(tuple(found.values()), tuple(groupings))


def _networks(candidates: Candidates, tasks: NDArray[np.str_], groups: NDArray[np.bool_]) -> list[Network]:
    networks = (candidates.find(tasks[group].tolist()) for group in groups)
    return [network for network in networks if network is not None]


def _drawn_losses(
    candidates: Candidates, model: EffectModel, weights: Weights, d: int, task_weights: FloatArray
) -> DrawnLosses:
    relative = model.relative
    factor = task_weights * relative.unit * relative.spread
    own = (task_weights * relative.reference)[:, None] + factor[:, None] * own_by_partners(weights.own[d])
    effects = factor[:, None] * weights.partners[d]
    column = {task: t for t, task in enumerate(candidates.tasks)}
    for apart in candidates.apart:
        at = [column[task] for task in apart]
        effects[np.ix_(at, at)] = APART * float(np.abs(own[:, 0]).sum())
    np.fill_diagonal(effects, 0.0)
    return DrawnLosses(own, effects, model.shared.power, candidates.max_group_size)
