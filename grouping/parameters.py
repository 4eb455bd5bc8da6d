"""Parameters of methods, strategies and trainers: dataclasses whose fields are annotated with `Field`.

Pydantic checks and converts what users give, and says what is wrong with it. It is imported for that alone:
what is of the declared types already, and within its bounds, such as a recipe of a bundle, is taken as it is.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen

from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def _kept(made_of: Callable[[Any], T]) -> Callable[[Any], T]:
    """Keep what a function makes of classes."""
    return functools.lru_cache(maxsize=256)(made_of)


UNEXPECTED = "unexpected_keyword_argument"
"""Pydantic's name of the error that a dataclass has no such field."""


class _Said:
    """What the JSON Schema of a field says beside its type and bounds."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = dict(said)

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], Any]) -> Any:
        """Add it; Pydantic calls this."""
        return {**handler(core), **self._said}


class _Finite:
    """Refuses infinite numbers, and what is no number."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Add that; Pydantic calls this."""
        return {**handler(source), "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(GroupedMetadata):
    """Bounds and description of a field, or of a part of one, in its annotation; named as Pydantic's own.

    Attributes:
        description: what it is, for people.
        ge, gt, le, lt: bounds of a number.
        min_length, max_length: bounds of the length of a text or a collection.
        allow_inf_nan: whether it may be infinite, or no number.
        json_schema_extra: what its JSON Schema says besides.
    """

    description: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    allow_inf_nan: bool = True
    json_schema_extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __iter__(self) -> Iterator[object]:
        """Yield the parts, as Pydantic reads them."""
        if not self.allow_inf_nan:
            yield _Finite()
        for bound, value in ((Ge, self.ge), (Gt, self.gt), (Le, self.le), (Lt, self.lt)):
            if value is not None:
                yield bound(value)
        if self.min_length is not None:
            yield MinLen(self.min_length)
        if self.max_length is not None:
            yield MaxLen(self.max_length)
        described = {"description": self.description} if self.description else {}
        if said := {**described, **self.json_schema_extra}:
            yield _Said(said)

    def allows(self, value: Any) -> bool:
        """Return whether a value of the declared type keeps to the bounds."""
        size = len(value) if isinstance(value, (str, list, dict)) else 0
        return (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
            and (self.min_length is None or size >= self.min_length)
            and (self.max_length is None or size <= self.max_length)
        )


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
    known = [one.name for one in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if unknown := sorted(set(given) - set(known)):
        raise InvalidInputError(_unknown(what, ", ".join(unknown), unknown[0], known), pointer=pointer)
    if _fits_as_it_is(cls, given):
        return cls(**{name: _copied(value) for name, value in given.items()})
    from pydantic import ValidationError

    try:
        found: T = _adapter(cls).validate_python(dict(given))
        return found
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        text = f"The {what} cannot use its parameter {where}: {first['msg']}."
        within = _dataclass_at(cls, first["loc"][:-1]) if first["type"] == UNEXPECTED else None
        if within is not None:
            nested = [one.name for one in dataclasses.fields(within)]
            text = _unknown(what, where, str(first["loc"][-1]), nested)
        raise InvalidInputError(text, pointer=f"{pointer}/{where}") from error


def _fits_as_it_is(cls: type[Any], given: Mapping[str, Any]) -> bool:
    """Return whether values need neither conversion nor complaint; False where that is not plain."""
    if hasattr(cls, "__post_init__"):
        return False
    kinds, required = _declared(cls)
    return required <= given.keys() and all(_fits(value, kinds[name]) for name, value in given.items())


@_kept
def _declared(cls: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Return the annotations of the fields of a dataclass, and the names of those without a default."""
    required = (
        one.name
        for one in dataclasses.fields(cls)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    )
    return get_type_hints(cls, include_extras=True), frozenset(required)


def _fits(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        rules = kind.__metadata__
        return _fits(value, arguments[0]) and all(isinstance(r, Field) and r.allows(value) for r in rules)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin is list:
        return type(value) is list and all(_fits(one, arguments[0]) for one in value)
    if origin in (dict, Mapping):
        pairs = value.items() if type(value) is dict else ()
        return type(value) is dict and all(
            _fits(k, arguments[0]) and _fits(v, arguments[1]) for k, v in pairs
        )
    if kind is float:
        return type(value) is float and math.isfinite(value)
    return kind in (int, str, bool, NoneType) and type(value) is kind


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (list, dict)) else value


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


@_kept
def _adapter(cls: Any) -> TypeAdapter[Any]:
    """Return the checker of a dataclass; making one takes milliseconds, and trials come by the thousand."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)
