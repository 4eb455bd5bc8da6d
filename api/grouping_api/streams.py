"""Streams of a job's events as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from grouping.domain.jobs import Event, JobState
from grouping.errors import NotFoundError, StoreUnavailableError
from grouping.store import Store
from grouping.wire.jobs import EventOut
from grouping_api.settings import Settings

BATCH = 200
RETRY_MS = 2000


async def event_stream(
    store: Store, job_id: str, after: int, *, stopping: asyncio.Event, settings: Settings
) -> AsyncIterator[bytes]:
    """Stream the events of a job until it has ended, is deleted, or the server stops.

    Every read of the database is a transaction of its own: none is open while the stream waits. The last
    message is named ``end``; a client that sees it need not connect again.

    Args:
        store: store that holds the job.
        job_id: identifier of the job.
        after: number of the last event that the client has.
        stopping: set when the server is about to stop.
        settings: intervals between reads of the database and between signs of life.
    """
    yield f"retry: {RETRY_MS}\n\n".encode()
    heard_s = time.monotonic()
    while not stopping.is_set():
        try:
            state, events = await run_in_threadpool(_look, store, job_id, after)
        except NotFoundError:
            yield _end("deleted")
            return
        except StoreUnavailableError:
            state, events = None, ()
        for event in events:
            yield _message(event)
            after = event.number
        if events:
            heard_s = time.monotonic()
            if len(events) == BATCH:
                continue
        if state is not None and state.is_final:
            yield _end(state)
            return
        if time.monotonic() - heard_s >= settings.heartbeat_s:
            yield b": still here\n\n"
            heard_s = time.monotonic()
        try:
            await asyncio.wait_for(stopping.wait(), settings.event_poll_s)
        except TimeoutError:
            continue


def _look(store: Store, job_id: str, after: int) -> tuple[JobState, tuple[Event, ...]]:
    """Read the state, then the events; after a final state no event is added."""
    state = store.get_job(job_id).state
    return state, store.events(job_id, after=after, limit=BATCH)


def _message(event: Event) -> bytes:
    return f"id: {event.number}\ndata: {EventOut.read(event).model_dump_json()}\n\n".encode()


def _end(state: str) -> bytes:
    return f"event: end\ndata: {json.dumps({'state': str(state)})}\n\n".encode()
