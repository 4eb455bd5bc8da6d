"""Declared fields of dataclasses: type, bounds, description and names of a field, stated once.

A field is annotated, as in ``n_seeds: Annotated[int, Ge(1), Shown("Seeds", "--seeds")]``; what it is stands
in the docstring of its class, under ``Attributes``.
`check` holds an object to its bounds; requests over HTTP, the form of the web view and the options of the
commands are made from `declared`.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Gt, Le, MaxLen, MinLen

from grouping.errors import InvalidInputError

STRICT: Mapping[str, str] = {"extra": "forbid"}
"""Refuses fields that a dataclass does not have, where Pydantic builds it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """Name of a field in the form and on the command line.

    Attributes:
        label: name in a form.
        option: name on the command line, such as ``--seeds``; empty where it has none.
        left_out: value if left out, in words, where that follows from the problem and not from the default.
    """

    label: str
    option: str
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Bound on a text: it matches this regular expression.

    Attributes:
        regex: the expression.
        said: what that means, for people, to follow "write"; the expression itself is told where it is empty.
    """

    regex: str
    said: str = ""

    def fault(self, value: str) -> str:
        """Say what is wrong with a text; empty where it matches."""
        if re.fullmatch(self.regex, value):
            return ""
        return f"{value[:50]!r} is none{f'; write {self.said}' if self.said else ''}"


@dataclass(frozen=True, slots=True)
class AskedAtMost:
    """Upper bound over HTTP and on the command line; the domain itself accepts more."""

    le: float


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """Declaration of one field.

    Attributes:
        name: name of the field.
        kind: type of the field without its metadata; parts of the type may be annotated themselves.
        metadata: metadata of its annotation.
        doc: description, from the attributes in the docstring of the class.
        default: default value; `MISSING` where a value is required.
        is_optional: whether None is allowed.
    """

    name: str
    kind: Any
    metadata: tuple[object, ...]
    doc: str
    default: Any
    is_optional: bool

    @property
    def description(self) -> str:
        """Description of the field and of its value if left out."""
        left_out = self.shown.left_out if self.shown is not None else ""
        return f"{self.doc.rstrip('.')}; {left_out} if left out." if left_out else self.doc

    @property
    def shown(self) -> Shown | None:
        """Name in form and command line; None where the field is not shown by itself."""
        return find(self.metadata, Shown)

    @property
    def is_many(self) -> bool:
        """Whether it holds several values in order."""
        return get_origin(self.kind) is tuple

    @property
    def is_mapping(self) -> bool:
        """Whether it holds values by name."""
        return get_origin(self.kind) is Mapping

    @property
    def item(self) -> Any:
        """Type of a single value, where the field holds several or a mapping; else the field's type."""
        arguments = get_args(self.kind)
        if not (self.is_many or self.is_mapping):
            return self.kind
        return plain(arguments[1] if self.is_mapping else arguments[0])[0]

    def text(self, value: Any) -> str:
        """Format a value as people write it, such as the default, and no less exactly; empty for none."""
        if isinstance(value, tuple):
            return ", ".join(map(self.text, value))
        if isinstance(value, Mapping):
            return "; ".join(f"{key}: {self.text(item)}" for key, item in value.items())
        if isinstance(value, float):
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
        return "" if value is MISSING or value is None else str(value)

    @property
    def default_text(self) -> str:
        """Default value in words."""
        left_out = "" if self.shown is None else self.shown.left_out
        return left_out or self.text(self.default)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Least and largest value, of the field or each of its values; None where unbounded or exclusive."""
        arguments = get_args(self.kind)
        inner = plain(arguments[0])[1] if self.is_many else ()
        said = (*self.metadata, *inner)
        least, most = find(said, Ge), find(said, Le) or find(said, AskedAtMost)
        return (None if least is None else least.ge, None if most is None else most.le)  # type: ignore[return-value]


def find(metadata: Iterable[object], kind: type[T]) -> T | None:
    """Return the first piece of metadata of one type, or None."""
    return next((item for item in metadata if isinstance(item, kind)), None)


def plain(annotation: Any) -> tuple[Any, tuple[object, ...], bool]:
    """Split a type into type without metadata, the metadata, and whether None is allowed."""
    metadata: tuple[object, ...] = ()
    is_optional = False
    while True:
        if get_origin(annotation) is Annotated:
            for item in annotation.__metadata__:
                metadata += tuple(item) if isinstance(item, GroupedMetadata) else (item,)
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
            is_optional = True
            (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
        else:
            return annotation, metadata, is_optional


@cache
def declared(source: type) -> Mapping[str, Declared]:
    """Return the declared fields of a dataclass, by name and in order."""
    hints, docs = get_type_hints(source, include_extras=True), _attributes(inspect.getdoc(source) or "")
    found = {}
    for field in fields(source):
        kind, metadata, is_optional = plain(hints[field.name])
        default = field.default if field.default_factory is MISSING else field.default_factory()
        doc = docs.get(field.name, "")
        found[field.name] = Declared(field.name, kind, metadata, doc, default, is_optional)
    return found


def from_plain(source: type[T], data: Mapping[str, Any]) -> T:
    """Build a dataclass from JSON data, from lists and objects; ignore unknown fields.

    Raises:
        TypeError: if an object within has another form than its dataclass.
    """
    known: Mapping[str, Declared] = declared(source)  # type: ignore[arg-type]  # mypy takes no type for hashable
    return source(**{name: _built(known[name].kind, value) for name, value in data.items() if name in known})


def _built(kind: Any, value: Any) -> Any:
    if get_origin(kind) is tuple:
        part = plain(get_args(kind)[0])[0]
        return tuple(_built(part, item) for item in value)
    if get_origin(kind) is Mapping and isinstance(value, Mapping):
        part = plain(get_args(kind)[1])[0]
        return {key: _built(part, item) for key, item in value.items()} if is_dataclass(part) else value
    if isinstance(kind, type) and issubclass(kind, Enum) and isinstance(value, str):
        # What is none of the values is left to the checks of the dataclass, which say what there is.
        return kind(value) if value in {item.value for item in kind} else value
    if get_origin(kind) in (Union, UnionType):
        return _of_union(get_args(kind), value)
    if not is_dataclass(kind) or value is None or type(value) is kind:
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no object")
    made: Any = kind
    known = declared(made)
    return made(**{name: _built(known[name].kind, v) if name in known else v for name, v in value.items()})


def check_types(value: Any) -> None:
    """Hold a dataclass, and all within it, to the types that their fields declare, as after reading JSON.

    Raises:
        TypeError: on the first field with something else; names it.
    """
    hints = get_type_hints(value.__class__, include_extras=True)
    for one in fields(value):
        if not _is_of(getattr(value, one.name), hints[one.name]):
            raise TypeError(f"{one.name} cannot be {str(getattr(value, one.name))[:50]!r}")


def _is_of(value: Any, annotation: Any) -> bool:
    kind, _, is_optional = plain(annotation)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or (value is None and is_optional):
        return True
    if origin is tuple and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(_is_of, value, arguments))
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(item, arguments[0]) for item in value)
    if origin is Mapping:
        pairs = value.items() if isinstance(value, Mapping) else [(None, None)]
        return all(_is_of(key, arguments[0]) and _is_of(item, arguments[1]) for key, item in pairs)
    if origin in (Union, UnionType):
        return any(_is_of(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    if is_dataclass(value) and not isinstance(value, type):
        check_types(value)
    return isinstance(value, origin or kind)


def _of_union(kinds: tuple[Any, ...], value: Any) -> Any:
    """Return a value of one of several types, of which an enumeration is the one that a text may be."""
    named = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum))
    return next(named)(value) if isinstance(value, str) else value


def _attributes(docstring: str) -> Mapping[str, str]:
    """Read the description of each attribute from a docstring, as a sentence."""
    said: dict[str, str] = {}
    name = ""
    for line in docstring.partition("Attributes:\n")[2].splitlines():
        if match := re.match(r" {4}(\w+): (.+)", line):
            name, said[match[1]] = match[1], match[2][0].upper() + match[2][1:]
        elif line.startswith(" " * 8) and name:
            said[name] += f" {line.strip()}"
    return said


def check(value: Any, prefix: str = "") -> None:
    """Hold a dataclass to the bounds that its fields declare.

    Args:
        value: the object.
        prefix: JSON pointer of the object within the whole request.

    Raises:
        InvalidInputError: on the first value out of its bounds; points at its field.
    """
    for name, field in declared(value.__class__).items():
        label = field.shown.label if field.shown is not None else name
        for fault in _faults(getattr(value, name), field.kind, field.metadata):
            raise InvalidInputError(f"{label}: {fault}.", pointer=f"{prefix}/{name}")


def _faults(value: Any, kind: Any, metadata: tuple[object, ...]) -> Iterator[str]:
    if value is None or kind is Any:
        return
    if isinstance(value, float) and not math.isfinite(value):
        yield "numbers must be finite"
    for rule in metadata:
        yield from _broken(value, rule)
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        for item in value:
            yield from _faults(item, *plain(arguments[0])[:2])
    elif get_origin(kind) is Mapping:
        for key, item in value.items():
            yield from _faults(key, *plain(arguments[0])[:2])
            yield from _faults(item, *plain(arguments[1])[:2])


def _broken(value: Any, rule: object) -> Iterator[str]:
    match rule:
        case Ge(ge=limit) if not value >= limit:
            yield f"at least {limit}"
        case Gt(gt=limit) if not value > limit:
            yield f"more than {limit}"
        case Le(le=limit) if not value <= limit:
            yield f"at most {limit}"
        case MinLen(min_length=limit) if len(value) < limit:
            yield f"at least {limit} of them"
        case MaxLen(max_length=limit) if len(value) > limit:
            yield f"at most {limit} of them" if not isinstance(value, str) else f"at most {limit} characters"
        case Pattern() if fault := rule.fault(value):
            yield fault
