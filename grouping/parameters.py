"""Parameters of methods, strategies and trainers: dataclasses whose annotated fields Pydantic checks."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from grouping.errors import InvalidInputError

T = TypeVar("T")
UNEXPECTED = "unexpected_keyword_argument"
"""Pydantic's name of the error that a dataclass has no such field."""


def schema_of(cls: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a dataclass of parameters; it allows no fields but those declared."""
    schema = _adapter(cls).json_schema()
    allowed: dict[str, Any] = {
        "type": "object",
        "properties": schema.get("properties", {}),
        "additionalProperties": False,
    }
    return allowed | {key: schema[key] for key in ("required", "$defs") if key in schema}


def build(cls: type[T], given: Mapping[str, Any], *, what: str, pointer: str = "") -> T:
    """Build an object of a dataclass from values of its fields; those left out have their defaults.

    Args:
        cls: a dataclass whose fields are annotated for Pydantic.
        given: values by the name of the field.
        what: name of the object for people, such as ``strategy adaptive``.
        pointer: JSON pointer to the parameters within the user's request.

    Raises:
        InvalidInputError: if there is no such field, or a value is not allowed, pointing at it.
    """
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if unknown := sorted(set(given) - set(known)):
        raise InvalidInputError(_unknown(what, ", ".join(unknown), unknown[0], known), pointer=pointer)
    try:
        return _adapter(cls).validate_python(dict(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        text = f"The {what} cannot use its parameter {where}: {first['msg']}."
        within = _dataclass_at(cls, first["loc"][:-1]) if first["type"] == UNEXPECTED else None
        if within is not None:
            nested = [field.name for field in dataclasses.fields(within)]
            text = _unknown(what, where, str(first["loc"][-1]), nested)
        raise InvalidInputError(text, pointer=f"{pointer}/{where}") from error


def _unknown(what: str, names: str, first: str, known: Sequence[str]) -> str:
    """Say that there is no such parameter, and name the nearest one."""
    takes = f"its parameters are {', '.join(known)}" if known else "it takes no parameters"
    near = difflib.get_close_matches(first, known, n=1)
    advice = f"did you mean {near[0]}? {takes[0].upper()}{takes[1:]}" if near else takes
    return f"The {what} does not know {names}: {advice}."


def _dataclass_at(cls: type[Any], path: Sequence[str | int]) -> type[Any] | None:
    """Return the dataclass of the field at a path, if it is one."""
    found: Any = cls
    for name in path:
        if not dataclasses.is_dataclass(found):
            return None
        hint = get_type_hints(found).get(str(name))
        found = next((one for one in (hint, *get_args(hint)) if dataclasses.is_dataclass(one)), None)
    return found if isinstance(found, type) and dataclasses.is_dataclass(found) else None


def _adapter(cls: type[T]) -> TypeAdapter[T]:
    """Return the checker of a dataclass; making one takes milliseconds, and trials come by the thousand."""
    found: TypeAdapter[T] = _cached_adapter(cls)
    return found


_cached_adapter: Callable[[Any], TypeAdapter[Any]] = functools.lru_cache(maxsize=256)(TypeAdapter)
