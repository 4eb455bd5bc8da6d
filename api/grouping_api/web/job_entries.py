"""Entries of the form for a new job, one per field declared in the domain, and parsing of their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from grouping.domain.fields import Declared, declared
from grouping.domain.jobs.specification import CHOICES, DEFAULT_TRAINER, JobSpec, TrainingBudget
from grouping.domain.trainings.recipes import BuiltInParameters, Method, Recipe
from grouping.domain.trainings.resources import StatedResources
from grouping.errors import InvalidInputError
from grouping.problems.problem import Problem

ASKED_OTHERWISE = frozenset({"problem", "tasks", "epochs", *CHOICES})
"""Fields of a job for which the form has ticks and questions in place of entries, or, for the
epochs, an entry of the recipe."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Entry of the form for a new job.

    Attributes:
        name: name of the entry, such as ``recipe.epochs``.
        path: path of the field in the request.
        field: declaration of the field in the domain.
    """

    name: str
    path: tuple[str, ...]
    field: Declared

    @property
    def place(self) -> str:
        """Part of the form that holds the entry: the field that it is within; empty for none."""
        return self.path[0] if len(self.path) > 1 else ""

    @property
    def label(self) -> str:
        """Label for people."""
        return self.field.name if self.field.shown is None else self.field.shown.label

    @property
    def hint(self) -> str:
        """Description of the field, and how several values are written."""
        if self.field.item is StatedResources:
            return f"{self.field.doc} Written as size: gpus=0.5, memory_gib=4; size: cpus=1."
        if self.field.is_mapping:
            return f"{self.field.doc} Written as name: number; name: number."
        return f"{self.field.doc} Separated by commas." if self.field.is_many else self.field.doc

    @property
    def options(self) -> tuple[str, ...]:
        """Allowed values; empty where any text may be entered."""
        kind = self.field.kind
        return tuple(str(item.value) for item in kind) if _is_choice(kind) else ()

    def default(self, problem: Problem) -> str:
        """Return the text of the value that is used if nothing is entered."""
        if self.path[0] == "recipe":
            return self.field.text(getattr(problem.recipe, self.field.name))
        return self.field.default_text

    def text(self, spec: JobSpec) -> str:
        """Return the text by which the entry says what a job does; see `meaning`."""
        if self.name in declared(BuiltInParameters) or self.place == "recipe":
            if spec.trainer != DEFAULT_TRAINER:
                return ""
            value: Any = BuiltInParameters.from_mapping(spec.trainer_parameters)
        else:
            value = spec
        for part in self.path:
            value = getattr(value, part)
        return self.field.text(value)

    def meaning(self, text: str) -> Any:
        """Parse the text of the entry; text that cannot be parsed stays text, and is refused later."""
        if self.field.is_mapping:
            pairs = (piece.rpartition(":") for piece in text.split(";") if piece.strip())
            is_numbers = self.field.item is not StatedResources
            meant = _number if is_numbers else _resources
            return {name.strip(): meant(value) for name, _, value in pairs}
        if self.field.is_many:
            pieces = [piece for piece in re.split(r"[,;\s]+", text.strip()) if piece]
            return pieces if self.field.item is str else [_number(piece) for piece in pieces]
        is_text = self.field.kind is str or _is_choice(self.field.kind)
        return text.strip() if is_text else _number(text)


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _entries() -> Iterator[Entry]:
    for name, field in {**declared(JobSpec), **declared(BuiltInParameters)}.items():
        if field.shown is not None and name not in ASKED_OTHERWISE:
            yield Entry(name, (name,), field)
    for name, field in declared(TrainingBudget).items():
        yield Entry(f"budget.{name}", ("training_budget", name), field)
    for name, field in declared(StatedResources).items():
        yield Entry(f"resources.{name}", ("resources", name), field)
    for name, field in declared(Recipe).items():
        if field.kind is not Method:
            yield Entry(f"recipe.{name}", ("recipe", name), field)


ENTRIES: Mapping[str, Entry] = {entry.name: entry for entry in _entries()}
"""Entries by name, in the order of the form."""


def _resources(text: str) -> dict[str, Any] | str:
    """Parse amounts of resources; text that holds none stays text, and is refused later."""
    try:
        return dict(StatedResources.parse(text).stated)
    except InvalidInputError:
        return text.strip()


def _number(text: str) -> int | float | str:
    """Parse a number; text that is no number stays text, and is refused later."""
    for kind in (int, float):
        try:
            return kind(text.strip().replace(",", "."))
        except ValueError:
            continue
    return text.strip()
