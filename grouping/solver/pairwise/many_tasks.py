"""Groups of hundreds of tasks under a pairwise estimate: moves of single tasks, and a bound by shares.

With so many tasks neither all pairs nor a proof that no group is missing can be afforded. Groups begin as the
clusters of average linkage on the pairs (Sokal and Michener, 1958). Then one task at a time joins a group,
leaves one, or moves from one to another, as long as the total falls: for a group of s tasks with sums
``a[i] = sum over j in it of P[i, j]`` and rest[i] the least loss of task i elsewhere, what they pay after t
has joined is

    sum over i in the group of min(rest[i], (a[i] + P[i, t]) / s)  +  min(rest[t], a[t] / s)

and likewise after t has left. So a task may be in several groups, in some only to help others.

The bound: in a group of s tasks no task does better than with its s - 1 best partners, and of the price of
the group each pays an s-th. For any price p of an SNT every grouping costs at least

    sum over i of min(best[i, s] + p c / s over sizes s, L[n, i] + p c[n] over singles n)  -  p budget,

which is concave in p.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import is_past
from grouping.solver.exact.instance import PRECISION, BoolArray, IntArray
from grouping.solver.pairwise.arrays import PairArrays
from grouping.solver.pairwise.group_search import GroupSearch

_LEAST_GAIN = 1e-9
_STEPS = 60
_LEFT_OUT = 0.2


def bound_by_shares(
    best: FloatArray, arrays: PairArrays, group_cost: float, single_costs: FloatArray, limit: float
) -> float:
    """Bound the scaled loss of any grouping within a limit; infinite where a task can have no network.

    Args:
        best: ``[N, sizes]``: least loss of a task in a group of 2, 3, ... tasks; infinite where none.
        arrays: the scaled estimate.
        group_cost: what a group uses of the limit.
        single_costs: the same of each single.
        limit: the most that the grouping may use.

    Returns:
        A lower bound; greater than the number of tasks where there is no grouping.
    """
    shares = group_cost / np.arange(2.0, best.shape[1] + 2.0)
    enough = len(best) + 1.0

    def value(price: float) -> float:
        least = (best + price * shares).min(axis=1, initial=np.inf)
        alone = (arrays.single_losses + price * single_costs[:, None]).min(axis=0, initial=np.inf)
        return float(np.minimum(least, alone).sum() - price * limit)

    low, high = 0.0, 1.0 / max(limit, 1e-300)
    while enough > value(2.0 * high) > value(high):
        high *= 2.0
    high *= 2.0
    for _ in range(_STEPS):  # concave: the better of two prices is on the side of the best
        one, other = low + (high - low) / 3.0, high - (high - low) / 3.0
        low, high = (low, other) if value(one) >= value(other) else (one, high)
    return max(0.0, value(low), value(high)) - PRECISION  # what summation may have added


def clusters(search: GroupSearch, n_groups: int) -> BoolArray:
    """Divide the tasks into groups by average linkage, ``[groups, N]``, as far as they are allowed.

    A task that must not join its cluster, or finds it full, joins the group in which it adds least.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    n = search.n_tasks
    near = (search.finite_pairs + search.finite_pairs.T) / 2.0
    np.fill_diagonal(near, 0.0)
    labels = fcluster(linkage(squareform(near, checks=False), "average"), n_groups, "maxclust") - 1
    members = np.zeros((n_groups, n), dtype=np.bool_)
    order = np.argsort(-search.is_apart.sum(axis=1), kind="stable")
    for t in order.tolist():
        is_open = (members.sum(axis=1) < search.max_size) & ~(members & search.is_apart[t]).any(axis=1)
        if not is_open.any():
            continue
        means = (members @ near[t]) / np.maximum(1, members.sum(axis=1))
        wanted = int(labels[t])
        members[wanted if is_open[wanted] else int(np.argmin(np.where(is_open, means, np.inf))), t] = True
    for g in np.flatnonzero(members.sum(axis=1) == 1).tolist():  # a group has two tasks at least
        t = int(np.argmax(members[g]))
        partners = np.where(search.is_apart[t] | members[g], np.inf, search.finite_pairs[t])
        if np.isfinite(partners).any():
            members[g, int(np.argmin(partners))] = True
    groups: BoolArray = members[members.sum(axis=1) >= 2]
    return groups


def without_some(members: BoolArray, generator: np.random.Generator) -> BoolArray:
    """Leave out a part of the tasks of each group by lot; two at least stay in each."""
    thinned = members & (generator.random(members.shape) >= _LEFT_OUT)
    thinned[thinned.sum(axis=1) < 2] = members[thinned.sum(axis=1) < 2]
    return thinned


def moved(search: GroupSearch, members: BoolArray, alone: FloatArray, deadline: float | None) -> BoolArray:
    """Let tasks join, leave and change groups as long as the total loss falls.

    Args:
        search: the estimate, with what groups are allowed.
        members: ``[groups, N]`` to begin with, two tasks or more in each.
        alone: ``[N]`` loss of each task in a network of its own, if it has one; else a great number.
        deadline: a time of `time.monotonic`.
    """
    members = members.copy()
    total = _total(search, members, alone)
    while len(members) and not is_past(deadline):
        before = total
        touched = np.zeros(len(members), dtype=np.bool_)
        for t, source, target in _moves(search, members, alone):
            groups = [g for g in (source, target) if g >= 0]
            if touched[groups].any():
                continue
            changed = members.copy()
            changed[groups, t] ^= True
            new = _total(search, changed, alone)
            if new < total - _LEAST_GAIN:
                members, total = changed, new
                touched[groups] = True
        if total >= before - _LEAST_GAIN:
            break
    return members


def _moves(search: GroupSearch, members: BoolArray, alone: FloatArray) -> Iterator[tuple[int, int, int]]:
    """Yield moves that seem to lower the total, best first: a task, the group it leaves, the one it joins."""
    losses = np.vstack([search.losses(members), alone[None, :]])
    n_groups, n = members.shape
    two = np.sort(losses, axis=0)[:2]
    server = losses.argmin(axis=0)
    joins, leaves = np.full((n_groups, n), np.inf), np.full((n_groups, n), np.inf)
    own = np.full((n_groups, n), np.inf)
    for g in range(n_groups):
        inside = np.flatnonzero(members[g])
        size = inside.size
        rest = np.where(server == g, two[1], two[0])
        sums = search.finite_pairs[:, inside].sum(axis=1)
        paid = np.minimum(rest[inside], losses[g, inside]).sum()
        if size < search.max_size:
            outside = np.flatnonzero(~members[g] & ~search.is_apart[:, inside].any(axis=1))
            with_it = (sums[inside, None] + search.finite_pairs[np.ix_(inside, outside)]) / size
            joins[g, outside] = np.minimum(rest[inside, None], with_it).sum(axis=0) - paid
            own[g, outside] = sums[outside] / size
        if size > 2:
            without = (sums[inside, None] - search.finite_pairs[np.ix_(inside, inside)]) / (size - 2)
            pays = np.minimum(rest[inside, None], without)
            np.fill_diagonal(pays, 0.0)
            leaves[g, inside] = pays.sum(axis=0) - (paid - np.minimum(rest, losses[g])[inside])
    found: list[tuple[float, int, int, int]] = []

    def note(change: FloatArray, source: int, targets: IntArray) -> None:
        falls = np.flatnonzero(change < -_LEAST_GAIN).tolist()
        found.extend((float(change[t]), t, source, int(targets[t])) for t in falls)

    every, nowhere = np.arange(n), np.full(n, -1)
    for g in range(-1, n_groups):  # -1: the task leaves no group
        rest = np.where(server == g, two[1], two[0])
        leave = np.zeros(n) if g < 0 else leaves[g]
        after = joins + np.minimum(own, rest)
        targets = np.argmin(after, axis=0)
        note(leave + after[targets, every] - two[0], g, targets)
        note(leave + rest - two[0], g, nowhere)
    for _, t, source, target in sorted(found):
        yield t, source, target


def _total(search: GroupSearch, members: BoolArray, alone: FloatArray) -> float:
    least = search.losses(members).min(axis=0, initial=np.inf)
    return float(np.minimum(least, alone).sum())


def numbers_of_groups(most: int) -> IntArray:
    """Return the numbers of groups that are tried: all that the limits allow, and fewer beside singles."""
    parts = np.array([1.0, 0.9, 0.75, 0.5, 0.25, 0.0])
    return np.unique(np.maximum(1, np.round(most * parts)).astype(np.int64))[::-1]
