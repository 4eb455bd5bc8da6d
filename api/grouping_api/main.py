"""Application factory: `create_app` combines settings, store, guards, routes and error answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from grouping.store import Store, open_store
from grouping.wire.base_types import ProblemOut
from grouping.wire.data_sets import TableOnServer
from grouping.wire.imports import InlineTable
from grouping.wire.webhooks import JobEndedOut
from grouping_api.access import needs_of
from grouping_api.all_routes import routes_of
from grouping_api.errors import install_error_handlers, problem_responses
from grouping_api.gathering import Gathering
from grouping_api.guards import install_guards
from grouping_api.lease_desk import LeaseDesk
from grouping_api.metrics import Metrics
from grouping_api.parameters import refuse_unknown_parameters
from grouping_api.routes import ROUTES
from grouping_api.settings import Settings
from grouping_api.stopping import stop_signals
from grouping_api.version import program_version
from grouping_api.web import install_web
from grouping_api.work import install_work

_DESCRIPTION = """Which tasks should share a network, within an inference budget: a search service after
Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?" (ICML 2020).

Losses are normalised and lower is better; gains and affinities are higher is better and name their formula.
Costs and budgets are in standard network times (SNT): the full-size network costs 1. Errors are
`application/problem+json` with a stable `code`. Times are RFC 3339 in UTC. Numbers are finite: what is
unknown is `null`."""

_TAGS = [
    {"name": "jobs", "description": "Grouping searches, as users submit them."},
    {"name": "score tables", "description": "Losses by network and task, and results computed from them."},
    {"name": "groupings", "description": "Stored solutions of score tables."},
    {"name": "leases", "description": "Trainings for workers anywhere, leased one at a time."},
    {"name": "data sets", "description": "Tables of users, and the problems made of them."},
    {"name": "studies", "description": "Effects of tasks on one another, measured by studies."},
    {"name": "catalogue", "description": "Problems, strategies and methods of this installation."},
    {"name": "system", "description": "The service itself."},
]


def create_app(settings: Settings, store: Store | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: see `Settings`.
        store: an open store, which stays the caller's to close; opened from ``settings.database_url`` and
            closed at shutdown unless given.
    """
    app = _assemble(settings)
    app.state.store = store or open_store(settings.database_url)
    app.state.owns_store = store is None
    app.state.metrics.watch(app.state.store)
    install_work(app, settings)
    app.state.result_desk = Gathering(app.state.store.complete_trials)
    app.state.lease_desk = LeaseDesk(app.state.store, settings.event_poll_s)
    return app


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI description of the API; needs no database."""
    return _assemble(Settings.model_construct()).openapi()


def _assemble(settings: Settings) -> FastAPI:
    app = FastAPI(
        title="mtl-grouping",
        version=program_version(),
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        dependencies=[Depends(refuse_unknown_parameters)],
    )
    app.state.settings = settings
    app.state.stopping = asyncio.Event()
    app.state.metrics = Metrics()
    for module in ROUTES:
        app.include_router(module.router)
    app.webhooks.post("job-ended", summary="Tell of the end of a job", operation_id="jobEnded")(_job_ended)
    install_web(app)
    install_error_handlers(app)
    install_guards(app, settings)
    _describe(app)
    return app


def _job_ended(body: JobEndedOut) -> None:
    """Sent to the addresses that a job names as `notify`, until one answers; see Standard Webhooks."""


def _operation_id(route: APIRoute) -> str:
    """Return the operation id of a route: its function in camel case, such as ``getJob`` for ``get_job``."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _describe(app: FastAPI) -> None:
    """Complete the OpenAPI description: errors are problem documents, and a token is accepted."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                tags=app.openapi_tags,
                routes=app.routes,
                webhooks=app.webhooks.routes,
                servers=[{"url": root}] if (root := app.state.settings.root_path) else None,
            )
            schemas = document["components"]["schemas"]
            unreadable = problem_responses(400, 413)
            for model in (ProblemOut, InlineTable, TableOnServer):  # not in the signature of any route
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas |= {**schema.pop("$defs", {}), model.__name__: schema}
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for operations in document["webhooks"].values():
                operations["post"]["responses"] = {"2XX": {"description": "It is told, and not told again."}}
            for operations in document["paths"].values():
                for operation in operations.values():
                    if "requestBody" in operation:
                        operation["responses"] |= {str(status): told for status, told in unreadable.items()}
                    refused = operation["responses"].get("422", {}).get("content", {})
                    if "application/json" in refused:
                        reference = {"schema": {"$ref": "#/components/schemas/ProblemOut"}}
                        operation["responses"]["422"]["content"] = {"application/problem+json": reference}
            document["components"]["securitySchemes"] = {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Each operation names the scope that it needs.",
                },
                "basic": {"type": "http", "scheme": "basic", "description": "The token as password."},
            }
            _describe_access(app, document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_access(app: FastAPI, document: dict[str, Any]) -> None:
    """Say at each operation which scope it needs; a service on loopback may ask for no token at all."""
    for route in routes_of(app.routes):
        for scope in needs_of(route) if route.include_in_schema else ():
            for method in route.methods or ():
                operation = document["paths"][route.path][method.lower()]
                allowed: list[dict[str, list[str]]] = (
                    [{"bearer": [scope]}, {"basic": [scope]}, {}] if scope else []
                )
                operation["security"] = allowed


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    closing = asyncio.create_task(_close_desk(app))
    app.state.processes.start()
    with stop_signals(app.state.stopping):
        yield
    app.state.stopping.set()
    await closing
    if app.state.owns_store:
        app.state.store.close()


async def _close_desk(app: FastAPI) -> None:
    """Let no worker wait any longer once the server is to stop, which waits for open answers."""
    await app.state.stopping.wait()
    app.state.lease_desk.close()
    app.state.callers.send_away()
