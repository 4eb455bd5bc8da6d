"""Parameters of methods, strategies and trainers: dataclasses whose annotated fields Pydantic checks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from grouping.errors import InvalidInputError

T = TypeVar("T")


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
        takes = f"its parameters are {', '.join(known)}" if known else "it takes no parameters"
        raise InvalidInputError(f"The {what} does not know {', '.join(unknown)}: {takes}.", pointer=pointer)
    try:
        return _adapter(cls).validate_python(dict(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise InvalidInputError(
            f"The {what} cannot use its parameter {where}: {first['msg']}.", pointer=f"{pointer}/{where}"
        ) from error


def _adapter(cls: type[T]) -> TypeAdapter[T]:
    """Return the checker of a dataclass; making one takes milliseconds, and trials come by the thousand."""
    found: TypeAdapter[T] = _cached_adapter(cls)
    return found


_cached_adapter: Callable[[Any], TypeAdapter[Any]] = functools.lru_cache(maxsize=256)(TypeAdapter)
