"""Random candidates from a seed, and few networks that cover every task.

Every draw is one long sequence that depends on the candidates and the seed alone. A longer search reads
further in it, so it trains a superset of what a shorter one trains.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.strategies.forecast import count_candidate_shapes

MOST_MISSED = 100_000
"""Draws in a row without a new candidate after which none is drawn any more."""


def cover(candidates: Candidates, diverged: Collection[NetworkKey] = frozenset()) -> tuple[Network, ...]:
    """Choose few candidates that together serve every task; the network of all tasks, if it is one.

    Otherwise they are the largest groups there are, in the order of the tasks. Of groups that serve equally
    many new tasks the one with the fewest others is taken, then the first in the order of the tasks.

    Args:
        candidates: listed or described.
        diverged: networks that are not to be used, because they diverged.

    Returns:
        Full-size networks first choice, others where a task has no other; a task without any is left out.
    """
    if candidates.networks is not None:
        return _cover_listed(candidates, diverged)
    left = list(candidates.tasks)
    found = []
    while left:
        n_tasks = min(candidates.max_group_size, len(left))
        while n_tasks > 1 and _is_unusable(candidates.find(left[:n_tasks]), diverged):
            n_tasks -= 1
        network = candidates.find(left[:n_tasks])
        if network is not None and network.key not in diverged:
            found.append(network)
        left = left[n_tasks:]
    return tuple(found)


def _is_unusable(network: Network | None, diverged: Collection[NetworkKey]) -> bool:
    return network is None or network.key in diverged


def _cover_listed(candidates: Candidates, diverged: Collection[NetworkKey]) -> tuple[Network, ...]:
    column = {task: t for t, task in enumerate(candidates.tasks)}
    usable = [n for n in candidates.require_listed() if n.key not in diverged]
    usable.sort(key=lambda n: (n.size != 1, len(n.group), sorted(column[task] for task in n.group)))
    member = np.array([[task in n.group for task in column] for n in usable], dtype=np.bool_)
    member = member.reshape(len(usable), len(column))
    is_full = np.array([n.size == 1 for n in usable], dtype=np.bool_)
    left = np.ones(len(column), dtype=np.bool_)
    found = []
    while len(usable):
        new = (member & left).sum(axis=1)
        if not new.any():
            break
        if (new * is_full).any():
            new = new * is_full
        best = int(new.argmax())  # the first of equals, and they are sorted by size of the group
        found.append(usable[best])
        left &= ~member[best]
    return tuple(found)


def random_networks(candidates: Candidates, seed: int) -> Iterator[Network]:
    """Yield every candidate once, in random order; each is equally likely to be the next.

    Candidates that are not listed are drawn one by one and never held all at once. Reading a large share of
    them takes ever longer per candidate, since repeated draws are skipped. Where tasks are kept apart, so
    that fewer are candidates than their rules count, the draw ends after `MOST_MISSED` without a new one.

    Args:
        candidates: listed or described.
        seed: seed of the order.
    """
    draw = random.Random(f"random networks {seed}")
    if candidates.networks is not None:
        order = sorted(candidates.networks, key=lambda network: network.sort_key)
        draw.shuffle(order)
        yield from order
        return
    shapes = count_candidate_shapes(candidates)
    n_candidates = candidates.count
    seen = set[NetworkKey]()
    n_missed = 0
    while len(seen) < n_candidates and n_missed < MOST_MISSED:
        n_tasks, size = _draw_shape(shapes, draw)
        network = candidates.find(draw.sample(candidates.tasks, n_tasks), size)
        n_missed += 1
        if network is not None and network.key not in seen:
            n_missed = 0
            seen.add(network.key)
            yield network


def _draw_shape(shapes: Mapping[tuple[int, float], int], draw: random.Random) -> tuple[int, float]:
    """Draw a number of tasks and a size, by how many candidates have them, in whole numbers."""
    at = draw.randrange(sum(shapes.values()))
    for shape, count in shapes.items():
        if at < count:
            return shape
        at -= count
    raise AssertionError("unreachable")
