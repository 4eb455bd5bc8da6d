"""What all schemas share: strict input, finite numbers, times, and the problem document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 16

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Input(BaseModel):
    """A part of a request: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Output(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


def _plain(value: str) -> str:
    for character in value:
        if not character.isprintable() and (
            character < " " or character == "\x7f" or character in "\x85\u2028\u2029"
        ):
            raise ValueError("control characters are not allowed")
        if character in _BIDI_CONTROLS:
            raise ValueError("marks that change the direction of text are not allowed")
    return value


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text that may be shown as it is: without controls and marks that change its direction."""


def check_json_value(value: Any, depth: int = 0) -> Any:
    """Check that a free-form JSON value can be stored and sent again anywhere.

    Raises:
        ValueError: on numbers that are not finite or not exact, controls in texts, and deep nesting.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"values are nested at most {MAX_DEPTH} deep")
    if isinstance(value, str):
        _plain(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("numbers must be finite")
    elif isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        raise ValueError(f"integers must be within {MAX_SAFE_INTEGER} either way")
    elif isinstance(value, list):
        for item in value:
            check_json_value(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _plain(key)
            check_json_value(item, depth + 1)
    return value


JsonObject = Annotated[dict[str, Any], Field(max_length=100), AfterValidator(check_json_value)]


def finite(value: float | None) -> float | None:
    """The number, or None where there is none: answers never hold NaN or infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def moment(seconds: float | None) -> datetime | None:
    """A time in UTC from seconds since 1970."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def moment_of(seconds: float) -> datetime:
    """A time in UTC from seconds since 1970, where it is known to be there."""
    return datetime.fromtimestamp(seconds, UTC)


class FaultOut(Output):
    """One thing that is wrong with a request."""

    pointer: str | None = Field(description="JSON pointer into the body; null when it is not in the body.")
    parameter: str | None = Field(description="Name of the query parameter, path part or header.")
    message: str


class ProblemOut(BaseModel):
    """An error (RFC 9457). Further members may follow, such as `cheapest_cover_snt`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:mtl-grouping:error:not_found"])
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable name of the error, for programs.")
    errors: list[FaultOut]


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its description."""
    meanings = {
        404: "There is no such object.",
        409: "Not possible in the present state.",
        413: "The body is too large.",
        415: "The Content-Type is not one that is taken here.",
        422: "The request breaks a rule; `errors` says which field.",
        503: "The database is not there; try again after `Retry-After` seconds.",
    }
    content: Mapping[str, Any] = {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}
    }
    return {status: {"description": meanings[status], "content": content} for status in statuses}
