"""Request of ``grouping run``: for a problem, or as a search file describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouping.errors import GroupingError, InvalidInputError, SearchFileError

if TYPE_CHECKING:
    from grouping.domain.tables.finished_results import FinishedResults
    from grouping.use_cases.named_results import NamedResults


@contextmanager
def asked_for(named: str, options: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of a request; errors about it that are raised within tell the lines of the file.

    Args:
        named: name of a problem, or path of a search file.
        options: fields that were given as options; they come before those of the file.

    Raises:
        SearchFileError: if the file cannot be read or does not describe a search.
    """
    from grouping.use_cases.named_results import with_results_read
    from grouping.use_cases.search_file import is_search_file, read_search, with_options

    if not is_search_file(named):
        yield {**options, "problem": named}
        return
    file = Path(named)
    described = read_search(text_of(file), named)
    found = with_results_read(described, _reader(file.parent, described.asked))
    found.request(options)  # faults are told with their lines before anything is sent
    try:
        yield with_options(found.asked, options)
    except GroupingError as error:
        pointer = _pointer(error)
        field = pointer.split("/")[1] if pointer else ""
        if not field or field in options:
            raise
        if field == "results" and field not in found.asked:
            raise InvalidInputError(f"Finished results: {error}", pointer=pointer) from error
        raise found.located(InvalidInputError(str(error), pointer=pointer)) from error


def _reader(folder: Path, asked: Mapping[str, Any]) -> Callable[[NamedResults], FinishedResults]:
    """Return what reads files with finished results that lie in the folder of a search file."""
    from grouping.cli.results import read_results
    from grouping.use_cases.named_results import sizes_in

    sizes = sizes_in(asked)

    def read(named: NamedResults) -> FinishedResults:
        test = None if named.test is None else folder / named.test
        return read_results(folder / named.file, sizes, named.values, test=test, data=named.data)

    return read


def _pointer(error: GroupingError) -> str:
    """Return where in the request an error is, found here or by a service; empty where it does not say."""
    if isinstance(error, InvalidInputError):
        return error.pointer
    faults = getattr(error, "errors", ())
    return str(faults[0].get("pointer") or "") if faults else ""


def text_of(path: Path) -> str:
    """Read a search file.

    Raises:
        SearchFileError: if it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SearchFileError([(None, f"It cannot be read: {error.strerror}.")], str(path)) from error
    except UnicodeDecodeError as error:
        raise SearchFileError([(None, "It is no text in UTF-8.")], str(path)) from error
