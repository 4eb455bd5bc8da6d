"""A bundle over HTTP: predictions, what rows have to be, health, and metrics for Prometheus.

It is a small service for one bundle, to be put behind what encrypts and asks who calls: it has no accounts.
It keeps nothing, so any number of them may run side by side.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Len
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from grouping.bundle.inputs import ArrayInputs, TableInputs
from grouping.bundle.loading import Bundle
from grouping.bundle.manifest import BundledTask
from grouping.data_sets.columns import ColumnKind
from grouping.domain.tasks import TaskKind
from grouping.errors import InvalidInputError

MAX_ROWS = 10_000
MAX_BODY_BYTES = 64 * 2**20
_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class RowsToPredict(BaseModel):
    """Rows to be answered.

    Attributes:
        rows: objects by column, or lists of numbers where the bundle reads no columns.
        probabilities: whether to add the probability of each class.
    """

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[dict[str, Any] | list[float]], Len(1, MAX_ROWS)]
    probabilities: bool = False


class Predictions(BaseModel):
    """Answers, one for each row, in order: by task, and as ``task = class`` for probabilities."""

    predictions: list[dict[str, float | int | str]]


class Counts:
    """What the service has done since it was started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rows = Counter("bundle_rows", "Rows that were answered.", registry=self.registry)
        self.refused = Counter("bundle_refused", "Requests that did not fit.", registry=self.registry)
        self.seconds = Histogram(
            "bundle_prediction_seconds",
            "Time of a request, from its rows to its answers.",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )


def create_app(bundle: Bundle) -> FastAPI:
    """Build the application that serves a bundle."""
    app = FastAPI(title=bundle.manifest.title, description="Predictions of a bundle of networks.")
    counts = Counts()

    @app.middleware("http")
    async def limit(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length")
        if request.method == "POST" and length is None:
            return _refusal(411, "Say the length of the body (Content-Length).")
        if length is not None and int(length) > MAX_BODY_BYTES:
            return _refusal(413, f"A body has at most {MAX_BODY_BYTES:,} bytes: ask for fewer rows at once.")
        return await go_on(request)

    @app.exception_handler(InvalidInputError)
    def refuse(_request: Request, error: InvalidInputError) -> Response:
        counts.refused.inc()
        return _refusal(422, str(error))

    @app.exception_handler(RequestValidationError)
    def refuse_body(_request: Request, error: RequestValidationError) -> Response:
        counts.refused.inc()
        first = error.errors()[0]  # without its input, which may be the whole body
        place = ".".join(map(str, first["loc"]))
        return _refusal(422, f"{place}: {first['msg']}.")

    @app.post("/predict", summary="Answer every task for some rows")
    def predict(asked: RowsToPredict) -> Predictions:
        started = time.perf_counter()
        table = bundle.predict(_readable(bundle, asked.rows), probabilities=asked.probabilities)
        counts.seconds.observe(time.perf_counter() - started)
        counts.rows.inc(len(table))
        return Predictions(predictions=table.to_dict("records"))  # type: ignore[arg-type]

    @app.get("/schema", summary="Tell what rows have to be, and what is answered")
    def schema() -> dict[str, Any]:
        return schema_of(bundle)

    @app.get("/healthz", summary="Tell that predictions are answered")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    def metrics() -> Response:
        return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def schema_of(bundle: Bundle) -> dict[str, Any]:
    """Return what a bundle reads and answers, ready for JSON."""
    inputs = bundle.manifest.inputs
    reads: Mapping[str, Any] = (
        {"columns": {name: str(kind) for name, kind in inputs.kinds.items()}}
        if isinstance(inputs, TableInputs)
        else {"n_features": inputs.n_features}
    )
    return {
        "title": bundle.manifest.title,
        "job_id": bundle.manifest.job_id,
        "reads": dict(reads),
        "answers": [_answered(bundled) for bundled in bundle.manifest.tasks],
    }


def _answered(bundled: BundledTask) -> dict[str, Any]:
    task, score = bundled.task, bundled.score
    told: dict[str, Any] = {"task": task.name, "kind": str(task.kind), "network": bundled.network + 1}
    if bundled.labels and task.kind in (TaskKind.BINARY, TaskKind.MULTICLASS):
        told["labels"] = list(bundled.labels)
    if bundled.columns:
        told["columns"] = list(bundled.columns)
    if task.metric is not None and score.test_metric is not None:
        metric = {"name": task.metric.name, "unit": task.metric.unit}
        told["metric"] = {**metric, "on_test_rows": score.test_metric}
    return told


def _readable(bundle: Bundle, rows: list[dict[str, Any] | list[float]]) -> Any:
    """Return rows as the bundle reads them; images come as nested lists."""
    inputs = bundle.manifest.inputs
    if isinstance(inputs, ArrayInputs):
        return rows
    by_column = [row for row in rows if isinstance(row, dict)]
    if len(by_column) < len(rows):
        raise InvalidInputError("This bundle reads columns: give each row as an object by column.")
    kinds = inputs.kinds if isinstance(inputs, TableInputs) else {}
    images = [name for name, kind in kinds.items() if kind is ColumnKind.IMAGE]
    return [{name: _image(v) if name in images else v for name, v in row.items()} for row in by_column]


def _image(value: Any) -> Any:
    try:
        return np.asarray(value, dtype=np.uint8)
    except (TypeError, ValueError, OverflowError):
        return value  # told by the bundle, with the name of the column


def _refusal(status: int, detail: str) -> Response:
    return JSONResponse({"status": status, "detail": detail}, status, media_type="application/problem+json")
