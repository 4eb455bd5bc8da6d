"""Short labels of tasks, where whole names leave no room for what is told of the tasks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from grouping.plots.svg import shortened

MOST_CHARACTERS = 14
"""Most characters of a label, but for the number that tells two of them apart."""
_END_OF_WORD = re.compile(r"[_\-. /:]")


def short_labels(tasks: Sequence[str], most: int = MOST_CHARACTERS) -> dict[str, str]:
    """Return a label for each task: different for different tasks, and short.

    Words that all names begin with are left out, such as ``attribute_`` of ``attribute_young``. A label that
    is still too long is cut; those that are then the same get the place of their task as a number.

    Args:
        tasks: names of the tasks, in display order.
        most: most characters of a label before such a number.
    """
    start = _common_start(tasks)
    cut = [shortened(name[start:], most) for name in tasks]
    counted = Counter(cut)
    return {
        name: label if counted[label] == 1 else f"{label} {place}"
        for place, (name, label) in enumerate(zip(tasks, cut, strict=True), 1)
    }


def _common_start(tasks: Sequence[str]) -> int:
    """Return the length of the words that all names begin with; every name has more than them."""
    if len(tasks) < 2:
        return 0
    first, last = min(tasks), max(tasks)  # what these two begin with, all begin with
    shortest = min(map(len, tasks))
    ends = (match.end() for match in _END_OF_WORD.finditer(first, 0, shortest - 1))
    return max((end for end in ends if last.startswith(first[:end])), default=0)
