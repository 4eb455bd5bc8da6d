"""ASGI guards before every route: headers, host names, origin, token, size of the body, unexpected errors.

Plain ASGI classes, so that streams pass through untouched. `install_guards` fixes their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.exceptions import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grouping.formats.limits import MAX_BYTES
from grouping.work import GivenUpError
from grouping_api.access import PUBLIC_PATHS, TokenGuard
from grouping_api.errors import problem, problem_of_bug
from grouping_api.metrics import MeasuredRequests
from grouping_api.root_path import RootPath
from grouping_api.settings import Settings

MAX_BODY_BYTES = 1 << 20
MAX_UPLOAD_BYTES = MAX_BYTES
MAX_DATA_BYTES = 256 << 20
UPLOAD_PATHS = frozenset({"/v1/score-tables", "/score-tables"})
"""Addresses that accept files of score tables, as a raw body or from the form of a page."""
RESULT_PATH = re.compile(r"(/v1)?/jobs/[^/]+/results")
"""Addresses that accept files with finished results of a job."""

DATA_PATHS = frozenset({"/v1/data-sets", "/data-sets"})
"""Addresses that accept tables of data, likewise."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Check = Callable[[Scope, Headers], Response | None]


class SecurityHeaders:
    """Middleware that adds the security headers to every answer, and makes caches revalidate it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and the answer back with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class LastResort:
    """Middleware that turns an unexpected error into a problem document, unless the answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        has_begun = False

        async def watched_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except (ClientDisconnect, GivenUpError):
            return  # nobody is there to be answered
        except Exception as error:
            if scope["type"] != "http" or has_begun:
                raise
            await problem_of_bug(error)(scope, receive, send)


class RequestCheck:
    """Middleware that passes a request on, unless a check answers it."""

    def __init__(self, app: ASGIApp, check: Check) -> None:
        self.app = app
        self.check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request or pass it on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self.check(scope, Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)


class HeadAnswers:
    """Middleware that answers HEAD as GET without the body (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as GET, and the head of its answer back."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            is_body = message["type"] == "http.response.body"
            await send({"type": "http.response.body"} if is_body else message)
            if is_body and message.get("more_body", False):
                raise ClientDisconnect  # a stream ends as if its reader had gone

        try:
            await self.app({**scope, "method": "GET"}, receive, send_head)
        except ClientDisconnect:
            return


class BodyLimit:
    """Middleware that refuses bodies above `MAX_BODY_BYTES`, announced or not; uploads may be larger."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count what it sends."""
        received = 0
        limit = _limit_of(scope.get("path", ""))
        message = f"A request body has at most {limit} bytes here."

        async def counted_receive() -> Message:
            nonlocal received
            part = await receive()
            received += len(part.get("body", b""))
            if received > limit:
                raise HTTPException(413, message)
            return part

        if scope["type"] == "http":
            announced = Headers(scope=scope).get("content-length", "0")
            if announced.isdecimal() and (len(announced) > 15 or int(announced) > limit):
                await problem(413, message, headers={"Connection": "close"})(scope, receive, send)
                return
        await self.app(scope, counted_receive, send)


def _limit_of(path: str) -> int:
    if path in DATA_PATHS:
        return MAX_DATA_BYTES
    is_upload = path in UPLOAD_PATHS or RESULT_PATH.fullmatch(path) is not None
    return MAX_UPLOAD_BYTES if is_upload else MAX_BODY_BYTES


def host_check(settings: Settings) -> Check:
    """Make a check that refuses foreign host names; probes are exempt, since they call by address."""

    def check(scope: Scope, headers: Headers) -> Response | None:
        host = _host_name(headers.get("host", ""))
        if scope["path"] in PUBLIC_PATHS or "*" in settings.allowed_hosts or host in settings.allowed_hosts:
            return None
        return problem(
            421, "This service does not answer to that host name; see the setting GROUPING_ALLOWED_HOSTS."
        )

    return check


def _host_name(value: str) -> str:
    value = value.lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0]


def origin_check(scope: Scope, headers: Headers) -> Response | None:
    """Refuse changing requests that a page of another site sends through a user's browser."""
    if scope["method"] in SAFE_METHODS:
        return None
    site = headers.get("sec-fetch-site", "none")
    origin = headers.get("origin")
    host = headers.get("host", "").lower()
    # What a browser says of the site counts first: a proxy may have put another host name into the request.
    is_ours = site == "same-origin" or origin is None or origin.lower().partition("://")[2] == host
    if site in {"same-origin", "none"} and is_ours:
        return None
    return problem(403, "Changes are accepted from this service's own pages and from programs only.")


def install_guards(app: FastAPI, settings: Settings) -> None:
    """Add the guards to the application; the last one added handles a request first."""
    app.add_middleware(HeadAnswers)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestCheck, check=origin_check)
    app.add_middleware(TokenGuard, settings=settings)
    app.add_middleware(RequestCheck, check=host_check(settings))
    app.add_middleware(LastResort)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(MeasuredRequests, metrics=app.state.metrics)
    app.add_middleware(RootPath, root_path=settings.root_path)
