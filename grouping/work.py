"""Work that is done for one caller: it has an end, and is given up when nobody waits for it any more.

Whoever takes a request begins a `Work` and makes it the `current` one; what is called below asks it how much
time is left, and tells it how to end a process that it waits for.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class GivenUpError(Exception):
    """The work was given up: nobody waits for its result, which is not there. Nothing was written."""


class Work:
    """Work for one caller; safe to use from any thread.

    Args:
        limit_s: wall time from now after which it should have ended.
    """

    def __init__(self, limit_s: float = math.inf) -> None:
        self.limit_s = limit_s
        self._end_s = time.monotonic() + limit_s
        self._lock = threading.Lock()
        self._is_given_up = False
        self._refusal: Exception | None = None
        self._kills: list[Callable[[], None]] = []

    @property
    def left_s(self) -> float:
        """Wall time that is left, not negative."""
        return max(0.0, self._end_s - time.monotonic())

    @property
    def is_given_up(self) -> bool:
        """Whether it was given up."""
        return self._is_given_up

    def begin(self, limit_s: float) -> None:
        """Count the time from now on: what it waited for has come."""
        self.limit_s = limit_s
        self._end_s = time.monotonic() + limit_s

    def refuse(self, why: Exception) -> None:
        """Note that there is no time or place for it; `check` raises `why` from now on."""
        self._refusal = why

    def check(self) -> None:
        """Stop here if the work was given up or refused.

        Raises:
            GivenUpError: if it was given up.
            Exception: the one that it was refused with.
        """
        if self._is_given_up:
            raise GivenUpError
        if self._refusal is not None:
            raise self._refusal

    def give_up(self) -> None:
        """Give the work up, and end the processes that it waits for."""
        with self._lock:
            self._is_given_up = True
            kills, self._kills = self._kills, []
        for kill in kills:
            kill()

    @contextmanager
    def ending_with(self, kill: Callable[[], None]) -> Iterator[None]:
        """Have `kill` called if the work is given up within the block.

        Raises:
            GivenUpError: in place of whatever is raised within the block, if it was.
        """
        with self._lock:
            self.check()
            self._kills.append(kill)
        try:
            yield
        except Exception:
            self.check()
            raise
        finally:
            with self._lock:
                if kill in self._kills:
                    self._kills.remove(kill)
        self.check()

    @contextmanager
    def as_current(self) -> Iterator[None]:
        """Make this the current work of this thread or task within the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Work | None] = ContextVar("work", default=None)


def current_work() -> Work:
    """Return the work of the current request; where there is none, work without an end."""
    return _current.get() or Work()


def find_work() -> Work | None:
    """Return the work of the current request, or None."""
    return _current.get()
