"""Metrics for Prometheus: what this process has done, and what stands in the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grouping.domain.jobs.job import JobState
from grouping.domain.trainings.trials import TrialState
from grouping.errors import GroupingError
from grouping.store import Store

REQUEST_BUCKETS_S = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)
WAIT_BUCKETS_S = (0.01, 0.1, 0.5, 2.0, 10.0, 60.0)
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
NO_ROUTE = "none"
"""Stands for the address of a request that was refused before its route was found, or has none."""


@dataclass(frozen=True, slots=True)
class TurnMeter:
    """What one kind of work tells of its turns.

    Attributes:
        waited: seconds until the turn came, or until it was given up.
        refused: requests for which there was no room.
    """

    waited: Histogram
    refused: Counter


class Metrics:
    """Metrics of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Histogram(
            "grouping_http_request_seconds",
            "Time from a request to the end of its answer; of a stream of events, to its beginning.",
            ("method", "route", "status"),
            buckets=REQUEST_BUCKETS_S,
            registry=self._registry,
        )
        self._waited = Histogram(
            "grouping_work_wait_seconds",
            "Time that a request which computes, or brings a file, waited for its turn.",
            ("work",),
            buckets=WAIT_BUCKETS_S,
            registry=self._registry,
        )
        self._refused = Counter(
            "grouping_overloaded",
            "Requests refused as there was no room.",
            ("work",),
            registry=self._registry,
        )
        self._under_way = Gauge(
            "grouping_work_under_way",
            "Requests that are worked on now, or streams that are open.",
            ("work",),
            registry=self._registry,
        )
        self._waiting = Gauge(
            "grouping_work_waiting", "Requests that wait for their turn.", ("work",), registry=self._registry
        )

    def turn_meter(self, work: str) -> TurnMeter:
        """Return the meter of one kind of work, by its name."""
        return TurnMeter(self._waited.labels(work), self._refused.labels(work))

    def follow(
        self, work: str, under_way: Callable[[], int], waiting: Callable[[], int] | None = None
    ) -> None:
        """Have numbers asked for whenever the metrics are read.

        Args:
            work: name of the kind of work.
            under_way: returns how much of it is under way.
            waiting: returns how much waits; None where nothing ever does.
        """
        self._under_way.labels(work).set_function(under_way)
        if waiting is not None:
            self._waiting.labels(work).set_function(waiting)

    def watch(self, store: Store) -> None:
        """Add what stands in the database."""
        self._registry.register(_OfStore(store))

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class _OfStore(Collector):
    """Numbers of the database, read when they are asked for; without it, that it cannot be read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        is_there = GaugeMetricFamily("grouping_database_up", "1 if the database could be read, else 0.")
        try:
            census = self._store.census()
        except GroupingError:
            is_there.add_metric((), 0)
            yield is_there
            return
        is_there.add_metric((), 1)
        yield is_there
        jobs = GaugeMetricFamily("grouping_jobs", "Jobs, by state.", labels=("state",))
        for state in JobState:
            jobs.add_metric((state,), census.jobs.get(state, 0))
        yield jobs
        trials = GaugeMetricFamily(
            "grouping_trials", "Trainings of the jobs that have not ended, by state.", labels=("state",)
        )
        for one in TrialState:
            trials.add_metric((one,), census.trials.get(one, 0))
        yield trials
        dispatchers = GaugeMetricFamily("grouping_dispatchers", "Dispatchers that are at work.")
        dispatchers.add_metric((), census.n_dispatchers)
        yield dispatchers
        deliveries = GaugeMetricFamily(
            "grouping_webhooks_pending", "Webhooks that are still to be told of the end of a job."
        )
        deliveries.add_metric((), census.n_deliveries)
        yield deliveries


class MeasuredRequests:
    """Middleware that measures every request, by its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it once its answer is sent."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began_s = time.perf_counter()
        status = 0
        stream_began_s: float | None = None

        async def watched_send(message: Message) -> None:
            nonlocal status, stream_began_s
            if message["type"] == "http.response.start":
                status = message["status"]
                kind = Headers(raw=message.get("headers", ())).get("content-type", "")
                stream_began_s = time.perf_counter() if kind.startswith("text/event-stream") else None
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        finally:
            if status:  # else its caller has gone
                route = getattr(scope.get("route"), "path", None) or NO_ROUTE
                method = scope["method"] if scope["method"] in METHODS else "other"
                ended_s = stream_began_s or time.perf_counter()
                self._metrics.requests.labels(method, route, status).observe(ended_s - began_s)
