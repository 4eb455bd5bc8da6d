"""Candidates that the adaptive search considers in one step: all of them, or a generated part of many.

Where there are too many to list, the part holds what was measured, every group that differs by one task from
a good measured one, unions and intersections of good ones, and random groups of every size. Good groups are
those that serve some task best. A search that comes back to a neighbour of what it found last walks through
the space of all groups without ever listing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.tables.score_table import ScoreTable

POOL_SIZE = 2_000
N_GOOD = 3
"""Networks kept as good for each task."""


def pool_networks(
    candidates: Candidates, measured: ScoreTable, generator: np.random.Generator, *, size: int = POOL_SIZE
) -> tuple[Network, ...]:
    """Return the candidates to consider, the measured ones included, in a reproducible order.

    Args:
        candidates: what may be chosen.
        measured: completely measured networks.
        generator: source of the random groups.
        size: number of candidates generated where they are not listed.
    """
    if candidates.networks is not None:
        listed = {network.key for network in candidates.networks}
        extra = [n for n in measured.networks if n.key not in listed]
        return (*candidates.networks, *extra)
    found: dict[NetworkKey, Network] = {}
    for network in (*measured.networks, *candidates.singles):
        found.setdefault(network.key, network)
    for group in _generated(candidates, _good_groups(measured), generator):
        if len(found) >= size + len(measured.networks):
            break
        generated = candidates.find(group)
        if generated is not None:
            found.setdefault(generated.key, generated)
    return tuple(found.values())


def _good_groups(measured: ScoreTable) -> list[frozenset[str]]:
    best = np.argsort(np.where(measured.membership, measured.validation, np.inf), axis=0, kind="stable")
    good: dict[frozenset[str], None] = {}
    for row in best[:N_GOOD].ravel().tolist():
        good.setdefault(measured.networks[row].group)
    return list(good)


def _generated(
    candidates: Candidates, good: Sequence[frozenset[str]], generator: np.random.Generator
) -> Iterable[frozenset[str]]:
    tasks = np.array(candidates.tasks)
    neighbours = [group ^ {task} for group in good for task in candidates.tasks]
    crossed = [made for i, a in enumerate(good) for b in good[:i] for made in (a | b, a & b)]
    for groups in (neighbours, crossed):
        for n in generator.permutation(len(groups))[: POOL_SIZE // 3].tolist():
            yield groups[n]
    for _ in range(20 * POOL_SIZE):
        k = int(generator.integers(2, max(candidates.max_group_size, 2) + 1))
        yield frozenset(generator.choice(tasks, min(k, len(tasks)), replace=False).tolist())
