"""The form that submits a job: which fields it has, what they mean as a request, and where a fault belongs.

The form has a field for every parameter of every method; only those of the methods that are chosen are read.
A field that is left empty asks for the default, so the form needs no more than the API does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from grouping.domain.fields import declared
from grouping.domain.jobs import DEFAULT_STRATEGY
from grouping.domain.recipes import Part, Recipe
from grouping.errors import InvalidInputError
from grouping.problems.problem import Problem
from grouping.recipes import list_methods
from grouping.strategies import list_strategies
from grouping.wire.requests import JobRequest
from grouping_api.errors import sentence_of
from grouping_api.web.job_entries import ENTRIES, Entry


@dataclass(frozen=True, slots=True)
class ParameterField:
    """A field for one parameter of one method.

    Attributes:
        name: of the field: choice, method and parameter.
        label: for people.
        hint: what it does, and its default.
        options: the values there are; empty where any text may be tried.
        default: shown where nothing is entered.
    """

    name: str
    label: str
    hint: str
    options: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """A method that can be chosen, with the fields of its parameters."""

    name: str
    title: str
    description: str
    fields: tuple[ParameterField, ...]


@dataclass(frozen=True, slots=True)
class MethodQuestion:
    """A question with a method for an answer.

    Attributes:
        name: of the field.
        label: for people.
        default: name of the method that is taken unless another is chosen.
        methods: all there are.
    """

    name: str
    label: str
    default: str
    methods: tuple[MethodChoice, ...]


@dataclass(frozen=True)
class JobForm:
    """The form as it is shown.

    Attributes:
        problem: whose tasks are offered.
        values: what was entered, by field; several values for the tasks.
        faults: what is wrong, by field; that of no field under the empty name.
    """

    problem: Problem
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """What was entered into a field; empty for nothing."""
        return next(iter(self.values.get(name, ())), "")

    def has_task(self, task: str) -> bool:
        """Whether a task is ticked; all are before anything was entered."""
        return not self.values or task in self.values.get("task", ())

    def is_chosen(self, choice: MethodQuestion, method: MethodChoice) -> bool:
        """Whether a method is the one that is chosen."""
        return (self.value(choice.name) or choice.default) == method.name

    @property
    def strategy(self) -> MethodQuestion:
        """Which strategy searches."""
        methods = tuple(
            _method("strategy", info.name, info.title, info.description, info.parameters)
            for info in list_strategies()
        )
        return MethodQuestion("strategy", "Strategy", DEFAULT_STRATEGY, methods)

    @property
    def parts(self) -> tuple[MethodQuestion, ...]:
        """Which method is taken for each part of the recipe; the problem's own unless another is chosen."""
        return tuple(
            MethodQuestion(
                part.value,
                _label(part),
                self.problem.recipe.method(part).name,
                tuple(
                    _method(part.value, info.name, info.title, info.description, info.parameters)
                    for info in list_methods(part)
                ),
            )
            for part in Part
        )

    def request(self) -> JobRequest:
        """What the form asks for.

        Raises:
            ValidationError: if a field does not hold what it should.
        """
        return JobRequest.model_validate(self._asked())

    def _asked(self) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "problem": self.problem.name,
            "tasks": list(self.values.get("task", ())),
            "strategy": self._chosen("strategy", DEFAULT_STRATEGY),
            "training_budget": {},
            "recipe": {},
        }
        for name, entry in ENTRIES.items():
            if text := self.value(name).strip():
                within = asked if len(entry.path) == 1 else asked[entry.path[0]]
                within[entry.path[-1]] = entry.meaning(text)
        for part in Part:
            own = self.problem.recipe.method(part)
            chosen = self._chosen(part.value, own.name)
            if chosen["name"] == own.name:
                chosen["parameters"] = {**own.parameters, **chosen["parameters"]}
            asked["recipe"][part.value] = chosen
        return asked

    def entries(self, place: str) -> list[Entry]:
        """The entries of one part of the form."""
        return [entry for entry in ENTRIES.values() if entry.place == place]

    def _chosen(self, choice: str, default: str) -> dict[str, Any]:
        name = self.value(choice) or default
        prefix = f"{choice}.{name}."
        entered = {key.removeprefix(prefix): self.value(key) for key in self.values if key.startswith(prefix)}
        parameters = {key: _json(text) for key, text in entered.items() if text.strip()}
        return {"name": name, "parameters": parameters}

    def field_of(self, pointer: str) -> str:
        """The field that a JSON pointer into the request points at; empty where it is none of the form's."""
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        match parts:
            case ["tasks", *_]:
                return "task"
            case ["strategy", "parameters", parameter, *_]:
                return f"strategy.{self.value('strategy') or DEFAULT_STRATEGY}.{parameter}"
            case ["strategy", *_]:
                return "strategy"
            case ["recipe", part, "parameters", parameter, *_]:
                own = self.problem.recipe.method(Part(part)).name
                return f"{part}.{self.value(part) or own}.{parameter}"
            case ["recipe", name, *_] if name in list(Part):
                return name
        for name, entry in ENTRIES.items():
            if tuple(parts[: len(entry.path)]) == entry.path:
                return name
        return ""

    def with_fault(self, error: ValidationError | InvalidInputError) -> JobForm:
        """The same form with what is wrong beside the field it belongs to."""
        if isinstance(error, InvalidInputError):
            faults = {self.field_of(error.pointer): str(error)}
        else:
            faults = dict(self._faults(error))
        return JobForm(self.problem, self.values, faults)

    def _faults(self, error: ValidationError) -> Iterator[tuple[str, str]]:
        for found in reversed(error.errors(include_url=False)):  # the first one of a field is kept
            pointer = "/" + "/".join(str(part) for part in found["loc"])
            yield self.field_of(pointer), sentence_of(found["msg"])


def _method(choice: str, name: str, title: str, description: str, schema: Mapping[str, Any]) -> MethodChoice:
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    fields = tuple(
        ParameterField(
            f"{choice}.{name}.{parameter}",
            parameter.replace("_", " ").capitalize(),
            said.get("description", ""),
            _options(said),
            "" if said.get("default") is None else _text(said["default"]),
        )
        for parameter, said in properties.items()
    )
    return MethodChoice(name, title, description, fields)


def _options(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if schema.get("type") == "boolean":
        return ("true", "false")
    return tuple(str(value) for value in schema.get("enum", ()))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json(text: str) -> Any:
    """A number, a list or whatever else JSON can say; plain text where it is no JSON."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text.strip()


def _label(part: Part) -> str:
    shown = declared(Recipe)[part.value].shown
    return part.value if shown is None else shown.label
