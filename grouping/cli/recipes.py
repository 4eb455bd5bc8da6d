"""The parts of a recipe as they are written on the command line: ``NAME`` or ``NAME:PARAMETER=VALUE,...``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from grouping.errors import InvalidInputError

Encoder = Annotated[str | None, typer.Option(help="NAME[:KEY=VALUE,...]; see: grouping recipes")]
Sharing = Annotated[str | None, typer.Option(help="Likewise: which layers the tasks share.")]
Weighting = Annotated[str | None, typer.Option(help="Likewise: how the losses are combined.")]
Schedule = Annotated[str | None, typer.Option(help="Likewise: which tasks are trained when.")]
Optimiser = Annotated[str | None, typer.Option(help="Likewise: what takes the steps.")]
Hidden = Annotated[list[int] | None, typer.Option(help="Width of a stage at full size; repeat, in order.")]
LearningRate = Annotated[float | None, typer.Option(help="Of the optimiser, at the start.")]
BatchSize = Annotated[int | None, typer.Option(help="Rows per gradient step.")]


def recipe_request(methods: Mapping[str, str | None], **plain: Any) -> dict[str, Any]:
    """A recipe as the API takes it, of what was given on the command line.

    Args:
        methods: by part, as written; None where nothing was given.
        plain: further fields, None or empty where nothing was given.

    Raises:
        InvalidInputError: if a method cannot be understood.
    """
    chosen = {part: parse_method(text, part) for part, text in methods.items() if text is not None}
    return chosen | {name: value for name, value in plain.items() if value not in (None, [])}


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
