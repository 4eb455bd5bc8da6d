"""The form that submits a job: which fields it has, what they mean as a request, and where a fault belongs.

The form has a field for every parameter of every method; only those of the methods that are chosen are read.
A field that is left empty asks for the default, so the form needs no more than the API does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from grouping.domain.fields import Declared, declared
from grouping.domain.jobs import JobSpec
from grouping.domain.recipes import Part, Recipe
from grouping.errors import InvalidInputError
from grouping.problems.problem import Problem
from grouping.recipes import MethodInfo, list_methods
from grouping.strategies import StrategyInfo, list_strategies
from grouping.trainers import TrainerInfo, list_trainers
from grouping.wire.base_types import sentence_of
from grouping.wire.requests import JobRequest
from grouping_api.web.job_entries import ENTRIES, Entry

Listed = MethodInfo | StrategyInfo | TrainerInfo
_LISTS: Mapping[str, Callable[[], Sequence[Listed]]] = {
    "strategy": list_strategies,
    "trainer": list_trainers,
}
_DEFAULTS: Mapping[str, str] = {choice: declared(JobSpec)[choice].default for choice in _LISTS}


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
    def choices(self) -> tuple[MethodQuestion, ...]:
        """Which strategy searches, and what trains; there is no question where there is one answer."""
        asked = (
            _question(declared(JobSpec)[name], list_of(), _DEFAULTS[name]) for name, list_of in _LISTS.items()
        )
        return tuple(question for question in asked if len(question.methods) > 1)

    @property
    def parts(self) -> tuple[MethodQuestion, ...]:
        """Which method is taken for each part of the recipe; the problem's own unless another is chosen."""
        return tuple(
            _question(declared(Recipe)[part], list_methods(part), self.problem.recipe.method(part).name)
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
            **{choice: self._chosen(choice, default) for choice, default in _DEFAULTS.items()},
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
            case [choice, "parameters", parameter, *_] if choice in _DEFAULTS:
                return f"{choice}.{self.value(choice) or _DEFAULTS[choice]}.{parameter}"
            case [choice, *_] if choice in _DEFAULTS:
                return choice
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


def _question(field: Declared, listed: Sequence[Listed], default: str) -> MethodQuestion:
    label = field.name if field.shown is None else field.shown.label
    return MethodQuestion(field.name, label, default, tuple(_method(field.name, info) for info in listed))


def _method(choice: str, info: Listed) -> MethodChoice:
    name, schema = info.name, info.parameters
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
    return MethodChoice(name, info.title, info.description, fields)


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
