"""Search files: a job described in TOML, YAML or JSON, with the tasks and sizes that it defines.

A file has the fields of ``POST /v1/jobs``. The inference budgets and the numbers of seeds may have the short
names of the command line, and a strategy or trainer without parameters may be written as its name.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from grouping.domain.jobs.specification import CHOICES
from grouping.errors import InvalidInputError, MarkedTextError, SearchFileError
from grouping.formats.marked_text import SUFFIXES, MarkedText, Path, read_marked
from grouping.wire.base_types import path_of, sentence_of
from grouping.wire.constraints import ConstraintsIn
from grouping.wire.requests import (
    JobRequest,
    MethodIn,
    RecipeIn,
    SizeIn,
    StatedResourcesIn,
    StrategyIn,
    TaskIn,
    TrainerIn,
    TrainingBudgetIn,
)

SHORT_NAMES: Mapping[str, str] = {
    "budgets": "budgets_snt",
    "seeds": "n_seeds",
    "confirm": "n_confirmation_seeds",
    "splits": "n_splits",
}
"""Names in a file of fields that are longer over HTTP, where both are understood."""
_LONG_NAMES = {long: short for short, long in SHORT_NAMES.items()}

_PARTS: Mapping[Path, type[BaseModel]] = {
    ("tasks",): TaskIn,
    ("sizes",): SizeIn,
    ("training_budget",): TrainingBudgetIn,
    ("strategy",): StrategyIn,
    ("trainer",): TrainerIn,
    ("recipe",): RecipeIn,
    ("constraints",): ConstraintsIn,
    ("resources",): StatedResourcesIn,
    ("resources_of",): StatedResourcesIn,
}
MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class SearchFile:
    """A file that was read.

    Attributes:
        asked: fields of the request, as ``POST /v1/jobs`` takes them.
        text: the text with its lines.
        name: name of the file, for messages; empty where the text was pasted.
    """

    asked: Mapping[str, Any]
    text: MarkedText
    name: str = ""

    def request(self, options: Mapping[str, Any] | None = None) -> JobRequest:
        """Build the request.

        Args:
            options: further fields, which come before those of the file; see `with_options`.

        Raises:
            SearchFileError: if a field does not fit the schema, with the line of each fault.
        """
        try:
            return JobRequest.model_validate(with_options(self.asked, options or {}))
        except ValidationError as error:
            faults = [
                self._fault(path_of(f["loc"]), f["type"], f["msg"]) for f in error.errors()[:MAX_FAULTS]
            ]
            raise SearchFileError(sorted(faults, key=lambda fault: fault[0] or 0), self.name) from error

    def located(self, error: InvalidInputError) -> SearchFileError:
        """Return an error about the request as one about the file, with the line that it points at."""
        if isinstance(error, SearchFileError):
            return error
        line = self.text.line_of(_in_file(_path(error.pointer)))
        return SearchFileError([(line, str(error))], self.name)

    def _fault(self, path: Path, kind: str, message: str) -> tuple[int | None, str]:
        within = _in_file(path)
        where = ".".join(str(part) for part in within)
        if kind == "extra_forbidden":
            return self.text.line_of(within), _unknown(path, where)
        said = "This field is required" if kind == "missing" else message
        return self.text.line_of(within), f"{where}: {sentence_of(said)}" if where else sentence_of(said)


def read_search(text: str, name: str = "") -> SearchFile:
    """Read a search file.

    Args:
        text: its text.
        name: its name, whose ending tells the format; without a known one the text tells it.

    Raises:
        SearchFileError: if it cannot be read.
    """
    _, dot, ending = name.rpartition(".")
    try:
        marked = read_marked(text, SUFFIXES.get(f"{dot}{ending.lower()}"))
    except MarkedTextError as error:
        raise SearchFileError([(error.line, str(error))], name) from error
    return SearchFile(_as_request(marked, name), marked, name)


def is_search_file(name: str) -> bool:
    """Tell whether a name is that of a search file and not of a problem, by its ending."""
    return any(name.lower().endswith(ending) for ending in SUFFIXES)


def with_options(asked: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request with others in their place.

    Limits of the training budget, parts of the recipe, resources and constraints are replaced one by one.
    Names of tasks choose among the tasks that are defined.
    """
    changed = {**asked, **options}
    for name in ("training_budget", "recipe", "resources", "constraints"):
        if name in asked and name in options and isinstance(asked[name], Mapping):
            given = {key: value for key, value in options[name].items() if value is not None}
            changed[name] = {**asked[name], **given}
    tasks = asked.get("tasks")
    if "tasks" in options and isinstance(tasks, list) and any(isinstance(task, dict) for task in tasks):
        changed["tasks"] = _chosen(tasks, options["tasks"])
    return changed


def _chosen(defined: list[Any], names: Collection[str]) -> list[Any]:
    known = [task.get("name") if isinstance(task, dict) else task for task in defined]
    if unknown := [name for name in names if name not in known]:
        raise InvalidInputError(
            f"The file has no task {unknown[0]!r}. Its tasks: {', '.join(map(str, known))}.", pointer="/tasks"
        )
    return [task for task, name in zip(defined, known, strict=True) if name in names]


def _as_request(marked: MarkedText, name: str) -> Mapping[str, Any]:
    asked = dict(marked.data)
    for short, long in SHORT_NAMES.items():
        if short not in asked:
            continue
        if long in asked:
            line = marked.line_of((short,))
            raise SearchFileError([(line, f"{short} and {long} are the same; give one of them.")], name)
        asked[long] = asked.pop(short)
    for choice in CHOICES:
        if isinstance(asked.get(choice), str):
            asked[choice] = {"name": asked[choice]}
    return asked


def _path(pointer: str) -> Path:
    parts = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _in_file(path: Path) -> Path:
    """Return a path in the request as it stands in the file."""
    if path and path[0] in _LONG_NAMES:
        return (_LONG_NAMES[str(path[0])], *path[1:])
    return path


def _unknown(path: Path, where: str) -> str:
    around = tuple(part for part in path[:-1] if isinstance(part, str))
    known = list(_model_at(around).model_fields)
    if not around:
        known += list(SHORT_NAMES)
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(known))}."
    return f"{where}: there is no such key; {advice}"


def _model_at(around: Path) -> type[BaseModel]:
    if around[:1] == ("recipe",) and len(around) > 1:
        return MethodIn
    return _PARTS.get(around[:1], JobRequest)
