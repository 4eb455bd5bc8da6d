"""Waiting on a machine that may be busy: limits are for an idle one, and grow with what else wants to run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable


def slowness() -> float:
    """How many times longer than alone a process takes now: processes that want to run, per processor."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_for(condition: Callable[[], bool], what: str, idle_s: float = 60.0) -> None:
    """Poll until the condition holds.

    Args:
        condition: what is waited for.
        what: the same in words.
        idle_s: the longest it may take on an idle machine.

    Raises:
        AssertionError: if it does not in time.
    """
    left_s, before = idle_s, time.monotonic()
    while not condition():
        now = time.monotonic()
        left_s -= (now - before) / slowness()
        before = now
        assert left_s > 0, f"{what} did not happen within {idle_s:g} s of an idle machine"
        time.sleep(0.05)
