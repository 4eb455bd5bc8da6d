"""Requests that take turns, so that what takes long is done a few at a time and everything else goes on.

A request that computes, or brings a file, is let in only while there is room; it then waits for its turn
without a thread, and its work ends when its time is over, its caller has gone, or the service stops. Equal
requests are carried out one after another, so that the others find what the first has computed.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, ParamSpec, TypeGuard, TypeVar

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from grouping.errors import GroupingError, OverloadedError
from grouping.use_cases.stepwise_curve import CURVE_TIME_S
from grouping.work import GivenUpError, Work
from grouping_api.callers import Caller, Callers
from grouping_api.metrics import TurnMeter
from grouping_api.slots import Slots
from grouping_api.streams import HeldStream

P = ParamSpec("P")
T = TypeVar("T")
LONGEST_WAIT_S = 60.0
"""Seconds after which a request that still waits for its turn is refused."""
READING_GRACE_S = 5.0
"""Seconds beyond its time after which a page that is read too slowly no longer counts as being worked on."""


class Turns:
    """Turns of one kind of work; safe to use from several event loops.

    Args:
        callers: who waits for an answer.
        at_once: requests that are worked on at once.
        n_waiting: requests that may wait beside them.
        busy: sentence that says that there is no room.
        meter: is told how long turns are waited for, and what is refused.
        usual_s: how long a turn takes, until it is known better.
    """

    def __init__(
        self,
        callers: Callers,
        *,
        at_once: int,
        n_waiting: int,
        busy: str,
        meter: TurnMeter,
        usual_s: float = 1.0,
    ) -> None:
        self._callers = callers
        self._slots = Slots(at_once)
        self._at_once = at_once
        self._most = at_once + n_waiting
        self._busy = busy
        self._meter = meter
        self._lock = threading.Lock()
        self._n_inside = 0
        self._n_working = 0
        self._usual_s = usual_s
        self._equal: dict[Hashable, list[asyncio.Future[GroupingError | None]]] = {}

    @property
    def n_inside(self) -> int:
        """Number of requests that were let in and have not ended."""
        return self._n_inside

    @property
    def n_working(self) -> int:
        """Number of requests whose turn it is."""
        return self._n_working

    @asynccontextmanager
    async def let_in(self) -> AsyncIterator[None]:
        """Count a request as one that is inside within the block.

        Raises:
            OverloadedError: if there is no room.
        """
        with self._lock:
            if self._n_inside >= self._most:
                raise self._overloaded()
            self._n_inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1

    @asynccontextmanager
    async def turn(self, caller: Caller, limit_s: float, work: Work | None = None) -> AsyncIterator[Work]:
        """Wait for the turn of a request that is inside; yield its work, which has to end in time.

        Args:
            caller: who waits for it.
            limit_s: wall time of the work, from its turn on.
            work: the work, where it is there before its turn.

        Raises:
            OverloadedError: if the turn does not come within `LONGEST_WAIT_S`, or the service stops.
            GivenUpError: if the caller leaves.
        """
        place = self._slots.take()
        try:
            with self._meter.waited.time():
                has_come = await caller.until(place, LONGEST_WAIT_S)
            if not has_come:
                raise self._overloaded()
            began = time.monotonic()
            work = work or Work()
            work.begin(limit_s)
            caller.works(work)
            self._count_working(1)
            try:
                yield work
            finally:
                self._count_working(-1)
                self._usual_s = 0.8 * self._usual_s + 0.2 * (time.monotonic() - began)
        finally:
            self._slots.give_back(place)

    def _count_working(self, change: int) -> None:
        with self._lock:
            self._n_working += change

    def _overloaded(self) -> OverloadedError:
        self._meter.refused.inc()
        wait_s = self._usual_s * self._n_inside / self._at_once
        return OverloadedError(self._busy, retry_after_s=min(60, max(1, math.ceil(wait_s))))

    @asynccontextmanager
    async def alone(self, caller: Caller, key: Hashable) -> AsyncIterator[None]:
        """Wait until no equal request is worked on; the block is the only one with its key.

        Raises:
            GroupingError: that of the equal request, if it ended with one.
        """
        while True:
            with self._lock:
                following = self._equal.get(key)
                if following is None:
                    self._equal[key] = []
                    break
                end: asyncio.Future[GroupingError | None] = asyncio.get_running_loop().create_future()
                following.append(end)
            await caller.until(end)
            if (failed := end.result()) is not None:
                raise failed
        error: GroupingError | None = None
        try:
            yield
        except GroupingError as raised:
            error = raised
            raise
        finally:
            with self._lock:
                following = self._equal.pop(key)
            for end in following:
                _tell(end, error)

    async def carry_out(
        self, request: Request, handle: Callable[[Request], Awaitable[Response]], limit_s: float
    ) -> Any:
        """Carry out a request in its turn; equal ones one after another."""
        work = Work()
        async with AsyncExitStack() as turn:
            caller = await self._enter(request, work, limit_s, turn)
            try:
                with work.as_current():
                    answer = await handle(request)
            except GivenUpError as error:
                raise caller.reason() from error
            return _Streamed(answer, work, turn.pop_all()) if _is_in_parts(answer) else answer

    async def carry_on(
        self, request: Request, handle: Callable[[Request], Awaitable[Response]], limit_s: float
    ) -> Any:
        """Send the first part of an answer at once, and carry out what follows in the turn of the request.

        Where that does not come, the work is refused, which what follows has to tell.
        """
        await request.body()  # the caller is watched on the same connection
        answer = await handle(request)

        async def enter(work: Work, turn: AsyncExitStack) -> None:
            try:
                await self._enter(request, work, limit_s, turn)
            except GroupingError as error:
                work.refuse(error)

        return _Streamed(answer, Work(), AsyncExitStack(), enter) if _is_in_parts(answer) else answer

    async def _enter(self, request: Request, work: Work, limit_s: float, turn: AsyncExitStack) -> Caller:
        """Wait for the turn of a request, which ends with `turn`; return its caller.

        Raises:
            GroupingError: if it does not come, or that of an equal request.
            GivenUpError: if the caller leaves.
        """
        key = _key(request, await request.body())
        caller = turn.enter_context(self._callers.watched(request))
        try:
            await turn.enter_async_context(self.alone(caller, key))
            await turn.enter_async_context(self.let_in())
            await turn.enter_async_context(self.turn(caller, limit_s, work))
        except GivenUpError as error:
            raise caller.reason() from error
        return caller

    async def run(
        self, caller: Caller, limit_s: float, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Carry out a function in a thread, in the turn of a request that is inside.

        Raises:
            OverloadedError: as `turn`.
            GivenUpError: if the caller leaves; the function has raised it, too.
        """
        async with self.turn(caller, limit_s) as work:
            with work.as_current():
                try:
                    return await run_in_threadpool(function, *args, **kwargs)
                except GivenUpError as error:
                    raise caller.reason() from error


def _is_in_parts(answer: Response) -> TypeGuard[StreamingResponse]:
    return isinstance(answer, StreamingResponse) and not isinstance(answer, HeldStream)


class _Streamed:
    """Answer that is worked on while it is sent; its turn ends with it, or soon after its time is over.

    Args:
        answer: the answer, in parts.
        work: the work for it.
        turn: is closed at the end.
        enter: waits for the turn, once the first part is sent; None where it has come.
    """

    def __init__(
        self,
        answer: StreamingResponse,
        work: Work,
        turn: AsyncExitStack,
        enter: Callable[[Work, AsyncExitStack], Awaitable[None]] | None = None,
    ) -> None:
        self._answer = answer
        self._work = work
        self._turn = turn
        self._enter = enter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._answer.body_iterator = self._parts(self._answer.body_iterator)
        over = asyncio.create_task(self._end_turn_late())
        try:
            with self._work.as_current():
                await self._answer(scope, receive, send)
        finally:
            over.cancel()
            await self._turn.aclose()

    async def _parts(self, parts: Any) -> AsyncIterator[Any]:
        try:
            if self._enter is not None:
                yield await anext(parts)
                await self._enter(self._work, self._turn)
            async for part in parts:
                yield part
        except GivenUpError:
            return  # nobody reads the rest

    async def _end_turn_late(self) -> None:
        while self._work.left_s > 0:  # without an end until its turn comes
            await asyncio.sleep(min(self._work.left_s, READING_GRACE_S))
        await asyncio.sleep(READING_GRACE_S)
        self._work.give_up()
        await self._turn.aclose()


class InTurn:
    """Mark of a route whose requests take turns in computing.

    Args:
        least_s: wall time that a request may take even where the setting is less.
        is_begun: whether the first part of the answer to a request is sent before its turn.
    """

    def __init__(
        self, least_s: float = 0.0, is_begun: Callable[[Request], bool] = lambda _request: False
    ) -> None:
        self.least_s = least_s
        self.is_begun = is_begun

    async def __call__(self) -> None:
        """Do nothing: the route is looked at when it is made."""


IN_TURN = Depends(InTurn())
"""Every route that solves, or reads or draws whole score tables, names it."""
IN_TURN_AFTER_START = Depends(InTurn(is_begun=lambda _request: True))
"""A page whose first part needs no computing, and is sent before its turn."""
IN_TURN_WHILE_SENT = Depends(InTurn(CURVE_TIME_S, lambda _request: True))
"""The same, where the rest may take longer."""
IN_TURN_WHILE_SOLVED = Depends(InTurn(CURVE_TIME_S, lambda request: not _has_demands(request)))
"""The same for one that solves under demands: what is wrong with these is found before anything is sent."""


def _has_demands(request: Request) -> bool:
    return any(text for name, text in request.query_params.items() if name != "budget_snt")


def in_turn_of(route: APIRoute) -> InTurn | None:
    """Return the mark of a route whose requests take turns."""
    marks = (dependency.dependency for dependency in route.dependencies)
    return next((mark for mark in marks if isinstance(mark, InTurn)), None)


class TurnRoute(APIRoute):
    """A route whose requests take turns if it says so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that waits for the turn of its request."""
        handle = super().get_route_handler()
        mark = in_turn_of(self)
        if mark is None:
            return handle

        @functools.wraps(handle)
        async def handle_in_turn(request: Request) -> Response:
            state = request.app.state
            limit_s = max(state.settings.solve_time_limit_s, mark.least_s)
            turns: Turns = state.solving_turns
            carry = turns.carry_on if mark.is_begun(request) else turns.carry_out
            answer: Response = await carry(request, handle, limit_s)
            return answer

        return handle_in_turn


def _key(request: Request, body: bytes) -> Hashable:
    """Return what is equal for requests with equal answers."""
    granted = getattr(request.state, "granted", None)
    headers = tuple(request.headers.get(name) for name in ("accept", "idempotency-key", "if-none-match"))
    return request.method, str(request.url), granted, headers, hashlib.sha256(body).digest()


def _tell(end: asyncio.Future[GroupingError | None], error: GroupingError | None) -> None:
    with suppress(RuntimeError):  # the loop of that request is closed
        end.get_loop().call_soon_threadsafe(lambda: None if end.done() else end.set_result(error))
