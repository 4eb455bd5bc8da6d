"""Wire types made from a dataclass of the domain: its fields, their bounds and descriptions.

`requested` makes a request, strict and within bounds; `answered` an answer without a check of bounds, since
values stored under older bounds are still read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import AfterValidator, BaseModel, Field, create_model

from grouping.domain.fields import AskedAtMost, Declared, Pattern, declared, find, plain
from grouping.wire.base_types import JsonObject, PlainText

M = TypeVar("M", bound=BaseModel)
Nested = Mapping[type, type[BaseModel]]
"""The wire type of each dataclass that a field may hold."""


class Derived:
    """Base class of wire types whose fields are made by code, so that type checkers accept any."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def requested(
    source: type, *, nested: Nested, without: frozenset[str] = frozenset(), is_partial: bool = False
) -> Callable[[type[M]], type[M]]:
    """Return a decorator that adds the fields of a dataclass to a request, after the class's own.

    Args:
        source: the dataclass.
        nested: wire types of the dataclasses in it.
        without: fields to leave out.
        is_partial: whether every field is optional; None where left out.
    """

    def made(field: Declared) -> tuple[Any, Any]:
        kind = _request_type(field.kind, field.metadata, nested)
        may_miss = is_partial or field.is_optional or (field.shown is not None and field.shown.left_out)
        said: dict[str, Any] = {}
        if field.doc:
            said["description"] = field.doc if is_partial else field.description
        if may_miss:
            return kind | None, Field(default=None, **said)
        if field.default is MISSING:
            return kind, Field(**said)
        if type(field.default) in nested:
            return kind, Field(default_factory=nested[type(field.default)], **said)
        if isinstance(field.default, (tuple, Mapping)):
            plain_kind = list if isinstance(field.default, tuple) else dict
            return kind, Field(default_factory=lambda: plain_kind(field.default), **said)
        return kind, Field(default=field.default, **said)

    return _adding(source, made, without)


def answered(
    source: type, *, nested: Nested, without: frozenset[str] = frozenset()
) -> Callable[[type[M]], type[M]]:
    """Return a decorator that adds the fields of a dataclass to an answer; see `requested`."""

    def made(field: Declared) -> tuple[Any, Any]:
        kind = _answer_type(field.kind, nested)
        said: dict[str, Any] = {"description": field.doc} if field.doc else {}
        return (kind | None if field.is_optional else kind), Field(**said)

    return _adding(source, made, without)


def _adding(
    source: type, made: Callable[[Declared], tuple[Any, Any]], without: frozenset[str]
) -> Callable[[type[M]], type[M]]:
    def add(model: type[M]) -> type[M]:
        own = {*model.model_fields, *without}
        fields: Any = {name: made(field) for name, field in declared(source).items() if name not in own}
        return create_model(
            model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **fields
        )

    return add


def _request_type(kind: Any, metadata: tuple[object, ...], nested: Nested) -> Any:
    """Return the type of a request for a type of the domain, with its metadata as Pydantic takes them."""
    rules: list[Any] = [rule for rule in metadata if isinstance(rule, (Ge, Gt, Le, MinLen, MaxLen))]
    if asked := find(metadata, AskedAtMost):
        rules.append(Le(asked.le))
    if pattern := find(metadata, Pattern):
        text = _matching(pattern)
        return Annotated[text, *rules] if rules else text  # says which characters there may be
    base = _plain_type(kind, lambda part: _request_type(*_described(part), nested), nested)
    return Annotated[base, *rules] if rules else base


def _matching(pattern: Pattern) -> Any:
    """Return the type of a text that matches a pattern; its refusal tells the words of the pattern."""
    if not pattern.said:
        return Annotated[str, Field(pattern=pattern.regex)]

    def matching(value: str) -> str:
        if fault := pattern.fault(value):
            raise ValueError(fault)
        return value

    return Annotated[str, AfterValidator(matching), Field(json_schema_extra={"pattern": pattern.regex})]


def _described(annotation: Any) -> tuple[Any, tuple[object, ...]]:
    kind, metadata, _ = plain(annotation)
    return kind, metadata


def _answer_type(kind: Any, nested: Nested) -> Any:
    return _plain_type(kind, lambda part: _answer_type(plain(part)[0], nested), nested, is_request=False)


def _plain_type(kind: Any, inner: Callable[[Any], Any], nested: Nested, *, is_request: bool = True) -> Any:
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return list[inner(arguments[0])]  # type: ignore[misc]
    if get_origin(kind) is Mapping:
        if arguments[1] is Any:
            return JsonObject if is_request else dict[str, Any]
        return dict[inner(arguments[0]), inner(arguments[1])]  # type: ignore[misc]
    if kind in nested:
        return nested[kind]
    if not is_request:
        return kind
    if kind is str:
        return PlainText
    return Annotated[kind, Field(strict=False)] if issubclass(kind, Enum) else kind
