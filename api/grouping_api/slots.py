"""Places that requests take and wait for without a thread, in the order in which they came."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress


class Slots:
    """So many places; safe to use from several event loops.

    Args:
        n_slots: the number of places.
    """

    def __init__(self, n_slots: int) -> None:
        self._free = n_slots
        self._lock = threading.Lock()
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> asyncio.Future[None]:
        """Queue up for a place; the future is done once it is there. Give it back in any case."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._free:
                self._free -= 1
                turn.set_result(None)
            else:
                self._waiting.append(turn)
        return turn

    def give_back(self, turn: asyncio.Future[None]) -> None:
        """Give a place back, or leave the queue."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return
            while self._waiting:
                following = self._waiting.popleft()
                with suppress(RuntimeError):  # the loop of that request is closed: it waits no more
                    following.get_loop().call_soon_threadsafe(_set, following)
                    return
            self._free += 1


def _set(turn: asyncio.Future[None]) -> None:
    if not turn.done():  # else it was cancelled, and the place comes back
        turn.set_result(None)
