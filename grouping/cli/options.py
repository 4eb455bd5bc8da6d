"""Options of a command that are made from what the domain declares: name, type, bounds, default and help."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any

import typer

from grouping.domain.fields import Declared


def option_name(field: Declared) -> str:
    """The name of a field's parameter, such as ``seeds`` for ``--seeds``; empty where it has no option."""
    return "" if field.shown is None else field.shown.option.removeprefix("--").replace("-", "_")


def option(field: Declared, *, has_default: bool) -> inspect.Parameter:
    """The parameter of a command for a field; None where it is not given.

    Args:
        field: with an option.
        has_default: whether the help tells what it is unless given.
    """
    assert field.shown is not None
    is_repeated = field.is_many or field.is_mapping
    kind = str if field.is_mapping else field.item
    help_text = field.doc
    if field.is_mapping:
        help_text += " As NAME=NUMBER."
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
    """The parameters of a function with their annotations, but for some whose types are not imported."""
    names = vars(sys.modules[function.__module__])
    return [
        own.replace(annotation=eval(own.annotation, names))
        for own in inspect.signature(function).parameters.values()
        if own.name not in without
    ]


def replacing(
    command: Callable[..., Any],
    parameter: str,
    options: Sequence[inspect.Parameter],
    gathered: Callable[..., Any],
) -> Callable[..., Any]:
    """A command with several options in the place of one parameter.

    Args:
        command: the command.
        parameter: name of the parameter.
        options: what the command line takes instead.
        gathered: makes the value of the parameter from their values, given by name.
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
