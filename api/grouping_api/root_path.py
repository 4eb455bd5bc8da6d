"""A path below which a proxy shows the service: taken off requests, and put before every address in answers.

Nothing else knows it: routes, guards and templates speak of addresses within the service. Proxies that cut
the path off (nginx: ``proxy_pass http://host:8000/;``) and those that leave it both work.
"""

from __future__ import annotations

import re

from jinja2.ext import Extension
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = re.compile(r"(/[\w.~-]+)+", re.ASCII)
"""What a root path looks like: such as ``/grouping`` or ``/ml/grouping``."""
FORWARDED = "x-forwarded-prefix"
_ADDRESS = re.compile(r'(\b(?:href|action|formaction|src|data-post)=")/(?!/)')


class RootPath:
    """Middleware that takes the root path off requests and puts it before the address of redirects.

    Args:
        app: the application, which sees requests as if there were no root path.
        root_path: the root path; that of the header ``X-Forwarded-Prefix`` where this is empty.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on without the root path, and the answer back with it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        forwarded = Headers(scope=scope).get(FORWARDED, "").rstrip("/")
        root = self.root_path or (forwarded if PREFIX.fullmatch(forwarded) else "")
        path = scope["path"]
        if self.root_path and (path == root or path.startswith(f"{root}/")):
            path = path[len(root) :] or "/"

        async def send_with_root(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                address = headers.get("location", "")
                if address.startswith("/") and not address.startswith("//"):
                    headers["location"] = f"{root}{address}"
            await send(message)

        await self.app({**scope, "path": path, "root": root}, receive, send_with_root if root else send)


class AddressesBelowRoot(Extension):
    """Has templates put the root path before addresses in attributes; they write ``href="/jobs"``."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the source of a template with the root path in its addresses."""
        return _ADDRESS.sub(r"\1{{ request.scope.root }}/", source)
