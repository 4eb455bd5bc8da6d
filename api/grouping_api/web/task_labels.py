"""Short labels of tasks, where whole names leave no room for what is told of the tasks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from grouping.domain.networks import Network
from grouping.plots.svg import shortened

MOST_CHARACTERS = 14
"""Most characters of a label, but for the number that tells two of them apart."""
MOST_ALONE = 24
"""The same for a task that stands alone."""
MOST_NAMED = 3
"""Most tasks of a network that its short name names."""
_END_OF_WORD = re.compile(r"[_\-. /:]")


def short_labels(tasks: Sequence[str], most: int = MOST_CHARACTERS) -> Mapping[str, str]:
    """Return a label for each task: different for different tasks, and short.

    Words that all names begin with are left out, such as ``attribute_`` of ``attribute_young``. A label that
    is still too long is cut; those that are then the same get the place of their task as a number.

    Args:
        tasks: names of the tasks, in display order.
        most: most characters of a label before such a number.
    """
    return _labels(tuple(tasks), most)


@lru_cache(maxsize=32)
def _labels(tasks: tuple[str, ...], most: int) -> Mapping[str, str]:
    start = _common_start(tasks)
    cut = [shortened(name[start:], most) for name in tasks]
    counted = Counter(cut)
    return {
        name: label if counted[label] == 1 else f"{label} {place}"
        for place, (name, label) in enumerate(zip(tasks, cut, strict=True), 1)
    }


def short_network_name(network: Network, tasks: Sequence[str]) -> str:
    """Return a short name of a network: the labels of its first tasks, how many more it has, and its size.

    Args:
        network: the network.
        tasks: names of all tasks, in display order.
    """
    members = [task for task in tasks if task in network.group]
    size = "" if network.size == 1 else f" @{network.size:g}"
    if len(members) == len(tasks) > MOST_NAMED:
        return f"all {len(tasks)} tasks{size}"
    labels = short_labels(tasks, MOST_CHARACTERS if len(members) > 1 else MOST_ALONE)
    named = members if len(members) <= MOST_NAMED + 1 else members[:MOST_NAMED]
    more = "" if len(named) == len(members) else f" + {len(members) - len(named)} more"
    return " + ".join(labels[task] for task in named) + more + size


def _common_start(tasks: Sequence[str]) -> int:
    """Return the length of the words that all names begin with; every name has more than them."""
    if len(tasks) < 2:
        return 0
    first, last = min(tasks), max(tasks)  # what these two begin with, all begin with
    shortest = min(map(len, tasks))
    ends = (match.end() for match in _END_OF_WORD.finditer(first, 0, shortest - 1))
    return max((end for end in ends if last.startswith(first[:end])), default=0)
