"""Files with finished results that a search file names; they are read where the search file lies.

``results = "old.csv"``, a list of names, or tables with the keys of `NamedResults`. Who reads a search file
says how such a file is read: a command opens it beside the search file, a page takes it as an upload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from grouping.domain.tables.finished_results import FinishedResults, ResultValues
from grouping.errors import InvalidInputError, SearchFileError
from grouping.use_cases.search_file import SearchFile
from grouping.wire.results import FinishedResultsIn


@dataclass(frozen=True, slots=True)
class NamedResults:
    """A file with finished results, as a search file names it.

    Attributes:
        file: path of the file, from the folder of the search file.
        test: path of a file with the test values; None if they stand in the same file, or there are none.
        values: meaning of the numbers; None if they mean the same either way.
        data: digest of the data; None if not known.
    """

    file: str
    test: str | None = None
    values: ResultValues | None = None
    data: str | None = None


def with_results_read(found: SearchFile, read: Callable[[NamedResults], FinishedResults]) -> SearchFile:
    """Return a search file with the content of the files with finished results in place of their names.

    Args:
        found: the search file.
        read: reads one of them; `InvalidInputError` if it cannot.

    Raises:
        SearchFileError: if a file cannot be read, or is not named as it should be; tells the line.
    """
    said = found.asked.get("results")
    items = said if isinstance(said, list) else [] if said is None else [said]
    if not any(_names_a_file(item) for item in items):
        return found
    told = []
    for place, item in enumerate(items):
        try:
            told.append(_told(item, read) if _names_a_file(item) else item)
        except InvalidInputError as error:
            line = found.text.line_of(("results", place))
            raise SearchFileError([(line, f"results: {error}")], found.name) from error
    return replace(found, asked={**found.asked, "results": told})


def sizes_in(request: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of the sizes that a request defines, by name; leaves out what is not valid."""
    found = {}
    for size in request.get("sizes") or ():
        number = size.get("width") or size.get("cost")
        if isinstance(size.get("name"), str) and isinstance(number, int | float):
            found[size["name"]] = float(number)
    return found


def _names_a_file(item: object) -> bool:
    return isinstance(item, str) or (isinstance(item, Mapping) and "trainings" not in item)


def _told(item: str | Mapping[str, Any], read: Callable[[NamedResults], FinishedResults]) -> dict[str, Any]:
    return FinishedResultsIn.of(read(_named(item))).model_dump(mode="json")


def _named(item: str | Mapping[str, Any]) -> NamedResults:
    given = {"file": item} if isinstance(item, str) else dict(item)
    known = [field.name for field in fields(NamedResults)]
    if unknown := [name for name in given if name not in known]:
        raise InvalidInputError(f"there is no key {unknown[0]!r}; known keys: {', '.join(known)}.")
    if not all(isinstance(value, str) and value for value in given.values()) or "file" not in given:
        raise InvalidInputError('Name a file, such as "old.csv" or {file = "old.csv", values = "reported"}.')
    if (values := given.pop("values", None)) is None:
        return NamedResults(**given)
    if values not in list(ResultValues):
        raise InvalidInputError(f"values is one of {', '.join(ResultValues)}.")
    return NamedResults(**given, values=ResultValues(values))
