"""Form that submits a job: its fields, their conversion to a request, and the field of each fault.

The form has a field for every parameter of every method; only those of the chosen methods are read. An empty
field stands for the default, so the form needs no more than the API does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from grouping.domain.fields import Declared, declared
from grouping.domain.jobs.specification import DEFAULT_TRAINER, JobSpec
from grouping.domain.trainings.recipes import BuiltInParameters, Part, Recipe
from grouping.errors import InvalidInputError
from grouping.problems.problem import Problem
from grouping.problems.registry import get_problem
from grouping.recipes import MethodInfo, list_methods
from grouping.strategies import StrategyInfo, list_strategies
from grouping.trainers import TrainerInfo, list_trainers
from grouping.use_cases.submit import build_spec
from grouping.wire.base_types import sentence_of
from grouping.wire.constraints import ConstraintsOut
from grouping.wire.requests import JobRequest
from grouping_api.web.constraint_fields import FIELDS as CONSTRAINT_FIELDS
from grouping_api.web.constraint_fields import constraint_texts, read_constraints
from grouping_api.web.constraint_fields import field_of as constraint_field
from grouping_api.web.job_entries import ENTRIES, Entry

CONSTRAINTS = "constraints"
"""Field of a job for which the form has fields of its own."""

Listed = MethodInfo | StrategyInfo | TrainerInfo
_LISTS: Mapping[str, Callable[[], Sequence[Listed]]] = {
    "strategy": list_strategies,
    "trainer": list_trainers,
}
_DEFAULTS: Mapping[str, str] = {choice: declared(JobSpec)[choice].default for choice in _LISTS}

_ASKED_BESIDE = frozenset(declared(BuiltInParameters))
"""Parameters of the built-in trainer, for which the form has entries and questions of their own."""


@dataclass(frozen=True, slots=True)
class ParameterField:
    """Field of the form for one parameter of one method.

    Attributes:
        name: name of the field, made of choice, method and parameter.
        label: label for people.
        hint: description of the parameter.
        options: allowed values; empty where any text may be entered.
        default: text of the default value, shown where nothing is entered.
    """

    name: str
    label: str
    hint: str
    options: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """Method that can be chosen, with the fields of its parameters."""

    name: str
    title: str
    description: str
    fields: tuple[ParameterField, ...]


@dataclass(frozen=True, slots=True)
class MethodQuestion:
    """Question that is answered by choosing a method.

    Attributes:
        name: name of the field.
        label: label for people.
        default: name of the method that is used unless another is chosen.
        methods: all methods that can be chosen.
    """

    name: str
    label: str
    default: str
    methods: tuple[MethodChoice, ...]


@dataclass(frozen=True)
class JobForm:
    """Content of the form as it is shown.

    Attributes:
        problem: problem whose tasks are offered.
        values: entered texts, by field; several texts for the tasks.
        faults: messages on what is wrong, by field; under the empty name that of no field.
    """

    problem: Problem
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: JobSpec) -> JobForm | None:
        """Fill in the form so that it submits a job; None where it has no fields for all that the job asks.

        Args:
            spec: the job, on a problem or with tasks of its own. Its name is left out.

        Raises:
            UnknownNameError: if its problem is not installed.
        """
        if not spec.problem:
            return None
        form = cls(get_problem(spec.problem), dict(_texts_of(spec)))
        try:
            same, _ = build_spec(form.request())
        except (InvalidInputError, ValidationError):
            return None
        return form if same == replace(spec, name="") else None

    def value(self, name: str) -> str:
        """Return the text entered into a field; empty for none."""
        return next(iter(self.values.get(name, ())), "")

    def has_task(self, task: str) -> bool:
        """Tell whether a task is ticked; all are before anything was entered."""
        return not self.values or task in self.values.get("task", ())

    def is_chosen(self, choice: MethodQuestion, method: MethodChoice) -> bool:
        """Tell whether a method is the chosen one."""
        return (self.value(choice.name) or choice.default) == method.name

    @property
    def choices(self) -> tuple[MethodQuestion, ...]:
        """Questions for the strategy and the trainer; a question with a single answer is left out."""
        asked = (
            _question(declared(JobSpec)[name], list_of(), _DEFAULTS[name]) for name, list_of in _LISTS.items()
        )
        return tuple(question for question in asked if len(question.methods) > 1)

    @property
    def parts(self) -> tuple[MethodQuestion, ...]:
        """Questions for the method of each part of the recipe; the default is the problem's own method."""
        return tuple(
            _question(declared(Recipe)[part], list_methods(part), self.problem.recipe.method(part).name)
            for part in Part
        )

    def request(self) -> JobRequest:
        """Build the request for the job from the entered texts.

        Raises:
            ValidationError: if a field has an invalid value.
        """
        return JobRequest.model_validate(self._asked())

    def _asked(self) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "problem": self.problem.name,
            "tasks": list(self.values.get("task", ())),
            **{choice: self._chosen(choice, default) for choice, default in _DEFAULTS.items()},
            "training_budget": {},
            "resources": {},
            "recipe": {},
            "constraints": self._constraints(),
        }
        for name, entry in ENTRIES.items():
            if text := self.value(name).strip():
                within = asked if len(entry.path) == 1 else asked[entry.path[0]]
                within[entry.path[-1]] = entry.meaning(text)
        for part in Part if asked["trainer"]["name"] == DEFAULT_TRAINER else ():
            own = self.problem.recipe.method(part)
            chosen = self._chosen(part.value, own.name)
            if chosen["name"] == own.name:
                chosen["parameters"] = {**own.parameters, **chosen["parameters"]}
            asked["recipe"][part.value] = chosen
        return asked

    @property
    def demands(self) -> Mapping[str, str]:
        """Texts entered into the fields for constraints, by constraint."""
        return {name: self.value(f"{CONSTRAINTS}.{name}") for name in CONSTRAINT_FIELDS}

    @property
    def has_demands(self) -> bool:
        """Tell whether any constraint was entered, or is at fault."""
        return any(self.demands.values()) or any(name.startswith(f"{CONSTRAINTS}.") for name in self.faults)

    def _constraints(self) -> dict[str, Any]:
        faults: dict[str, str] = {}
        stated = read_constraints(self.demands, [task.name for task in self.problem.tasks], faults)
        for name, message in faults.items():
            raise InvalidInputError(message, pointer=f"/{CONSTRAINTS}/{name}")
        return stated

    def entries(self, place: str) -> list[Entry]:
        """List the entries of one part of the form."""
        return [entry for entry in ENTRIES.values() if entry.place == place]

    def has_any(self, place: str) -> bool:
        """Tell whether a part of the form holds an entered text or a fault."""
        names = [entry.name for entry in self.entries(place)]
        return any(self.value(name).strip() or name in self.faults for name in names)

    def _chosen(self, choice: str, default: str) -> dict[str, Any]:
        name = self.value(choice) or default
        prefix = f"{choice}.{name}."
        entered = {key.removeprefix(prefix): self.value(key) for key in self.values if key.startswith(prefix)}
        parameters = {key: _json(text) for key, text in entered.items() if text.strip()}
        return {"name": name, "parameters": parameters}

    def field_of(self, pointer: str) -> str:
        """Return the field that a JSON pointer into the request stands for; empty if the form has none."""
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        match parts:
            case ["tasks", *_]:
                return "task"
            case ["results", *_]:
                return "results"
            case ["constraints", name, *_] if constraint_field(name):
                return f"{CONSTRAINTS}.{constraint_field(name)}"
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
        """Copy the form, with the messages of an error at the fields they concern."""
        if isinstance(error, InvalidInputError):
            faults = {self.field_of(error.pointer): str(error)}
        else:
            faults = dict(self._faults(error))
        return JobForm(self.problem, self.values, faults)

    def _faults(self, error: ValidationError) -> Iterator[tuple[str, str]]:
        for found in reversed(error.errors(include_url=False)):  # the first one of a field is kept
            pointer = "/" + "/".join(str(part) for part in found["loc"])
            yield self.field_of(pointer), sentence_of(found["msg"])


def _texts_of(spec: JobSpec) -> Iterator[tuple[str, list[str]]]:
    """List what is entered in which field for a job; what the form shows as default is left out."""
    yield "task", list(spec.tasks)
    problem, unsaid = get_problem(spec.problem), {"name"}
    if spec.max_group_size >= len(spec.tasks):
        unsaid.add("max_group_size")
    for name, entry in ENTRIES.items():
        if name not in unsaid and (text := entry.text(spec)) != entry.default(problem):
            yield name, [text]
    stated = ConstraintsOut.read(spec.constraints, tasks=spec.tasks)
    for name, text in constraint_texts(stated).items():
        yield f"{CONSTRAINTS}.{name}", [text]
    chosen = {choice: spec.chosen(choice) for choice in _DEFAULTS}
    if spec.trainer == DEFAULT_TRAINER:
        recipe = BuiltInParameters.from_mapping(spec.trainer_parameters).recipe
        chosen |= {part.value: recipe.method(part) for part in Part}
    for choice, method in chosen.items():
        yield choice, [method.name]
        for parameter, value in method.parameters.items():
            if value is not None and not (method.name == DEFAULT_TRAINER and parameter in _ASKED_BESIDE):
                yield f"{choice}.{method.name}.{parameter}", [_text(value)]


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
        if not (name == DEFAULT_TRAINER and parameter in _ASKED_BESIDE)
    )
    return MethodChoice(name, info.title, info.description, fields)


def _options(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if schema.get("type") == "boolean":
        return ("true", "false")
    return tuple(str(value) for value in schema.get("enum", ()))


def _text(value: Any) -> str:
    """Write a value as `_json` parses it."""
    return value if isinstance(value, str) and _json(value) == value else json.dumps(value)


def _json(text: str) -> Any:
    """Parse a text as JSON; text that is no JSON stays text."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text.strip()
