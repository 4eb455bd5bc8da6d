"""Which tasks share a branch of each stage, from the affinities of the tasks: see `adaptive_widening`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

Branching = tuple[tuple[int, ...], ...]
"""By stage, from the inputs up, the branch that serves each task. Who shares a stage shares those below."""
Matrix = Sequence[Sequence[float]]
"""``[n, n]``, symmetric; higher is more alike."""
Blocks = tuple[tuple[int, ...], ...]

MAX_LISTED = 10_000
"""So many divisions are compared with each other; where there are more, blocks are merged one by one."""


def branch_counts(last: int, n_stages: int, n_tasks: int) -> tuple[int, ...]:
    """Branches of each stage: `last` at the last one, at most one per task; at each below half."""
    counts = [min(last, n_tasks)]
    for _ in range(n_stages - 1):
        counts.append((counts[-1] + 1) // 2)
    return tuple(reversed(counts))


def divide(affinity: Matrix, counts: Sequence[int]) -> Branching:
    """Divide the tasks at the last stage, what shares a branch of it at the stage below, and so on.

    Args:
        affinity: of the `T` tasks.
        counts: branches of each stage, from the inputs up: at most `T`, and no stage more than that above.
    """
    groups: Blocks = tuple((task,) for task in range(len(affinity)))
    stages = []
    for count in reversed(counts):
        between = [[group_affinity(affinity, one, other) for other in groups] for one in groups]
        blocks = least_separated(between, count)
        # By their first task, so that the numbers of the branches do not depend on the search.
        groups = tuple(sorted(tuple(sorted(t for g in block for t in groups[g])) for block in blocks))
        serves = {task: number for number, group in enumerate(groups) for task in group}
        stages.append(tuple(serves[task] for task in range(len(affinity))))
    return tuple(reversed(stages))


def group_affinity(affinity: Matrix, one: Sequence[int], other: Sequence[int]) -> float:
    """Of two groups of tasks: what a task has in common with the least alike of the others, on average."""
    there = sum(min(affinity[i][j] for j in other) for i in one) / len(one)
    back = sum(min(affinity[i][j] for i in one) for j in other) / len(other)
    return (there + back) / 2


def separation(affinity: Matrix, blocks: Blocks) -> float:
    """How unlike those are that share a block, 0 for alike: the mean over blocks of 1 - the mean affinity."""
    within = [sum(affinity[i][j] for i in block for j in block) / len(block) ** 2 for block in blocks]
    return 1.0 - sum(within) / len(blocks)


def least_separated(affinity: Matrix, n_blocks: int) -> Blocks:
    """The division into that many blocks with the least separation; the first one listed of equals."""
    n = len(affinity)
    if count_partitions(n, n_blocks) <= MAX_LISTED:
        return min(list_partitions(n, n_blocks), key=lambda blocks: separation(affinity, blocks))
    blocks: Blocks = tuple((i,) for i in range(n))
    while len(blocks) > n_blocks:
        merged = (_merge(blocks, a, b) for a, b in combinations(range(len(blocks)), 2))
        blocks = min(merged, key=lambda blocks: separation(affinity, blocks))
    return blocks


def list_partitions(n: int, n_blocks: int) -> Iterator[Blocks]:
    """Every division of 0 .. n - 1 into that many blocks, none empty, each once."""
    if n_blocks == 0 or n < n_blocks:
        if n == n_blocks:
            yield ()
        return
    for blocks in list_partitions(n - 1, n_blocks - 1):
        yield (*blocks, (n - 1,))
    for blocks in list_partitions(n - 1, n_blocks):
        for k, block in enumerate(blocks):
            yield (*blocks[:k], (*block, n - 1), *blocks[k + 1 :])


def count_partitions(n: int, n_blocks: int) -> int:
    """How many divisions there are: a Stirling number of the second kind."""
    row = [1] + [0] * n_blocks
    for _ in range(n):
        row = [0] + [k * row[k] + row[k - 1] for k in range(1, n_blocks + 1)]
    return row[n_blocks]


def _merge(blocks: Blocks, a: int, b: int) -> Blocks:
    rest = tuple(block for k, block in enumerate(blocks) if k not in (a, b))
    return ((*blocks[a], *blocks[b]), *rest)
