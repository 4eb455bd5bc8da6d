"""Options of commands, made from fields of the domain: name, type, bounds, default and help."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any

import typer

from grouping.domain.fields import Declared


def option_name(field: Declared) -> str:
    """Return the parameter name of a field, such as ``seeds`` for ``--seeds``; empty without an option."""
    return "" if field.shown is None else field.shown.option.removeprefix("--").replace("-", "_")


def option(field: Declared, *, has_default: bool) -> inspect.Parameter:
    """Build the parameter of a command for a field; its value is None if not given.

    Args:
        field: a field that has an option.
        has_default: whether the help states the default.
    """
    assert field.shown is not None
    is_repeated = field.is_many or field.is_mapping
    kind = str if field.is_mapping else field.item
    help_text = field.doc
    if field.is_mapping:
        help_text += " As SIZE:NAME=AMOUNT,..." if is_dataclass(field.item) else " As NAME=NUMBER."
    if is_repeated:
        help_text += " Repeat for several."
    least, most = field.bounds
    info = typer.Option(
        field.shown.option,
        min=None if field.is_mapping else least,
        max=None if field.is_mapping else most,
        help=help_text,
        show_default=(has_default and field.default_text) or False,
    )
    typed = list[kind] | None if is_repeated else kind | None  # type: ignore[valid-type]
    return inspect.Parameter(
        option_name(field), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[typed, info]
    )


def evaluated(function: Callable[..., Any], *, without: Collection[str]) -> list[inspect.Parameter]:
    """Return a function's parameters with evaluated annotations, without those named in `without`."""
    names = vars(sys.modules[function.__module__])
    return [
        own.replace(annotation=eval(own.annotation, names))  # nosec B307 # annotations of our own code
        for own in inspect.signature(function).parameters.values()
        if own.name not in without
    ]


def replacing(
    command: Callable[..., Any],
    parameter: str,
    options: Sequence[inspect.Parameter],
    gathered: Callable[..., Any],
) -> Callable[..., Any]:
    """Replace one parameter of a command by several options.

    Args:
        command: the command.
        parameter: name of the parameter.
        options: options that the command line accepts instead.
        gathered: function from the values of the options, by name, to the value of the parameter.
    """

    @functools.wraps(command)
    def with_options(**given: Any) -> Any:
        value = gathered(**{own.name: given.pop(own.name) for own in options})
        return command(**given, **{parameter: value})

    signature = inspect.signature(command, eval_str=True)
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for own in signature.parameters.values()
        for each in (options if own.name == parameter else [own])
    ]
    # What Typer reads the options from.
    vars(with_options)["__signature__"] = signature.replace(parameters=parameters)
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options
