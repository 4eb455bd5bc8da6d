"""What this machine has: processors and memory, within the limits of the container that runs here."""

from __future__ import annotations

import os
from pathlib import Path

LIMIT_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux tells the most memory of a container, by version 2 and version 1 of its control groups."""


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Return the main memory of this machine or container; None where it cannot be told."""
    try:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # not on every system
        found = []
    for file in LIMIT_FILES:
        try:
            found.append(int(file.read_text()))
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    return min(found, default=None)
