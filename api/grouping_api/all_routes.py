"""All routes of an application, those of included routers too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi.routing import APIRoute


def routes_of(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """Return all routes among these and in what they include; mounted applications are none."""
    for route in routes:
        within = getattr(route, "original_router", None)
        if within is not None:
            yield from routes_of(within.routes)
        elif isinstance(route, APIRoute):
            yield route
