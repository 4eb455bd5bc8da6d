"""The search file of a job, in TOML: what `grouping.use_cases.search_file` reads as the same job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from enum import Enum
from typing import Any

from grouping.domain.constraints import Constraints
from grouping.domain.fields import Declared, declared
from grouping.domain.jobs.specification import CHOICES, DEFINED, PARAMETERS, JobSpec, TrainingBudget
from grouping.domain.jobs.task_definitions import SizeVariant, TaskDefinition
from grouping.domain.trainings.resources import StatedResources
from grouping.use_cases.asked_again import asked_size
from grouping.use_cases.search_file import SHORT_NAMES
from grouping.wire.constraints import ConstraintsOut

_OWN_FORM = {"problem", "tasks", *CHOICES, *DEFINED, *PARAMETERS}


def search_of(spec: JobSpec) -> dict[str, Any]:
    """Return the keys of the search file of a job; what is as by default is left out."""
    short = {long: name for name, long in SHORT_NAMES.items()}
    found: dict[str, Any] = {"problem": spec.problem} if spec.problem else {}
    for choice in CHOICES:
        chosen = spec.chosen(choice)
        parameters = _without_none(dict(chosen.parameters))
        found[choice] = {"name": chosen.name, "parameters": parameters} if parameters else chosen.name
    for name, field in declared(JobSpec).items():
        value = getattr(spec, name)
        follows = field.shown is not None and bool(field.shown.left_out)
        if name in _OWN_FORM or value is None or (value == field.default and not follows):
            continue
        if not (name == "single_sizes" and spec.sizes):
            found[short.get(name, name)] = _plain(value)
    found["tasks"] = [_parts(task) for task in spec.definitions] or list(spec.tasks)
    if spec.sizes:
        found["sizes"] = [asked_size(_parts(size), size) for size in spec.sizes]
    return found


def search_text(spec: JobSpec) -> str:
    """Write the search file of a job in TOML."""
    return "\n".join(_lines(search_of(spec))) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, (TrainingBudget, StatedResources)):
        return _without_none(asdict(value))
    if isinstance(value, Constraints):
        return _set(ConstraintsOut.read(value).model_dump())
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not demanded."""
    return {name: value for name, value in values.items() if value not in (None, False, [], {})}


def _parts(defined: TaskDefinition | SizeVariant) -> dict[str, Any]:
    """Return the fields of a task or a size that are not as by default."""
    source: Any = defined.__class__
    known: Mapping[str, Declared] = declared(source)
    return {
        name: value.value if isinstance(value, Enum) else value
        for name, field in known.items()
        if (value := getattr(defined, name)) is not None and value != field.default
    }


def _without_none(value: Any) -> Any:
    """Leave out what is None in objects: TOML has no word for it, and it means the default."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    tables = {key: value for key, value in data.items() if isinstance(value, list) and _is_tables(value)}
    for key, value in data.items():
        if key not in tables:
            yield f"{_key(key)} = {_value(value)}"
    for key, items in tables.items():
        for item in items:
            yield ""
            yield f"[[{_key(key)}]]"
            for name, value in item.items():
                yield f"{_key(name)} = {_value(value)}"


def _is_tables(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, Mapping) for item in items)


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else _text(name)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
        case _:
            return "[" + ", ".join(map(_value, value)) + "]"


def _text(text: str) -> str:
    """Write a text; what JSON writes as an escape is one in TOML too, and DEL has to be."""
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")
