"""Task attributes as JSON, for the JSON format, Parquet and DataFrames."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

from grouping.domain.tasks import (
    UNSPECIFIED,
    ChosenBy,
    Direction,
    Loss,
    Metric,
    Parameters,
    Scale,
    Task,
    TaskKind,
)
from grouping.errors import InvalidInputError
from grouping.formats.strict_json import (
    read_integer,
    read_list,
    read_mapping,
    read_number,
    read_object,
    read_string,
)

E = TypeVar("E", bound=StrEnum)

MAX_OUTPUTS = 2**31 - 1
_COUNTING = ("scale", "best", "reference", "must_not_worsen", "chosen_by")
"""Attributes that say what the losses of a task count."""


def tasks_to_json(tasks: tuple[Task, ...]) -> list[dict[str, Any]]:
    """Convert all fields of the tasks to JSON, in display order."""
    return [task.as_mapping() for task in tasks]


def tasks_from_json(document: object, pointer: str) -> tuple[Task, ...]:
    """Read the result of `tasks_to_json`; only the name of a task is required.

    Raises:
        InvalidInputError: if it is not such a list; names the place by its JSON pointer.
    """
    tasks = tuple(_task(item, f"{pointer}/{i}") for i, item in enumerate(read_list(document, pointer)))
    if len({task.name for task in tasks}) != len(tasks):
        raise InvalidInputError(f"{pointer} names a task twice.")
    return tasks


def _task(document: object, pointer: str) -> Task:
    optional = ("kind", "loss", "loss_parameters", "metric", "weight", "n_outputs", "reads", *_COUNTING)
    fields = read_object(document, pointer, ("name",), optional)
    n_outputs = read_number(fields.get("n_outputs", 1), f"{pointer}/n_outputs")
    if n_outputs != int(n_outputs) or n_outputs > MAX_OUTPUTS:
        raise InvalidInputError(f"{pointer}/n_outputs must be a whole number of at most {MAX_OUTPUTS}.")
    return Task(
        read_string(fields["name"], f"{pointer}/name"),
        _member(TaskKind, fields.get("kind", TaskKind.UNSPECIFIED), f"{pointer}/kind"),
        Loss(
            read_string(fields.get("loss", UNSPECIFIED.name), f"{pointer}/loss"),
            _parameters(fields.get("loss_parameters", {}), f"{pointer}/loss_parameters"),
        ),
        _metric(fields.get("metric"), f"{pointer}/metric"),
        read_number(fields.get("weight", 1.0), f"{pointer}/weight"),
        int(n_outputs),
        _segments(fields.get("reads", []), f"{pointer}/reads"),
        _scale(fields.get("scale", Scale.NONE), f"{pointer}/scale"),
        read_number(fields.get("best", 1.0), f"{pointer}/best"),
        None if (value := fields.get("reference")) is None else read_number(value, f"{pointer}/reference"),
        _truth(fields.get("must_not_worsen", False), f"{pointer}/must_not_worsen"),
        _member(ChosenBy, fields.get("chosen_by", ChosenBy.LOSS), f"{pointer}/chosen_by"),
    )


def _scale(document: object, pointer: str) -> float | Scale:
    return _member(Scale, document, pointer) if isinstance(document, str) else read_number(document, pointer)


def _truth(document: object, pointer: str) -> bool:
    if not isinstance(document, bool):
        raise InvalidInputError(f"{pointer} must be true or false.")
    return document


def _segments(document: object, pointer: str) -> tuple[int, ...]:
    return tuple(read_integer(item, f"{pointer}/{i}") for i, item in enumerate(read_list(document, pointer)))


def _metric(document: object, pointer: str) -> Metric | None:
    if document is None:
        return None
    fields = read_object(document, pointer, ("name", "direction"), ("parameters", "unit"))
    return Metric(
        read_string(fields["name"], f"{pointer}/name"),
        _member(Direction, fields["direction"], f"{pointer}/direction"),
        _parameters(fields.get("parameters", {}), f"{pointer}/parameters"),
        read_string(fields.get("unit", ""), f"{pointer}/unit"),
    )


def _parameters(document: object, pointer: str) -> Parameters:
    return tuple(
        (read_string(name, pointer), _plain_value(value, f"{pointer}/{name}"))
        for name, value in read_mapping(document, pointer).items()
    )


def _plain_value(document: object, pointer: str) -> str | int | float | bool:
    match document:
        case bool():
            return document
        case str():
            return read_string(document, pointer)
        case int():
            return read_integer(document, pointer)
        case _:
            return read_number(document, pointer)


def _member(kind: type[E], value: object, pointer: str) -> E:
    try:
        return kind(str(value))
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise InvalidInputError(f"{pointer} must be one of {known}.") from None
