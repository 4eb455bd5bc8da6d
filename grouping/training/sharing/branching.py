"""Division of the tasks among the branches of each stage, by their affinities: see `adaptive_widening`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

Branching = tuple[tuple[int, ...], ...]
"""By stage, from the inputs up, the branch that serves each task. Who shares a stage shares those below."""
Matrix = Sequence[Sequence[float]]
"""``[n, n]``, symmetric; higher is more alike."""
Blocks = tuple[tuple[int, ...], ...]

MAX_LISTED_PARTITIONS = 10_000
"""So many divisions are compared with each other; where there are more, blocks are merged one by one."""


def branch_counts(last: int, n_stages: int, n_tasks: int) -> tuple[int, ...]:
    """Return the branches of each stage: `last` at the last, at most one per task; half at each below."""
    counts = [min(last, n_tasks)]
    for _ in range(n_stages - 1):
        counts.append((counts[-1] + 1) // 2)
    return tuple(reversed(counts))


def divide(affinity: Matrix, counts: Sequence[int]) -> Branching:
    """Divide the tasks at the last stage, then its branches at the stage below, and so on.

    Args:
        affinity: affinities of the `T` tasks, ``[T, T]``.
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
    """Compute the mean over two groups of a task's affinity with the least alike task of the other."""
    there = sum(min(affinity[i][j] for j in other) for i in one) / len(one)
    back = sum(min(affinity[i][j] for i in one) for j in other) / len(other)
    return (there + back) / 2


def separation(affinity: Matrix, blocks: Blocks) -> float:
    """Compute how unlike tasks of a block are, 0 for alike: the mean of 1 - the mean affinity."""
    within = [sum(affinity[i][j] for i in block for j in block) / len(block) ** 2 for block in blocks]
    return 1.0 - sum(within) / len(blocks)


def least_separated(affinity: Matrix, n_blocks: int) -> Blocks:
    """Find the division into that many blocks with the least separation; the first of equals."""
    n = len(affinity)
    if count_partitions(n, n_blocks) <= MAX_LISTED_PARTITIONS:
        return min(list_partitions(n, n_blocks), key=lambda blocks: separation(affinity, blocks))
    blocks: Blocks = tuple((i,) for i in range(n))
    while len(blocks) > n_blocks:
        merged = (_merge(blocks, a, b) for a, b in combinations(range(len(blocks)), 2))
        blocks = min(merged, key=lambda blocks: separation(affinity, blocks))
    return blocks


def list_partitions(n: int, n_blocks: int) -> Iterator[Blocks]:
    """Yield every division of 0 .. n - 1 into that many non-empty blocks, each once."""
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
    """Count the divisions into blocks: a Stirling number of the second kind."""
    row = [1] + [0] * n_blocks
    for _ in range(n):
        row = [0] + [k * row[k] + row[k - 1] for k in range(1, n_blocks + 1)]
    return row[n_blocks]


def _merge(blocks: Blocks, a: int, b: int) -> Blocks:
    rest = tuple(block for k, block in enumerate(blocks) if k not in (a, b))
    return ((*blocks[a], *blocks[b]), *rest)
