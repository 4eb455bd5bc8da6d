"""Access to routes: who calls is found before a request is routed, and each route says what it needs."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import HTTPException
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from grouping.domain.access import Scope, token_digest
from grouping.errors import GroupingError
from grouping_api.errors import problem, problem_of
from grouping_api.settings import Settings

PUBLIC_PATHS = frozenset({"/healthz", "/readyz"})
"""The only addresses that need no token: probes call them, and they reveal nothing."""

_LONGEST = 1000
"""Characters of a token that are looked at."""


class Needs:
    """Dependency of a route on a scope of its caller.

    Args:
        scope: what the route needs; None for one that needs no token.
    """

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> None:
        """Refuse a caller whose token does not allow it."""
        if self.scope is None:
            return
        granted: Scope = request.state.granted
        if not granted.covers(self.scope):
            raise HTTPException(
                403, f"The token allows to {_IN_WORDS[granted]}; this needs the scope {self.scope}."
            )


_IN_WORDS = {Scope.READ: "read", Scope.SUBMIT: "read and submit", Scope.ADMIN: "do everything"}

PUBLIC = Depends(Needs(None))
READ = Depends(Needs(Scope.READ))
SUBMIT = Depends(Needs(Scope.SUBMIT))
ADMIN = Depends(Needs(Scope.ADMIN))
"""What a route needs; every route names one."""


def _granted(request: Request) -> Scope:
    granted: Scope = request.state.granted
    return granted


Granted = Annotated[Scope, Depends(_granted)]
"""What the caller of a route may do."""


def needs_of(route: APIRoute) -> list[Scope | None]:
    """Return what a route says that it needs; there is one."""
    calls = (dependency.dependency for dependency in route.dependencies)
    return [call.scope for call in calls if isinstance(call, Needs)]


class TokenGuard:
    """Middleware that finds what a caller may do, and refuses one without a valid token.

    Without a token in the settings the service is open, and everybody may do everything: it then listens
    on loopback only. That token has the scope `admin`; others are kept in the database.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._own = settings.api_token.get_secret_value() if settings.api_token else None

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer the request or pass it on with what was granted."""
        if scope["type"] != "http" or scope["path"] in PUBLIC_PATHS:
            await self.app(scope, receive, send)
            return
        answer: ASGIApp | Response = self.app
        try:
            granted = await self._granted(scope)
            answer = self.app if granted is not None else _refusal()
            scope.setdefault("state", {})["granted"] = granted
        except GroupingError as error:  # the database does not answer
            answer = problem_of(error)
        await answer(scope, receive, send)

    async def _granted(self, scope: Connection) -> Scope | None:
        if self._own is None:
            return Scope.ADMIN
        presented = _presented_token(Headers(scope=scope).get("authorization", ""))
        if hmac.compare_digest(presented, self._own.encode()):
            return Scope.ADMIN
        if not presented or len(presented) > _LONGEST:
            return None
        digest = token_digest(presented.decode("utf-8", "replace"))
        found = await run_in_threadpool(scope["app"].state.store.find_valid_token, digest)
        return None if found is None else found.scope


def _refusal() -> Response:
    return problem(
        401,
        "Send a token of this service: Authorization: Bearer TOKEN.",
        headers={"WWW-Authenticate": 'Basic realm="mtl-grouping", charset="UTF-8"'},
    )


def _presented_token(authorization: str) -> bytes:
    """Return the token of a header: after ``Bearer``, or as the password of HTTP Basic."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
