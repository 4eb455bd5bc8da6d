"""Route for the events of a job: pages for programs that poll, a stream for those that wait."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from grouping.wire.jobs import EventPage
from grouping_api.access import READ
from grouping_api.dependencies import JobId, SettingsDep, StoreDep
from grouping_api.errors import problem_responses
from grouping_api.streams import HeldStream, event_stream

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MAX_EVENT_NUMBER = 2**31 - 1
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page of events; or, with `Accept: text/event-stream`, server-sent events: `id` is "
        "the event's number, `data` the event, and a last message named `end` closes the stream.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/{job_id}/events",
    summary="List the events of a job",
    response_model=EventPage,
    responses={**_STREAM, **problem_responses(404, 422, 503)},
    dependencies=[READ],
)
async def list_events(
    job_id: JobId,
    request: Request,
    store: StoreDep,
    settings: SettingsDep,
    after: Annotated[int, Query(ge=0, le=MAX_EVENT_NUMBER, description="Number of the last event seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of events of a page.")] = 100,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=MAX_EVENT_NUMBER, description="For a stream: like `after`.")
    ] = None,
) -> EventPage | StreamingResponse:
    """Return the events of a job, oldest first, as a page or as a stream."""
    job = await run_in_threadpool(store.get_job, job_id)
    if "text/event-stream" in request.headers.get("accept", ""):
        first = after if last_event_id is None else last_event_id
        state = request.app.state
        held = AsyncExitStack()
        await held.enter_async_context(state.stream_places.let_in())
        stream = event_stream(state.event_desk, job_id, first, stopping=state.stopping, settings=settings)
        return HeldStream(stream, held)
    events = await run_in_threadpool(lambda: store.events(job_id, after=after, limit=limit))
    next_after = events[-1].number if events else after
    return EventPage.read(job, items=events, next_after=next_after)
