"""Options of ``grouping run`` and ``grouping clone``: one for each declared field of a job."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from grouping.cli.options.demands import constraint_options, numbers_by_name, stated_constraints
from grouping.cli.options.fields import option, option_name, replacing
from grouping.cli.options.recipes import method_option, parse_method, recipe_options, recipe_request
from grouping.domain.fields import Declared, declared
from grouping.domain.jobs.specification import CHOICES, NOT_CLONED, JobSpec, TrainingBudget
from grouping.domain.trainings.recipes import BuiltInParameters
from grouping.domain.trainings.resources import StatedResources
from grouping.errors import InvalidInputError

_OWN_CODE = re.compile(r".+\.py:[^:=,]+")
_LISTED_BY = {"strategy": "strategies", "trainer": "trainers"}
_WITHIN: Mapping[str, Mapping[str, Declared]] = {
    name: {option_name(field): field for field in declared(source).values()}
    for name, source in (("training_budget", TrainingBudget), ("resources", StatedResources))
}
"""Options of fields of a field, by the name of that field."""


def is_own_code(text: str) -> bool:
    """Return whether a trainer is code of the user's own, as ``path.py:Name``, not the name of one."""
    return _OWN_CODE.fullmatch(text) is not None


def with_job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the parameter ``asked`` of a command by an option for each field of a job."""
    fields = {**declared(JobSpec), **declared(BuiltInParameters)}
    return _with(command, fields, {"problem"}, has_default=True)


def with_clone_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the parameter ``asked`` by options for what a clone may change; the rest is copied."""
    return _with(command, declared(JobSpec), NOT_CLONED, has_default=False)


def _with(
    command: Callable[..., Any],
    asked_for: Mapping[str, Declared],
    without: Collection[str],
    *,
    has_default: bool,
) -> Callable[..., Any]:
    fields = {
        option_name(field): field
        for name, field in asked_for.items()
        if field.shown is not None and name not in without
    }

    # Of a recipe, what the job itself has an option for is said there.
    of_recipe = [parameter for parameter in recipe_options() if parameter.name not in fields]

    constraints = constraint_options()

    def gathered(**given: Any) -> dict[str, Any]:
        stated = stated_constraints(
            **{parameter.name: given.pop(parameter.name) for parameter in constraints}
        )
        recipe = recipe_request(**{parameter.name: given.pop(parameter.name) for parameter in of_recipe})
        within = {
            name: {field.name: _value(field, given.pop(own)) for own, field in nested.items()}
            for name, nested in _WITHIN.items()
        }
        chosen = {fields[name]: value for name, value in given.items() if value not in (None, [])}
        asked = {field.name: _value(field, value) for field, value in chosen.items()}
        given_within = {
            name: values
            for name, values in within.items()
            if any(value is not None for value in values.values())
        }
        parts = {"recipe": recipe, "constraints": stated}
        return asked | given_within | {name: part for name, part in parts.items() if part}

    options = [_option(field, has_default=has_default) for field in fields.values()]
    for nested in _WITHIN.values():
        options += [option(field, has_default=has_default) for field in nested.values()]
    return replacing(command, "asked", [*options, *constraints, *of_recipe], gathered)


def _option(field: Declared, *, has_default: bool) -> inspect.Parameter:
    if field.name in CHOICES:
        return method_option(field, _LISTED_BY[field.name], has_default=has_default)
    return option(field, has_default=has_default)


def _value(field: Declared, value: Any) -> Any:
    if field.name == "trainer" and is_own_code(value):
        return {"name": value}  # trained here; see `grouping.cli.own_commands`
    if field.name in CHOICES:
        return parse_method(value, field.name)
    if field.item is StatedResources:
        return resources_by_size(value)
    if field.is_mapping:
        return numbers_by_name(field.name, value) if value else None
    return value


def resources_by_size(items: Sequence[str]) -> dict[str, Any]:
    """Parse resources written as ``SIZE:NAME=AMOUNT,...``.

    Raises:
        InvalidInputError: if they are written otherwise.
    """
    found = {}
    for item in items:
        size, _, amounts = item.rpartition(":")
        try:
            found[size.strip()] = dict(StatedResources.parse(amounts).stated)
        except InvalidInputError as error:
            raise InvalidInputError(f"--resources-of {item}: {error}", pointer="/resources_of") from None
    return found
