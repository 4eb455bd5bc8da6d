"""Base types of requests and answers: strict input, output read from the domain, numbers, errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from grouping.domain.networks import Network

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 16

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Input(BaseModel):
    """Base class of requests and their parts: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Joined:
    """Several objects read as one: an attribute is that of the first object which has it."""

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def __getattr__(self, name: str) -> Any:
        for part in self._parts:
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(name)


class Output(BaseModel):
    """Base class of answers and their parts, read from a domain object with these attributes.

    Where the attribute of the domain object has another name, the field's `validation_alias` is that name.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        from_attributes=True,
        validate_by_alias=True,
        validate_by_name=True,
        json_schema_serialization_defaults_required=True,
    )

    @classmethod
    def read(cls, source: object = None, /, *, tasks: Sequence[str] = (), **beside: Any) -> Self:
        """Read the answer from a domain object.

        Args:
            source: the domain object; None if all attributes are given in `beside`.
            tasks: all tasks in display order, where the answer names networks.
            **beside: further attributes, which come before those of `source`.

        Raises:
            ValidationError: if an attribute is missing, which is a defect of this program.
        """
        whole = Joined(SimpleNamespace(**beside), source) if beside else source
        return cls.model_validate(whole, context={"tasks": tuple(tasks)})


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _asked(value: Any) -> Any:
    return value() if callable(value) else value


def _named(value: Any, info: ValidationInfo) -> Any:
    return value.name(_order(info)) if isinstance(value, Network) else value


def _grouped(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, frozenset):
        return value
    return [task for task in _order(info) or sorted(value) if task in value]


def _order(info: ValidationInfo) -> Sequence[str] | None:
    return (info.context or {}).get("tasks") or None


Finite = Annotated[float | None, BeforeValidator(_finite)]
"""A number of an answer: null where the domain has NaN, infinity or None. Requests refuse all but numbers."""
Listed = BeforeValidator(_listed)
"""The field is a list, from an array."""
Row = Annotated[list[Finite], Listed]
"""Numbers, from an array ``[T]``."""
Rows = Annotated[list[Row], Listed]
"""Numbers in rows, from an array ``[T, T]``."""
Asked = BeforeValidator(_asked)
"""The field is what a method of the domain object gives."""
NextPage = Annotated[
    str | None,
    Field(validation_alias="next_token", description="Give it back as `page_token`; null on the last page."),
]
Sentence = Annotated[str, Asked]
Sentences = Annotated[list[str], Asked]
NetworkLabel = Annotated[str, BeforeValidator(_named)]
"""The name of a network, its tasks in display order; see ``tasks`` of `Output.read`."""
Group = Annotated[list[str], BeforeValidator(_grouped)]
"""The tasks of a group, in display order."""


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


def _plain_lines(value: str) -> str:
    lines = value.replace("\r\n", "\n").split("\n")
    return "\n".join(_plain(line.replace("\t", " ")) for line in lines)


PlainLines = Annotated[str, AfterValidator(_plain_lines)]
"""Lines of text that may be shown as they are."""


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


def path_of(place: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return the place of a fault within the input, without marks such as ``(task)`` of alternative types."""
    return tuple(
        part for part in place if not (isinstance(part, str) and part[:1] == "(" and part[-1:] == ")")
    )


def sentence_of(text: str) -> str:
    """A message of the validator as a sentence."""
    text = text.removeprefix("Value error, ")
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


class FaultOut(Output):
    """One fault of a request."""

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
