"""Options of a recipe; its parts are written ``NAME`` or ``NAME:PARAMETER=VALUE,...``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

import typer

from grouping.cli.options.fields import option, option_name, replacing
from grouping.domain.fields import Declared, declared
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.errors import InvalidInputError

_OPTIONS = {option_name(field): field for field in declared(Recipe).values()}
_JSON = inspect.Parameter(
    "recipe",
    inspect.Parameter.KEYWORD_ONLY,
    default="{}",
    annotation=Annotated[
        str, typer.Option(help='Fields of the recipe as JSON: {"weighting": {"name": "equal"}}.')
    ],
)


def recipe_options() -> list[inspect.Parameter]:
    """Build an option for each field of a recipe, and ``--recipe`` for any of them as JSON."""
    return [_JSON, *(_option(field) for field in _OPTIONS.values())]


def _option(field: Declared) -> inspect.Parameter:
    if field.kind is Method:
        return method_option(field, "recipes")
    return option(field, has_default=False)


def method_option(field: Declared, listed_by: str, *, has_default: bool = False) -> inspect.Parameter:
    """The option of what is chosen by name; see `parse_method`.

    Args:
        field: with an option.
        listed_by: the command that lists what there is.
        has_default: whether the help tells what it is unless given.
    """
    info = typer.Option(
        _flag(field),
        help=f"{field.doc} NAME[:KEY=VALUE,...]; see: grouping {listed_by}",
        show_default=has_default and field.default_text,
    )
    return option(field, has_default=False).replace(annotation=Annotated[str | None, info])


def _flag(field: Declared) -> str:
    """Return the option of a field, such as ``--learning-rate-schedule``."""
    return field.shown.option if field.shown is not None and field.shown.option else f"--{field.name}"


def recipe_request(recipe: str = "{}", **options: Any) -> dict[str, Any]:
    """Return the fields of a recipe that were given on the command line, as the API accepts them.

    An option overrides the same field in `recipe`.

    Raises:
        InvalidInputError: if `recipe` is no JSON object, or a method cannot be understood.
    """
    given = {_OPTIONS[name]: value for name, value in options.items() if value not in (None, [])}
    return _json_object(recipe) | {field.name: _value_of(field, value) for field, value in given.items()}


def _value_of(field: Declared, value: Any) -> Any:
    if field.kind is Method:
        return parse_method(value, _flag(field).removeprefix("--"))
    return value.value if isinstance(value, Enum) else value


def with_recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the parameter ``recipe`` of a command by the options of a recipe."""
    return replacing(command, "recipe", recipe_options(), recipe_request)


def parse_method(text: str, part: str) -> dict[str, Any]:
    """Parse a method such as ``soft:strength=0.1``; values that are not JSON are texts.

    Raises:
        InvalidInputError: if there is no name, or a parameter without a value.
    """
    name, parameters = parse_named(text, part)
    return {"name": name, "parameters": parameters}


def parse_named(text: str, option: str) -> tuple[str, dict[str, Any]]:
    """Split ``NAME:KEY=VALUE,...`` into the name and the values, which are texts unless they are JSON.

    Args:
        text: what was given.
        option: name of the option without its dashes, for messages.

    Raises:
        InvalidInputError: if there is no name, or a key without a value.
    """
    name, _, rest = text.partition(":")
    if not name.strip():
        raise InvalidInputError(f"--{option} needs a name, such as --{option} NAME:PARAMETER=VALUE.")
    values: dict[str, Any] = {}
    for piece in _pieces(rest):
        key, sign, value = piece.partition("=")
        if not sign or not key.strip():
            raise InvalidInputError(f"--{option} {text}: write parameters as NAME=VALUE, not {piece!r}.")
        values[key.strip()] = _value(value.strip())
    return name.strip(), values


def _pieces(text: str) -> list[str]:
    """Split at commas outside brackets and quotes, so that a value may be a list or an object."""
    pieces, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character in "[{") - (character in "]}")
            if character == "," and depth == 0:
                pieces.append(text[start:position])
                start = position + 1
    return [piece for piece in [*pieces, text[start:]] if piece.strip()]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _json_object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"--recipe is no JSON: {error}.") from error
    if not isinstance(given, dict):
        raise InvalidInputError("--recipe is a JSON object.")
    return given
