"""Deadlines of the solver: times of `time.monotonic`, None for none."""

from __future__ import annotations

import time


def is_past(deadline: float | None) -> bool:
    """Return whether a deadline has passed."""
    return deadline is not None and time.monotonic() > deadline


def left_s(deadline: float | None, at_least: float = 0.01) -> float | None:
    """Return the wall time left until a deadline, at least what is said; None without one."""
    return None if deadline is None else max(at_least, deadline - time.monotonic())


def share_s(deadline: float | None, n_left: int) -> float | None:
    """Return the wall time of the next of several solves that share what is left; None without a deadline."""
    left = left_s(deadline)
    return None if left is None else left / max(1, n_left)


def deadline_in(limit_s: float | None) -> float | None:
    """Return the deadline after a wall time from now; None for none."""
    return None if limit_s is None else time.monotonic() + limit_s
