"""Deadlines of the solver: times of `time.monotonic`, None for none."""

from __future__ import annotations

import time


def is_past(deadline: float | None) -> bool:
    """Return whether a deadline has passed."""
    return deadline is not None and time.monotonic() > deadline


def left_s(deadline: float | None, at_least: float = 0.01) -> float | None:
    """Return the wall time left until a deadline, at least what is said; None without one."""
    return None if deadline is None else max(at_least, deadline - time.monotonic())
