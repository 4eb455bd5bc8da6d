"""A recipe on the command line: its parts are written ``NAME`` or ``NAME:PARAMETER=VALUE,...``."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from grouping.domain.recipes import Precision
from grouping.errors import InvalidInputError

Method = str | None
"""A method as written, ``NAME:PARAMETER=VALUE,...``; None where nothing was given."""


def recipe_request(
    recipe: Annotated[
        str, typer.Option(help='Fields of the recipe as JSON: {"weighting": {"name": "equal"}}.')
    ] = "{}",
    epochs: Annotated[
        int | None, typer.Option(help="Of a full training; those of the problem unless given.")
    ] = None,
    hidden: Annotated[
        list[int] | None, typer.Option(help="Width of a stage at full size; repeat, in order.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the optimiser, at the start.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows per gradient step.")] = None,
    encoder: Annotated[Method, typer.Option(help="NAME[:KEY=VALUE,...]; see: grouping recipes")] = None,
    sharing: Annotated[Method, typer.Option(help="Likewise: which layers the tasks share.")] = None,
    weighting: Annotated[Method, typer.Option(help="Likewise: how the losses are combined.")] = None,
    schedule: Annotated[Method, typer.Option(help="Likewise: which tasks are trained when.")] = None,
    optimiser: Annotated[Method, typer.Option(help="Likewise: what takes the steps.")] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="In what numbers layers compute while they are trained.")
    ] = None,
) -> dict[str, Any]:
    """The fields of a recipe that were given on the command line, as the API takes them.

    An option counts more than the same field in `recipe`.

    Raises:
        InvalidInputError: if `recipe` is no JSON object, or a method cannot be understood.
    """
    methods = {
        "encoder": encoder,
        "sharing": sharing,
        "weighting": weighting,
        "schedule": schedule,
        "optimiser": optimiser,
    }
    plain = {
        "epochs": epochs,
        "hidden": hidden,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "precision": None if precision is None else precision.value,
    }
    chosen = {part: parse_method(text, part) for part, text in methods.items() if text is not None}
    return (
        _json_object(recipe)
        | chosen
        | {name: value for name, value in plain.items() if value not in (None, [])}
    )


def with_recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of `recipe_request` in the place of its parameter ``recipe``."""
    options = inspect.signature(recipe_request, eval_str=True).parameters

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        recipe = recipe_request(**{name: given.pop(name) for name in options})
        command(**given, recipe=recipe)

    signature = inspect.signature(command, eval_str=True)
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for own in signature.parameters.values()
        for parameter in (options.values() if own.name == "recipe" else [own])
    ]
    # What Typer reads the options from.
    vars(with_options)["__signature__"] = signature.replace(parameters=parameters)
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def parse_method(text: str, part: str) -> dict[str, Any]:
    """``soft:strength=0.1`` as a name and parameters. Values are read as JSON, and as text if they are none.

    Raises:
        InvalidInputError: if there is no name, or a parameter without a value.
    """
    name, _, rest = text.partition(":")
    if not name.strip():
        raise InvalidInputError(f"--{part} needs a name, such as --{part} NAME:PARAMETER=VALUE.")
    parameters: dict[str, Any] = {}
    for piece in _pieces(rest):
        key, sign, value = piece.partition("=")
        if not sign or not key.strip():
            raise InvalidInputError(f"--{part} {text}: write parameters as NAME=VALUE, not {piece!r}.")
        parameters[key.strip()] = _value(value.strip())
    return {"name": name.strip(), "parameters": parameters}


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
