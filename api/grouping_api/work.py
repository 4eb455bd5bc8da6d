"""What the application needs to do what takes long beside what must not wait."""

from __future__ import annotations

from fastapi import FastAPI

from grouping.computing.processes import shared_processes
from grouping.use_cases.computing import MODULES, InProcesses
from grouping.use_cases.table_queries import TableQueries
from grouping_api.callers import Callers
from grouping_api.event_desk import event_desk
from grouping_api.metrics import Metrics
from grouping_api.receiving import Receiving
from grouping_api.settings import Settings
from grouping_api.turns import Turns
from grouping_api.uploads import Importer

SOLVES, UPLOADS, STREAMS, BUNDLES = "solve", "upload", "stream", "bundle"
"""Kinds of work, as the metrics name them."""
SOLVING_BUSY = "This service solves as much as it can at once. Ask again later."
UPLOADS_BUSY = "This service reads as many files as it can at once. Send this one again later."

STREAMS_BUSY = "Too many streams of events are open. Read pages of events instead, or ask again later."
STREAM_S = 15.0
"""Seconds after which it is worth asking for a stream again."""
BUNDLES_BUSY = "This service sends as many bundles as it can at once. Ask for this one again later."


def install_work(app: FastAPI, settings: Settings) -> None:
    """Add the turns of solves and uploads, and what carries them out; the store is there."""
    state = app.state
    state.callers = Callers()
    state.processes = shared_processes(*MODULES)
    state.queries = TableQueries(state.store, InProcesses(state.processes, settings.solve_memory_mb << 20))
    metrics = state.metrics
    state.solving_turns = Turns(
        state.callers,
        at_once=settings.solves_at_once,
        n_waiting=settings.solve_queue,
        busy=SOLVING_BUSY,
        meter=metrics.turn_meter(SOLVES),
    )
    n_readers = min(settings.upload_readers, settings.uploads)
    upload_turns = Turns(
        state.callers,
        at_once=n_readers,
        n_waiting=settings.uploads - n_readers,
        busy=UPLOADS_BUSY,
        meter=metrics.turn_meter(UPLOADS),
    )
    for work, turns in ((SOLVES, state.solving_turns), (UPLOADS, upload_turns)):
        _follow(metrics, work, turns)
    state.receiving = Receiving(state.callers, upload_turns)
    state.importer = Importer(state.store)
    state.event_desk = event_desk(state.store)
    state.stream_places = Turns(
        state.callers,
        at_once=settings.event_streams,
        n_waiting=0,
        busy=STREAMS_BUSY,
        meter=metrics.turn_meter(STREAMS),
        usual_s=STREAM_S,
    )
    state.bundle_places = Turns(
        state.callers,
        at_once=settings.bundle_downloads,
        n_waiting=0,
        busy=BUNDLES_BUSY,
        meter=metrics.turn_meter(BUNDLES),
        usual_s=STREAM_S,
    )
    metrics.follow(STREAMS, lambda: state.stream_places.n_inside)
    metrics.follow(BUNDLES, lambda: state.bundle_places.n_inside)


def _follow(metrics: Metrics, work: str, turns: Turns) -> None:
    metrics.follow(work, lambda: turns.n_working, lambda: turns.n_inside - turns.n_working)
