"""Uploads: a few are received and read at once, and one whose sender has gone leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from fastapi import Request
from fastapi.exceptions import HTTPException
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect

from grouping.errors import OverloadedError
from grouping_api.callers import Callers
from grouping_api.turns import Turns

P = ParamSpec("P")
T = TypeVar("T")
RECEIVING_LIMIT_S = 600.0
"""Seconds in which an upload has to be there."""
READING_LIMIT_S = 120.0
"""Seconds that reading and storing an upload may take; its readers have limits of their own."""
DRAINING_LIMIT_S = 30.0
"""Seconds in which a refused upload may still be sent, so that its sender reads the answer."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An upload that was let in."""

    request: Request
    callers: Callers
    turns: Turns

    async def received(self, receiving: Coroutine[Any, Any, T]) -> T:
        """Wait until the upload is there.

        Raises:
            HTTPException: 408 if it takes too long.
            OverloadedError: if the service is to stop.
        """
        task = asyncio.ensure_future(receiving)
        try:
            with self.callers.waiting() as caller:
                if not await caller.until(task, RECEIVING_LIMIT_S):
                    raise HTTPException(408, f"The file was not there after {RECEIVING_LIMIT_S:g} s.")
            return task.result()
        finally:
            task.cancel()

    @asynccontextmanager
    async def form(self, **limits: int) -> AsyncIterator[FormData]:
        """Wait until a form is there; its files are closed after the block.

        Raises:
            HTTPException: 408 if it takes too long.
        """
        form = await self.received(_form(self.request, limits))
        try:
            yield form
        finally:
            await form.close()

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Read and store what was received, in its turn; given up once the sender has gone.

        Raises:
            OverloadedError: if the turn does not come, or the service is to stop.
        """
        with self.callers.watched(self.request) as caller:
            return await self.turns.run(caller, READING_LIMIT_S, function, *args, **kwargs)


class Receiving:
    """Receives uploads.

    Args:
        callers: who waits for an answer.
        turns: those of uploads.
    """

    def __init__(self, callers: Callers, turns: Turns) -> None:
        self._callers = callers
        self._turns = turns

    @asynccontextmanager
    async def upload(self, request: Request) -> AsyncIterator[Incoming]:
        """Let an upload in, before its body is read, for the time of the block.

        Raises:
            OverloadedError: if there is no room; what is sent nevertheless is thrown away.
        """
        try:
            place = self._turns.let_in()
            await place.__aenter__()
        except OverloadedError:
            await _throw_away(request)
            raise
        try:
            yield Incoming(request, self._callers, self._turns)
        finally:
            await place.__aexit__(None, None, None)

    async def read(
        self, request: Request, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Carry out a function that reads files which have come with a form.

        Raises:
            OverloadedError: if there is no room, or the turn does not come.
        """
        async with self.upload(request) as incoming:
            return await incoming.run(function, *args, **kwargs)


async def _throw_away(request: Request) -> None:
    """Read a body and keep nothing of it: a sender that is cut off may not read the answer."""
    if request.headers.get("expect", "").lower() == "100-continue":
        return  # it waits for a word before it sends anything
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # RuntimeError: it has been read already
        async with asyncio.timeout(DRAINING_LIMIT_S):
            async for _ in request.stream():
                pass


async def _form(request: Request, limits: dict[str, int]) -> FormData:
    return await request.form(**limits)
