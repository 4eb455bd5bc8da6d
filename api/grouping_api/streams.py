"""Streams of a job's events as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, suppress

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from grouping.domain.jobs.job import Event
from grouping.errors import NotFoundError, StoreUnavailableError
from grouping.wire.jobs import EventOut
from grouping_api.event_desk import BATCH, EventDesk, Seen
from grouping_api.settings import Settings

RETRY_MS = 2000


async def event_stream(
    desk: EventDesk, job_id: str, after: int, *, stopping: asyncio.Event, settings: Settings
) -> AsyncIterator[bytes]:
    """Stream the events of a job until it has ended, is deleted, or the server stops.

    Every read of the database is a transaction of its own: none is open while the stream waits. All streams
    look at the same moments, so that one look serves them. The last message is named ``end``; a client that
    sees it need not connect again.

    Args:
        desk: what looks at the events.
        job_id: identifier of the job.
        after: number of the last event that the client has.
        stopping: set when the server is about to stop.
        settings: intervals between reads of the database and between signs of life.
    """
    yield f"retry: {RETRY_MS}\n\n".encode()
    heard_s = time.monotonic()
    while not stopping.is_set():
        events: tuple[Event, ...] = ()
        is_over = False
        try:
            look = await asyncio.wrap_future(desk.submit(Seen(job_id, after)))
            events, is_over = look.events, look.state.is_final
        except NotFoundError:
            yield _end("deleted")
            return
        except StoreUnavailableError:
            pass  # the next look may find it again
        for event in events:
            yield _message(event)
            after = event.number
        if events:
            heard_s = time.monotonic()
            if len(events) == BATCH:
                continue
        if is_over:
            yield _end(look.state)
            return
        if time.monotonic() - heard_s >= settings.heartbeat_s:
            yield b": still here\n\n"
            heard_s = time.monotonic()
        try:
            to_next_look_s = settings.event_poll_s - time.monotonic() % settings.event_poll_s
            await asyncio.wait_for(stopping.wait(), to_next_look_s)
        except TimeoutError:
            continue


class HeldStream(StreamingResponse):
    """Stream that holds a place of its own while it is sent, and no turn of those that compute.

    Args:
        content: what is sent; what computes it in this thread is asked for in another one.
        held: is closed at the end.
        media_type: what it is.
        headers: further headers.
        limit_s: seconds after which it is cut off; None for no end.
    """

    def __init__(
        self,
        content: AsyncIterator[bytes] | Iterator[bytes],
        held: AsyncExitStack,
        *,
        media_type: str = "text/event-stream",
        headers: Mapping[str, str] | None = None,
        limit_s: float | None = None,
    ) -> None:
        common = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, media_type=media_type, headers=common | dict(headers or {}))
        self._held = held
        self._limit_s = limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with self._held:
            with suppress(TimeoutError):  # the connection is closed, and its reader sees that it is not whole
                async with asyncio.timeout(self._limit_s):
                    await super().__call__(scope, receive, send)


def _message(event: Event) -> bytes:
    return f"id: {event.number}\ndata: {EventOut.read(event).model_dump_json()}\n\n".encode()


def _end(state: str) -> bytes:
    return f"event: end\ndata: {json.dumps({'state': str(state)})}\n\n".encode()
