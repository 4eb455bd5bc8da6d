"""What the pages of the API reference show: read from the OpenAPI document, and from nothing else."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
_REF = "#/components/schemas/"
_TEXTS = ("text", "0123456789abcdef" * 2, "https://host.example/path", "1")
"""Texts for examples, of which the first that fits is taken."""
_FORMATS = {"date-time": "time (RFC 3339)", "binary": "file"}
_DEEPEST = 6
"""Objects within objects that an example shows; a schema may contain itself."""
_FLAT_LIST = re.compile(r"\[\n[^\[\]{}]*\n *\]")
_BREAK = re.compile(r"\n *")
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the words for a kind of value; it names a type that is described below, or none."""

    text: str
    type_name: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter, or a field of an object.

    Attributes:
        place: where a parameter stands: path, query or header; empty for a field.
        kind: words for the values that it takes.
        bounds: sentence that says their limits; empty without any.
        default: what counts if it is left out, as JSON; None if there is none.
    """

    name: str
    kind: tuple[Piece, ...]
    is_required: bool
    description: str
    bounds: str
    default: str | None
    place: str = ""


@dataclass(frozen=True, slots=True)
class NamedType:
    """A type of the document: an object with its fields, or one of some words.

    Attributes:
        is_sent: whether callers send it; in answers every field is there.
    """

    name: str
    description: str
    members: tuple[Member, ...]
    words: tuple[str, ...]
    is_sent: bool


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent, or answered, as one media type.

    Attributes:
        examples: text by title.
    """

    media_type: str
    kind: tuple[Piece, ...]
    members: tuple[Member, ...]
    examples: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer by its status; an error has no body of its own."""

    status: str
    description: str
    bodies: tuple[Body, ...]
    headers: Mapping[str, str]

    @property
    def is_error(self) -> bool:
        """Whether it is a problem document."""
        return self.status[0] in "45"


@dataclass(frozen=True, slots=True)
class Operation:
    """A request that the API answers.

    Attributes:
        scope: scope that a token needs; empty where none is asked for.
        types: the types that its bodies name, and those that these name.
    """

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    scope: str
    parameters: tuple[Member, ...]
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]
    types: tuple[NamedType, ...]

    def curl(self, base_url: str, *, with_token: bool) -> str:
        """Return a command that sends the request; what is in capitals is to be replaced.

        Args:
            base_url: address of the service, without a slash at its end.
            with_token: whether the service asks for a token.
        """
        path = self.path
        for one in self.parameters:
            path = path.replace(f"{{{one.name}}}", one.name.upper())
        query = "&".join(
            f"{one.name}={one.name.upper()}"
            for one in self.parameters
            if one.place == "query" and one.is_required
        )
        address = f"{base_url}{path}{'?' if query else ''}{query}"
        lines = ["curl" if self.method == "GET" else f"curl -X {self.method}"]
        if with_token and self.scope:
            lines.append('  -H "Authorization: Bearer $GROUPING_API_TOKEN"')
        if self.bodies:
            body = next((one for one in self.bodies if one.examples), self.bodies[0])
            lines.append(f"  -H 'Content-Type: {body.media_type}'")
            text = next(iter(body.examples.values()), None)
            lines.append("  --data-binary @FILE" if text is None else f"  --data-binary {shlex.quote(text)}")
        return " \\\n".join((*lines, f"  {shlex.quote(address)}"))


def operations_by_tag(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """List the operations by tag, in the order of the document; each with the facts of an `Operation`."""
    found: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, method, stated in _stated(document):
        found.setdefault(stated["tags"][0], []).append(_facts(path, method, stated))
    return {tag: listed for tag, listed in found.items() if listed}


def find_operation(document: Mapping[str, Any], operation_id: str) -> Operation | None:
    """Describe one operation; None if there is none with that identifier."""
    schemas = document["components"]["schemas"]
    for path, method, stated in _stated(document):
        if stated["operationId"] != operation_id:
            continue
        parameters = tuple(
            _member(one["name"], {**one["schema"], **_described(one)}, one["required"], one["in"])
            for one in stated.get("parameters", ())
        )
        sent = stated.get("requestBody", {}).get("content", {})
        answers = tuple(
            Answer(
                status,
                "" if (words := told["description"]) == "Successful Response" else words,
                () if status[0] in "45" else _bodies(told.get("content", {}), schemas),
                {name: header.get("description", "") for name, header in told.get("headers", {}).items()},
            )
            for status, told in sorted(stated["responses"].items())
        )
        of_sent = _reached(
            [one["schema"] for one in (*stated.get("parameters", ()), *sent.values())], schemas
        )
        of_answers = _reached(
            [
                one["schema"]
                for status, told in sorted(stated["responses"].items())
                for one in told.get("content", {}).values()
                if status[0] not in "45"
            ],
            schemas,
        )
        return Operation(
            parameters=parameters,
            bodies=_bodies(sent, schemas),
            answers=answers,
            types=tuple(
                _named_type(name, schemas[name], is_sent=name in of_sent)
                for name in dict.fromkeys((*of_sent, *of_answers))
            ),
            **_facts(path, method, stated),
        )
    return None


def problem_members(document: Mapping[str, Any]) -> tuple[Member, ...]:
    """Return the fields of an error."""
    return _members(document["components"]["schemas"]["ProblemOut"])


def _stated(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, stated in operations.items():
            yield path, method.upper(), stated


def _described(stated: Mapping[str, Any]) -> dict[str, str]:
    return {"description": stated["description"]} if "description" in stated else {}


def _facts(path: str, method: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": stated["operationId"],
        "method": method,
        "path": path,
        "tag": stated["tags"][0],
        "summary": stated["summary"],
        "description": stated["description"],
        "scope": next((one["bearer"][0] for one in stated["security"] if "bearer" in one), ""),
    }


def _bodies(content: Mapping[str, Any], schemas: Mapping[str, Schema]) -> tuple[Body, ...]:
    """Describe the bodies by media type, JSON first."""
    found = []
    for media_type, stated in sorted(content.items(), key=lambda item: item[0] != JSON):
        schema = stated["schema"]
        found.append(
            Body(media_type, kind_of(schema), _members(schema), _examples(media_type, stated, schemas))
        )
    return tuple(found)


def _examples(media_type: str, stated: Mapping[str, Any], schemas: Mapping[str, Schema]) -> dict[str, str]:
    given = {one["summary"]: one["value"] for one in stated.get("examples", {}).values()}
    if "example" in stated:
        given = {"Example": stated["example"]}
    if not given and media_type == JSON:
        given = {"Its form, with values made up": example_of(stated["schema"], schemas)}
    return {title: value if isinstance(value, str) else _pretty(value) for title, value in given.items()}


def _pretty(value: Any) -> str:
    """Write JSON for people: lists of numbers and words on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _FLAT_LIST.sub(lambda found: _BREAK.sub(" ", found[0]).replace("[ ", "[", 1)[:-2] + "]", text)


def kind_of(schema: Schema) -> tuple[Piece, ...]:
    """Return words for the values that a schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return (Piece(name, name),)
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        pieces: list[Piece] = []
        for one in alternatives:
            pieces += ([Piece(" or ")] if pieces else []) + list(kind_of(one))
        return tuple(pieces)
    if "const" in schema:
        return (Piece(json.dumps(schema["const"])),)
    if "enum" in schema:
        return (Piece(" or ".join(json.dumps(word) for word in schema["enum"])),)
    kind: str = schema.get("type", "any value")
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return (Piece("list of "), *kind_of(schema["items"]))
    if kind == "array":
        return (Piece("list"),)
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return (Piece("by name: "), *kind_of(schema["additionalProperties"]))
    words = _FORMATS.get(schema.get("format", ""), kind)
    return (Piece(words),)


def bounds_of(schema: Schema) -> str:
    """Return the limits of the values that a schema allows, as one phrase; empty without any."""
    found: list[str] = []
    for one in _alternatives(schema):
        low, high = one.get("minimum"), one.get("maximum")
        above, below = one.get("exclusiveMinimum"), one.get("exclusiveMaximum")
        found += [
            words
            for words, is_said in (
                (f"at least {_number(low)}", low is not None),
                (f"above {_number(above)}", above is not None),
                (f"at most {_number(high)}", high is not None),
                (f"below {_number(below)}", below is not None),
                (f"{one.get('minLength')} characters or more", one.get("minLength", 0) > 1),
                ("not empty", one.get("minLength") == 1 or one.get("minItems") == 1),
                (f"at most {one.get('maxLength')} characters", "maxLength" in one),
                (f"at least {one.get('minItems')} items", one.get("minItems", 0) > 1),
                (f"at most {one.get('maxItems')} items", "maxItems" in one),
                (f"at most {one.get('maxProperties')} names", "maxProperties" in one),
                (f"like {one.get('pattern')}", "pattern" in one),
            )
            if is_said
        ]
        for within, word in ((one.get("items"), "each"), (one.get("additionalProperties"), "each value")):
            if isinstance(within, Mapping) and (said := bounds_of(within)):
                found.append(f"{word} {said}")
    return ", ".join(dict.fromkeys(found))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.15g}".removesuffix(".0")


def _alternatives(schema: Schema) -> Sequence[Schema]:
    return schema.get("anyOf") or schema.get("oneOf") or (schema,)


def _members(schema: Schema) -> tuple[Member, ...]:
    required = schema.get("required", ())
    return tuple(_member(name, one, name in required) for name, one in schema.get("properties", {}).items())


def _member(name: str, schema: Schema, is_required: bool, place: str = "") -> Member:
    default = json.dumps(schema["default"]) if "default" in schema else None
    description = schema.get("description", "")
    return Member(name, kind_of(schema), is_required, description, bounds_of(schema), default, place)


def _named_type(name: str, schema: Schema, *, is_sent: bool) -> NamedType:
    words = tuple(schema.get("enum", ()))
    return NamedType(name, schema.get("description", ""), _members(schema), words, is_sent)


def _reached(schemas: Sequence[Schema], named: Mapping[str, Schema]) -> list[str]:
    """Return the types that schemas name, and those that these name, in the order in which they are met."""
    found: dict[str, None] = {}
    waiting = [*schemas]
    while waiting:
        schema = waiting.pop(0)
        name = schema.get("$ref", "").removeprefix(_REF)
        if name and name not in found:
            found[name] = None
            waiting.append(named[name])
        waiting += schema.get("properties", {}).values()
        waiting += [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("prefixItems", ())]
        waiting += [
            one for key in ("items", "additionalProperties") if isinstance(one := schema.get(key), Mapping)
        ]
    return [*found]


def example_of(schema: Schema, named: Mapping[str, Schema], depth: int = 0) -> Any:
    """Return a value that a schema allows, with every field that it names.

    Numbers and texts are made up; what would be deeper than `_DEEPEST` objects is left out where it may be.
    """
    if "$ref" in schema:
        return example_of(named[schema["$ref"].removeprefix(_REF)], named, depth)
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    for listed in ("examples", "enum", "anyOf", "oneOf"):
        if schema.get(listed):
            first = schema[listed][0]
            return example_of(first, named, depth) if listed in ("anyOf", "oneOf") else first
    kind = schema.get("type")
    if kind == "object":
        return _example_object(schema, named, depth)
    if kind == "array":
        if "prefixItems" in schema:
            return [example_of(one, named, depth) for one in schema["prefixItems"]]
        n_items = max(schema.get("minItems", 0), 0 if depth > _DEEPEST else 1)
        item = schema.get("items")
        return [example_of(item, named, depth) for _ in range(n_items)] if isinstance(item, Mapping) else []
    return _example_scalar(schema)


def _example_object(schema: Schema, named: Mapping[str, Schema], depth: int) -> dict[str, Any]:
    required = schema.get("required", ())
    shown = {
        name: example_of(one, named, depth + 1)
        for name, one in schema.get("properties", {}).items()
        if name in required or depth <= _DEEPEST
    }
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping) and depth <= _DEEPEST:
        shown["NAME"] = example_of(values, named, depth + 1)
    return shown


def _example_scalar(schema: Schema) -> Any:
    kind = schema.get("type")
    if kind == "string":
        if schema.get("format") == "date-time":
            return "2026-01-31T12:00:00Z"
        pattern = schema.get("pattern", "")
        return next((text for text in _TEXTS if re.search(pattern, text)), _TEXTS[0])
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + (0.5 if kind == "number" else 1))
        value = max(low, 1 if kind == "integer" else 0.5)
        value = min(value, schema.get("maximum", value))
        return int(value) if kind == "integer" else value
    return {"boolean": True, "null": None}.get(kind or "null")
