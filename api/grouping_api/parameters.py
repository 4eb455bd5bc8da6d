"""Refusal of query parameters that an address does not have: they would look as if they did something."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from grouping_api.errors import UnknownParameterError


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a request with a query parameter that its route does not declare; a dependency of every route.

    Raises:
        UnknownParameterError: if there is one; names those that there are.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = parameters_of(route.dependant)
    for name in request.query_params:
        if name not in known:
            raise UnknownParameterError(name, known)


def parameters_of(dependant: Dependant) -> tuple[str, ...]:
    """Return the names of the query parameters of a route, those of its dependencies included."""
    return tuple(dict.fromkeys(_names(dependant)))


def _names(dependant: Dependant) -> Iterator[str]:
    for within in dependant.dependencies:
        yield from _names(within)
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields
        else:
            yield field.alias
