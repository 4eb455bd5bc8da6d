"""Partitions of the tasks from an affinity matrix, made to fit an inference budget.

A clustering method says which tasks belong together; a budget says how many networks there may be, and the
candidates say which groups may be trained at all. This module brings the three together, the same way for
every method: groups are merged until they are few enough, and a group that may not be trained gives tasks
away. Each group stands for one full-size network; smaller networks of single tasks are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.costs import fits
from grouping.domain.tables.score_table import FloatArray

Groups = tuple[tuple[int, ...], ...]
"""A partition of the tasks by their positions: largest group first, equal ones by their first task."""

Clustering = Callable[[FloatArray, int], Groups]
"""A method: mutual affinities ``[T, T]`` (see `mutual_affinity`) and the most groups give a partition."""

CostOf = Callable[[frozenset[str]], float | None]
"""Inference cost of a group's full-size network in SNT; None if that network cannot be had."""

MOVES_PER_TASK = 4
"""A partition that is not repaired after this many moves for each task is given up."""


def mutual_affinity(matrix: AffinityMatrix) -> FloatArray:
    """Compute the mean of the two effects between two tasks, ``[T, T]``, symmetric.

    Where only one effect is measured it stands for both; where none is, the mutual affinity is 0.
    The diagonal is 0. Positive helps.
    """
    effects = np.stack([matrix.values, matrix.values.T])
    known = ~np.isnan(effects)
    mutual: FloatArray = np.where(known, effects, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    np.fill_diagonal(mutual, 0.0)
    return mutual


def ordered(groups: Iterable[Iterable[int]]) -> Groups:
    """Return the same partition in the order of `Groups`, without empty groups."""
    found = [tuple(sorted(group)) for group in groups]
    return tuple(sorted((group for group in found if group), key=lambda group: (-len(group), group)))


def merged(groups: Groups, mutual: FloatArray, n_groups: int) -> Groups:
    """Join the two groups with the highest mean mutual affinity until at most `n_groups` are left."""
    left = list(ordered(groups))
    member = np.zeros((len(left), len(mutual)))
    for n, group in enumerate(left):
        member[n, group] = 1.0
    sums = member @ mutual @ member.T
    while len(left) > max(1, n_groups):
        sizes = np.array([len(group) for group in left], dtype=np.float64)
        means = np.round(sums / np.outer(sizes, sizes), 12)  # rounded, so that equals are equals
        means[np.tril_indices(len(left))] = -np.inf
        i, j = np.unravel_index(int(means.argmax()), means.shape)
        left[i] += left.pop(j)
        sums[i] += sums[j]
        sums[:, i] += sums[:, j]
        sums = np.delete(np.delete(sums, j, axis=0), j, axis=1)
    return ordered(left)


def repaired(
    groups: Groups, mutual: FloatArray, n_groups: int, is_allowed: Callable[[tuple[int, ...]], bool]
) -> Groups | None:
    """Move single tasks until every group is allowed, at the least loss of mutual affinity.

    Each move leaves as few tasks as possible in groups that are not allowed, and among those keeps the most
    affinity within groups. The search is greedy: None does not prove that there is no such partition.

    Args:
        groups: the partition to start from; given back unchanged if all of it is allowed.
        mutual: ``[T, T]``, see `mutual_affinity`.
        n_groups: the most groups there may be.
        is_allowed: whether a group may be trained.
    """
    allowed: dict[tuple[int, ...], bool] = {}

    def n_refused(found: Groups) -> int:
        for group in found:
            if group not in allowed:
                allowed[group] = is_allowed(group)
        return sum(len(group) for group in found if not allowed[group])

    found, seen = groups, {groups}
    for _ in range(MOVES_PER_TASK * len(mutual)):
        if not n_refused(found):
            return found
        refused = [n for n, group in enumerate(found) if not allowed[group]]
        moves = [
            (n_refused(moved), -round(change, 12), moved)
            for change, moved in _moves(found, refused, mutual, n_groups)
            if moved not in seen
        ]
        if not moves:
            return None
        found = min(moves)[2]
        seen.add(found)
    return None if n_refused(found) else found


def _moves(
    groups: Groups, sources: list[int], mutual: FloatArray, n_groups: int
) -> Iterator[tuple[float, Groups]]:
    """Yield partitions in which one task of the `sources` moves to another group or to one of its own.

    With each comes the change of the sum of mutual affinities within groups.
    """
    for source in sources:
        others = [group for n, group in enumerate(groups) if n != source]
        for task in groups[source]:
            rest = tuple(other for other in groups[source] if other != task)
            lost = float(mutual[task, rest].sum()) if rest else 0.0
            for n, group in enumerate(others):
                moved = ordered([rest, *others[:n], (*group, task), *others[n + 1 :]])
                yield float(mutual[task, group].sum()) - lost, moved
            if rest and len(groups) < n_groups:
                yield -lost, ordered([rest, (task,), *others])


def partition_within(
    cluster: Clustering,
    matrix: AffinityMatrix,
    budget_snt: float,
    *,
    cost_of: CostOf = lambda _: 1.0,
    cheapest_snt: float = 1.0,
) -> tuple[frozenset[str], ...] | None:
    """Partition the tasks into groups whose full-size networks cost at most an inference budget.

    The method is asked for as many groups as the budget may hold, then for fewer until they fit.

    Args:
        cluster: the method.
        matrix: affinities of the tasks.
        budget_snt: the inference budget.
        cost_of: cost of a group's network; None for a group that cannot be trained.
        cheapest_snt: no network costs less than this.

    Returns:
        The groups, largest first; None if no partition was found that fits.
    """
    mutual = mutual_affinity(matrix)
    most = len(matrix.tasks)
    while most and not fits(most * cheapest_snt, budget_snt):
        most -= 1

    def named(group: tuple[int, ...]) -> frozenset[str]:
        return frozenset(matrix.tasks[task] for task in group)

    for n_groups in range(most, 0, -1):
        groups = merged(cluster(mutual, n_groups), mutual, n_groups)
        allowed = repaired(groups, mutual, n_groups, lambda group: cost_of(named(group)) is not None)
        if allowed is not None:
            names = tuple(named(group) for group in allowed)
            if fits(sum(cost_of(name) or 0.0 for name in names), budget_snt):
                return names
    return None
