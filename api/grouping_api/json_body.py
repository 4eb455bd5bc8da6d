"""Strict JSON request bodies.

Python's own parser takes ``NaN``, ``Infinity`` and lone surrogates, and recurses; pydantic's refuses all
three and bounds the depth.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import HTTPException
from pydantic_core import from_json

from grouping_api.turns import TurnRoute


class StrictJsonRequest(Request):
    """A request whose body is parsed strictly."""

    async def json(self) -> Any:
        """Parse the body.

        Raises:
            HTTPException: 400 if it is not JSON in the strict sense.
        """
        body = await self.body()
        try:
            return from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise HTTPException(400, f"The body is not valid JSON: {str(error)[:200]}.") from error


class StrictJsonRoute(TurnRoute):
    """A route that takes JSON bodies only, and parses them strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that refuses other content types and parses the body strictly."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if self.body_field is not None and media_type != "application/json":
                raise HTTPException(415, "Send the body as JSON, with Content-Type: application/json.")
            return await handle(StrictJsonRequest(request.scope, request.receive))

        return handle_strictly
