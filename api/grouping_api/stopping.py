"""Notification of open streams that the server is about to stop.

A server waits for open answers before it tells the application that it stops, and a stream of events would
keep it waiting for ever. So the application listens to the signals itself, before the server's own handler.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals(stopping: asyncio.Event) -> Iterator[None]:
    """Set `stopping` on SIGINT and SIGTERM, then call the handlers that were there before.

    Outside the main thread signals cannot be handled; only the caller sets the event then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        before = previous[signal.Signals(number)]
        if callable(before):
            before(number, frame)

    watched = [number for number in _SIGNALS if callable(previous[number])]
    for number in watched:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in watched:
            if signal.getsignal(number) is handle:
                signal.signal(number, previous[number])
