"""Tasks that a clone adds: by name, with a definition, or from a search file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from grouping.cli.options.recipes import parse_named
from grouping.errors import InvalidInputError


def task_asked_for(text: str) -> str | dict[str, Any]:
    """Read ``NAME``, a task of the problem, or ``NAME:KEY=VALUE,...``, the definition of a task.

    Raises:
        InvalidInputError: if there is no name, or a key without a value.
    """
    name, values = parse_named(text, "add-task")
    return {"name": name, **values} if ":" in text else name


def new_tasks(file: Path, known: Collection[str]) -> list[str | dict[str, Any]]:
    """Return the tasks of a search file that are not known.

    Raises:
        SearchFileError: if it cannot be read, or does not describe a search.
        InvalidInputError: if it has no other task.
    """
    from grouping.cli.options.search_files import text_of
    from grouping.use_cases.search_file import read_search

    found = read_search(text_of(file), str(file))
    found.request()  # faults are told with their lines
    tasks: list[str | dict[str, Any]] = list(found.asked.get("tasks") or ())
    added = [task for task in tasks if (task if isinstance(task, str) else task["name"]) not in known]
    if not added:
        raise InvalidInputError(f"{file} has no task that the job does not have.", pointer="/add_tasks")
    return added
