"""Whoever waits for an answer, watched: work for a caller that has gone is given up."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fastapi import Request

from grouping.errors import OverloadedError
from grouping.work import GivenUpError, Work

STOPPING = "The service is about to stop. Ask again when it runs again."
STOPPING_RETRY_S = 5


class Caller:
    """A caller that waits; used in the event loop of its request."""

    def __init__(self) -> None:
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._works: list[Work] = []
        self._is_sent_away = False

    def leave(self, *, is_sent_away: bool = False) -> None:
        """Note that the caller waits no more: it has gone, or the service stops."""
        if not self._end.done():
            self._is_sent_away = is_sent_away
            self._end.set_result(None)
        for work in self._works:
            work.give_up()

    def works(self, work: Work) -> None:
        """Have work given up when the caller leaves."""
        self._works.append(work)
        if self._end.done():
            work.give_up()

    async def until(self, awaited: asyncio.Future[Any], timeout_s: float | None = None) -> bool:
        """Wait for something; return whether it is there within the time.

        Raises:
            OverloadedError: if the service is to stop.
            GivenUpError: if the caller leaves first.
        """
        await asyncio.wait((awaited, self._end), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self._end.done():
            raise self.reason()
        return awaited.done()

    def reason(self) -> Exception:
        """Return why nothing is done for this caller any more."""
        if self._is_sent_away:
            return OverloadedError(STOPPING, retry_after_s=STOPPING_RETRY_S)
        return GivenUpError()


class Callers:
    """All callers that wait; safe to use from any thread."""

    def __init__(self) -> None:
        self._waiting: dict[Caller, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self._is_stopping = False

    @contextmanager
    def watched(self, request: Request) -> Iterator[Caller]:
        """Watch the caller of a request, whose body has been read, within the block.

        Raises:
            OverloadedError: if the service is to stop.
        """
        with self.waiting() as caller:
            watching = asyncio.get_running_loop().create_task(_watch(request, caller))
            try:
                yield caller
            finally:
                watching.cancel()

    @contextmanager
    def waiting(self) -> Iterator[Caller]:
        """Have a caller that is heard otherwise sent away when the service stops.

        Raises:
            OverloadedError: if it is to stop already.
        """
        caller, loop = Caller(), asyncio.get_running_loop()
        with self._lock:
            if self._is_stopping:
                raise OverloadedError(STOPPING, retry_after_s=STOPPING_RETRY_S)
            self._waiting[caller] = loop
        try:
            yield caller
        finally:
            with self._lock:
                del self._waiting[caller]

    def send_away(self) -> None:
        """Give up what is done for anybody, since the service stops."""
        with self._lock:
            self._is_stopping = True
            waiting = list(self._waiting.items())
        for caller, loop in waiting:
            with suppress(RuntimeError):  # that loop is closed
                loop.call_soon_threadsafe(functools.partial(caller.leave, is_sent_away=True))


async def _watch(request: Request, caller: Caller) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    caller.leave()
