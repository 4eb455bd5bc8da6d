"""Refusal of query parameters and bodies that an address does not take: they would seem to do something."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from grouping.errors import InvalidInputError
from grouping_api.errors import UnknownParameterError


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a request with something that its route does not declare; a dependency of every route.

    Raises:
        UnknownParameterError: if it has another query parameter; names those that there are.
        InvalidInputError: if it has a body where none is taken.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = parameters_of(route.dependant)
    for name in request.query_params:
        if name not in known:
            raise UnknownParameterError(name, known)
    if route.path.startswith("/v1/") and not takes_body(route) and _has_body(request):
        takes = f"query parameters: {', '.join(known)}" if known else "no query parameters either"
        raise InvalidInputError(f"This address takes no body. It takes {takes}.")


def takes_body(route: APIRoute) -> bool:
    """Return whether a route takes a body, as its declaration says."""
    return route.body_field is not None or "requestBody" in (route.openapi_extra or {})


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return length not in ("0", "2") or "transfer-encoding" in request.headers  # {} says nothing


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
