"""Good groupings under draws of the weights of the `effect_model` beside this module, without candidates.

Where losses are linear in the partners, what a group of tasks loses together is

    sum over its tasks t of  own[t, k]  +  k^-q  sum over its pairs of  (w[t, u] + w[u, t])

so that to merge two groups, or to move one task, changes a number that is known from sums over groups. The
search starts from single tasks and merges the two groups that lose least by it, until as few are left as the
budget pays; then tasks move one after another while that lowers the total. At last every group takes in tasks
that it does not serve but that help those it serves, and every task is served where its loss is least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.score_table import FloatArray
from grouping.strategies.adaptive.effect_model import divisors

LEAST_GAIN = 1e-9
HELPING_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class DrawnLosses:
    """Losses of full-size networks under one draw.

    Attributes:
        own: ``[T, T]``, weighted loss of each task beside k partners without what they do, k from 0.
        effects: ``[T, T]``, weighted effect of a source (second) on a target (first); 0 on the diagonal.
        power: of the number of partners that divides the sum of the effects.
        largest: most tasks in a group.
    """

    own: FloatArray = field(repr=False)
    effects: FloatArray = field(repr=False)
    power: float
    largest: int

    @property
    def share(self) -> FloatArray:
        """``[T]``: what the sum of the effects is multiplied by beside k partners."""
        return divisors(np.arange(len(self.own)), self.power)

    def losses(self, member: NDArray[np.bool_]) -> FloatArray:
        """Compute ``[K, T]`` losses of groups; infinite outside."""
        k = np.maximum(member.sum(axis=1) - 1, 0)
        inside = self.own[:, k].T + self.share[k][:, None] * (member @ self.effects.T)
        losses: FloatArray = np.where(member, inside, np.inf)
        return losses


def merged(drawn: DrawnLosses, numbers: Sequence[int]) -> dict[int, NDArray[np.int64]]:
    """Merge single tasks into groups; return ``[T]`` labels for each number of groups, as few as possible."""
    n_tasks = len(drawn.own)
    pairs = drawn.effects + drawn.effects.T
    own, within = drawn.own.copy(), np.zeros(n_tasks)
    count = np.ones(n_tasks, dtype=np.int64)
    labels = np.arange(n_tasks)
    value = own[:, 0].copy()
    alive = np.ones(n_tasks, dtype=np.bool_)
    share = drawn.share

    def changes(g: int) -> FloatArray:
        """Return what merging g with every other group changes."""
        k = np.minimum(count[g] + count - 1, n_tasks - 1)
        together = own[g, k] + own[np.arange(n_tasks), k] + share[k] * (within[g] + within + pairs[g])
        change = together - value[g] - value
        change[~alive | (count + count[g] > drawn.largest)] = np.inf
        change[g] = np.inf
        result: FloatArray = change
        return result

    table = np.array([changes(g) for g in range(n_tasks)])
    found: dict[int, NDArray[np.int64]] = {}
    for n_groups in range(n_tasks, 0, -1):
        if n_groups in numbers:
            found[n_groups] = np.unique(labels, return_inverse=True)[1]
        if n_groups <= min(numbers):
            break
        g, h = divmod(int(table.argmin()), n_tasks)
        if not np.isfinite(table[g, h]):
            break
        within[g] += within[h] + pairs[g, h]
        own[g] += own[h]
        count[g] += count[h]
        value[g] = own[g, count[g] - 1] + share[count[g] - 1] * within[g]
        pairs[g] += pairs[h]
        pairs[:, g] += pairs[:, h]
        labels[labels == h] = g
        alive[h] = False
        table[h] = table[:, h] = np.inf
        table[g] = table[:, g] = changes(g)
    for number in set(numbers) - set(found):
        found[number] = _packed(labels, min(number, n_tasks), drawn.largest)
    return found


def _packed(labels: NDArray[np.int64], number: int, largest: int) -> NDArray[np.int64]:
    """Return labels of at most this many groups, if there is room; tasks of like labels stay together."""
    order = np.argsort(labels, kind="stable")
    size = min(largest, -(-len(labels) // number))
    packed = np.empty_like(labels)
    packed[order] = np.arange(len(labels)) // size
    return packed


def moved(drawn: DrawnLosses, labels: NDArray[np.int64], n_groups: int) -> NDArray[np.int64]:
    """Move single tasks between groups while that lowers the total loss; return ``[T]`` labels."""
    n_tasks, share = len(drawn.own), drawn.share
    labels, every = labels.copy(), np.arange(n_tasks)
    pairs = drawn.effects + drawn.effects.T
    inside = np.eye(n_groups)[labels]
    to_group = pairs @ inside
    count = inside.sum(axis=0).astype(np.int64)
    own = inside.T @ drawn.own
    within = np.einsum("tg,tg->g", to_group, inside) / 2.0

    def change(g: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """Return what adding each task to these groups, or taking it out, changes; ``[T, G]``."""
        k = count[g] - 1
        now = np.where(count[g] > 0, own[g, np.maximum(k, 0)] + share[np.maximum(k, 0)] * within[g], 0.0)
        more = np.minimum(k + 1, n_tasks - 1)
        added = own[g, more] + drawn.own[:, more] + share[more] * (within[g] + to_group[:, g])
        less = np.maximum(k - 1, 0)
        taken = own[g, less] - drawn.own[:, less] + share[less] * (within[g] - to_group[:, g])
        taken = np.where(k >= 1, taken, 0.0)
        return np.where(count[g] < drawn.largest, added - now, np.inf), taken - now

    groups = np.arange(n_groups)
    add, take = change(groups)
    for _ in range(10 * n_tasks):
        table = add + take[every, labels][:, None]
        table[every, labels] = 0.0
        t, g = divmod(int(table.argmin()), n_groups)
        if table[t, g] > -LEAST_GAIN:
            break
        h = int(labels[t])
        within[g] += to_group[t, g]
        within[h] -= to_group[t, h]
        to_group[:, g] += pairs[:, t]
        to_group[:, h] -= pairs[:, t]
        own[g] += drawn.own[t]
        own[h] -= drawn.own[t]
        count[g] += 1
        count[h] -= 1
        labels[t] = g
        both = np.array([g, h])
        add[:, both], take[:, both] = change(both)
    return labels


def helped(drawn: DrawnLosses, labels: NDArray[np.int64], n_groups: int) -> NDArray[np.bool_]:
    """Let groups take in tasks that help those they serve, and serve tasks where that costs least.

    Returns:
        ``[K, T]``, groups; none is empty.
    """
    n_tasks = len(drawn.own)
    server = labels
    best, total = np.zeros((0, n_tasks), dtype=np.bool_), np.inf
    for _ in range(HELPING_ROUNDS):
        member = np.zeros((n_groups, n_tasks), dtype=np.bool_)
        harm = np.zeros((n_groups, n_tasks))
        for g in range(n_groups):
            served = server == g
            if served.any():
                harm[g] = drawn.effects[served].sum(axis=0)
                member[g] = served | _helpers(drawn, served, harm[g])
        losses = drawn.losses(member)
        new = float(losses.min(axis=0).sum())
        if new >= total - LEAST_GAIN:
            break
        best, total = member, new
        k = member.sum(axis=1)
        joined = np.minimum(k, n_tasks - 1)
        cost = drawn.own[:, joined].T + drawn.share[joined][:, None] * (member @ drawn.effects.T + harm)
        cost[(k == 0) | (k >= drawn.largest)] = np.inf
        server = np.where(member, losses, cost).argmin(axis=0)
        sizes = np.bincount(server, minlength=n_groups)
        if (sizes > drawn.largest).any():
            break
    return best[best.any(axis=1)]


def _helpers(drawn: DrawnLosses, served: NDArray[np.bool_], effect: FloatArray) -> NDArray[np.bool_]:
    """Return ``[T]``: the tasks by which the loss of those served is least, given their effects on them."""
    own = drawn.own[served]
    within = float(effect[served].sum())
    order = np.argsort(np.where(served, np.inf, effect), kind="stable")
    most = max(min(drawn.largest, len(effect)) - len(own), 0)
    k = len(own) - 1 + np.arange(most + 1)
    sums = within + np.concatenate([[0.0], np.cumsum(effect[order[:most]])])
    number = int((own[:, k].sum(axis=0) + drawn.share[k] * sums).argmin())
    chosen = np.zeros(len(effect), dtype=np.bool_)
    chosen[order[:number]] = True
    return chosen


def best_groups(
    drawn: DrawnLosses, numbers: Sequence[int], generator: np.random.Generator
) -> dict[int, NDArray[np.bool_]]:
    """Return good groups ``[K, T]`` for each number of them, from merged tasks or a random start."""
    found = {}
    for number, labels in merged(drawn, numbers).items():
        shuffled = generator.permutation(np.arange(len(labels)) % number)
        starts = (moved(drawn, labels, number), shuffled)
        made = [helped(drawn, start, number) for start in starts]
        found[number] = min(made, key=lambda member: float(drawn.losses(member).min(axis=0).sum()))
    return found
